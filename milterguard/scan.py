# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the checks of a message at the same time, and brings what they found into order.

The only place with a pool of threads. Checks start when the header section is complete and read
the content while it arrives. ``finish`` takes the message apart once it is here (``look``), and waits
for all within one deadline. What is returned is in the order of the checks, never of the clock.
"""

from collections.abc import Callable, Sequence, Set
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from milterguard.answers import Answers, Findings, answer, collected, failed
from milterguard.checks.base import Budget, Check
from milterguard.config.on_failure import OnFailure
from milterguard.core.message import Message
from milterguard.core.part import Tree
from milterguard.core.verdict import Judged
from milterguard.errors import CheckError, CheckTimeout, CheckUnavailable
from milterguard.look import LOOK, Case, Look, Looking, TakenApart
from milterguard.unpack.opened import Opened


@dataclass(frozen=True, slots=True)
class Checked:
    """A check and what its failure means."""

    check: Check
    on_failure: OnFailure
    looks_inside: bool = False
    """Whether it asks for the message's parts."""
    is_proving: bool = False
    """Whether it finds out who sent the message; others may wait for that."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A check that runs, and where its findings will be."""

    name: str
    on_failure: OnFailure
    future: Future[Findings]


@dataclass(frozen=True, slots=True)
class Running:
    """The checks of one message while they run."""

    message: Message
    budget: Budget
    inside: TakenApart
    asked: tuple[Asked, ...]
    """In the order of the checks; the look inside is the last."""
    looking: Looking | None = None
    """It begins once somebody waits for the checks, for then the content has arrived."""
    unwanted: tuple[str, ...] = ()
    """Checks that no recipient wants to hear of."""

    @property
    def futures(self) -> tuple[Future[Findings], ...]:
        return tuple(each.future for each in self.asked)


@dataclass(frozen=True, slots=True)
class Scanned:
    """What came of it."""

    findings: Findings
    skipped: tuple[str, ...] = ()
    """Checks that nobody wanted, or that were not waited for."""
    unwanted: tuple[str, ...] = ()
    """Of those the ones that nobody wanted."""
    tree: Tree = ()
    """The message's parts; empty when it was not taken apart in time."""


class Scan:
    """The worker's checks and their threads. Make it after the fork."""

    def __init__(self, checks: Sequence[Checked], *, threads: int, look: Look | None = None) -> None:
        """``threads``: enough for every check of every admitted message, so that none ever waits for one.

        Without a ``look`` no message is taken apart.
        """
        self._checks = tuple(checks)
        self._look = look
        self._part_checks = look.checks if look else ()
        self._pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="check")

    def begin(
        self,
        message: Message,
        deadline: float,
        *,
        judged: Sequence[Judged] = (),
        is_wanted: Callable[[str], bool] = lambda _name: True,
    ) -> Running:
        """Start the checks of a message whose content may still be arriving. Never raises.

        ``deadline`` is on the monotonic clock; ``is_wanted`` says of a check's name whether to run it.
        """
        budget, inside = Budget(deadline), TakenApart()
        budget.on_cancel(inside.give_up)
        wanted = [each for each in self._checks if is_wanted(each.check.name)]
        parts = [each for each in self._part_checks if is_wanted(each.check.name)]
        known = {each.check.name for each in self._checks} | {each.check.name for each in self._part_checks}
        start = partial(self._start, message, budget)
        asked = [
            start(each.check.name, each.on_failure, partial(each.check.run, message, budget, inside)) for each in wanted
        ]
        self._let_prove(wanted, asked, inside)
        looking = None
        if self._look is not None and (parts or any(each.looks_inside for each in wanted)):
            looking = Looking(self._look, parts, Case(message, tuple(judged), budget, inside))
            asked.append(Asked(LOOK, self._look.on_failure, looking.future))
        else:
            inside.tell(Opened())
        unwanted = known - {each.check.name for each in wanted} - {each.check.name for each in parts}
        return Running(message, budget, inside, tuple(asked), looking, tuple(sorted(unwanted)))

    def _let_prove(self, wanted: Sequence[Checked], asked: Sequence[Asked], inside: TakenApart) -> None:
        """Have those who wait for it told who sent the message, as soon as it is known."""
        proving = [one.future for each, one in zip(wanted, asked, strict=True) if each.is_proving]
        if not proving:
            inside.prove(())
        for future in proving:
            future.add_done_callback(lambda done: inside.prove(() if done.cancelled() else done.result()))

    def finish(self, running: Running, is_settled: Callable[[Findings], bool]) -> Scanned:
        """Wait for the checks and return their findings in the order of the checks.

        Ends early once ``is_settled`` says of the findings so far that nothing can change the
        answer, and at the deadline, when the checks that are missing have FAILED.
        """
        answers = Answers(running.futures, is_settled)
        if running.looking is not None and not answers.is_enough:
            running.looking.start(self._pool.submit)
        answered, settled = answers.awaited(running.budget.remaining())
        running.budget.cancel()
        if settled:
            missing = tuple(each.name for each in running.asked if each.future not in answered)
            found = collected(future for future in running.futures if future in answered)
            return Scanned(found, running.unwanted + missing, running.unwanted, running.inside.tree)
        unwanted = running.unwanted
        return Scanned(_with_timeouts(running, answered), unwanted, unwanted, running.inside.tree)

    def close(self) -> None:
        """Let running checks end and give back the threads, the checks and the opener."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        for checked in self._checks:
            checked.check.close()
        if self._look is not None:
            self._look.opener.close()

    def _start(
        self, message: Message, budget: Budget, name: str, on_failure: OnFailure, ask: Callable[[], Findings]
    ) -> Asked:
        try:
            return Asked(name, on_failure, self._pool.submit(_asked, message, name, on_failure, ask))
        except RuntimeError as error:  # no more threads to be had, or closing
            budget.cancel()
            future: Future[Findings] = Future()
            future.set_result((failed(message, name, on_failure, CheckUnavailable(name, str(error))),))
            return Asked(name, on_failure, future)


def _asked(message: Message, name: str, on_failure: OnFailure, ask: Callable[[], Findings]) -> Findings:
    def said() -> Findings:
        findings = ask()
        if not findings:
            raise CheckError(name, "said nothing")
        return findings

    return answer(message, name, on_failure, said)


def _with_timeouts(running: Running, answered: Set[Future[Findings]]) -> Findings:
    findings: Findings = ()
    for each in running.asked:
        if each.future in answered and not each.future.cancelled():
            findings += each.future.result()
        else:
            late = CheckTimeout(each.name, "no answer within the deadline")
            findings += (failed(running.message, each.name, each.on_failure, late),)
    return findings
