# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the checks of a message at the same time, and brings what they found into order.

The only place with a pool of threads. Checks start when the header section is complete and read
the content while it arrives; one more thread takes the message apart once it is here, and runs the
checks that only look at its parts. ``finish`` waits for them within one deadline. What is returned
is in the order of the checks, never of the clock. Whatever a check raises is a finding of category
FAILED: this is the first of the three doors with a broad ``except``.
"""

import time
from collections.abc import Callable, Sequence, Set
from concurrent.futures import Future, InvalidStateError, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from milterguard.answers import Answers, Findings, collected
from milterguard.checks.base import Budget, Check, Opener, PartCheck
from milterguard.config.settings import OnFailure
from milterguard.core.finding import Category, Finding
from milterguard.core.message import Message
from milterguard.core.part import Tree
from milterguard.core.verdict import Judged
from milterguard.errors import CheckError, CheckTimeout, CheckUnavailable
from milterguard.unpack.opened import Opened

LOOK = "parts"
"""The name under which taking a message apart fails."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A check and what its failure means."""

    check: Check
    on_failure: OnFailure
    looks_inside: bool = False
    """Whether it asks for the message's parts."""


@dataclass(frozen=True, slots=True)
class CheckedParts:
    """A check of the parts, and what its failure means."""

    check: PartCheck
    on_failure: OnFailure


@dataclass(frozen=True, slots=True)
class Look:
    """How messages are taken apart, and who looks at what comes of it."""

    opener: Opener
    on_failure: OnFailure
    checks: tuple[CheckedParts, ...] = ()


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
    inside: "_Inside"
    asked: tuple[Asked, ...]
    """In the order of the checks; the look inside is the last."""
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
    tree: Tree = ()
    """The message's parts; empty when it was not taken apart in time."""


class _Inside:
    """The parts of one message, for whoever waits for them. Implements ``checks.base.Inside``."""

    def __init__(self) -> None:
        self._future: Future[Opened] = Future()

    def tell(self, opened: Opened) -> None:
        with suppress(InvalidStateError):  # nobody waits any more
            self._future.set_result(opened)

    def fail(self, error: CheckError) -> None:
        with suppress(InvalidStateError):
            self._future.set_exception(error)

    def give_up(self) -> None:
        """Make whoever waits fail at once."""
        self.fail(CheckError(LOOK, "cancelled"))

    def opened(self, budget: Budget) -> Opened:
        try:
            return self._future.result(timeout=budget.remaining())
        except TimeoutError as error:
            raise CheckTimeout(LOOK, "the message was not taken apart in time") from error

    @property
    def tree(self) -> Tree:
        is_known = self._future.done() and self._future.exception() is None
        return self._future.result().tree if is_known else ()


@dataclass(frozen=True, slots=True)
class _Case:
    """What a look inside is about."""

    message: Message
    judged: tuple[Judged, ...]
    budget: Budget
    inside: _Inside


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
        budget, inside = Budget(deadline), _Inside()
        budget.on_cancel(inside.give_up)
        wanted = [each for each in self._checks if is_wanted(each.check.name)]
        parts = [each for each in self._part_checks if is_wanted(each.check.name)]
        known = {each.check.name for each in self._checks} | {each.check.name for each in self._part_checks}
        start = partial(self._start, message, budget)
        asked = [
            start(each.check.name, each.on_failure, partial(each.check.run, message, budget, inside)) for each in wanted
        ]
        if self._look is not None and (parts or any(each.looks_inside for each in wanted)):
            case = _Case(message, tuple(judged), budget, inside)
            asked.append(start(LOOK, self._look.on_failure, partial(_look, self._look.opener, parts, case)))
        else:
            inside.tell(Opened())
        unwanted = known - {each.check.name for each in wanted} - {each.check.name for each in parts}
        return Running(message, budget, inside, tuple(asked), tuple(sorted(unwanted)))

    def finish(self, running: Running, is_settled: Callable[[Findings], bool]) -> Scanned:
        """Wait for the checks and return their findings in the order of the checks.

        Ends early once ``is_settled`` says of the findings so far that nothing can change the
        answer, and at the deadline, when the checks that are missing have FAILED.
        """
        answers = Answers(running.futures, is_settled)
        answered, settled = answers.awaited(running.budget.remaining())
        running.budget.cancel()
        if settled:
            missing = tuple(each.name for each in running.asked if each.future not in answered)
            found = collected(future for future in running.futures if future in answered)
            return Scanned(found, running.unwanted + missing, running.inside.tree)
        return Scanned(_with_timeouts(running, answered), running.unwanted, running.inside.tree)

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
            return Asked(name, on_failure, self._pool.submit(_run, message, name, on_failure, ask))
        except RuntimeError as error:  # no more threads to be had, or closing
            budget.cancel()
            future: Future[Findings] = Future()
            future.set_result((_failed(message, name, on_failure, CheckUnavailable(name, str(error))),))
            return Asked(name, on_failure, future)


def _run(message: Message, name: str, on_failure: OnFailure, ask: Callable[[], Findings]) -> Findings:
    """Ask one check; return what it found, or that it FAILED. Never raises."""
    started = time.monotonic()
    try:
        findings = ask()
        if not findings and name != LOOK:
            raise CheckError(name, "said nothing")
        return findings
    except Exception as error:  # noqa: BLE001  (door 1: a bug in a check delays mail, it never admits it)
        return (replace(_failed(message, name, on_failure, error), seconds=time.monotonic() - started),)


def _look(opener: Opener, checks: Sequence[CheckedParts], case: _Case) -> Findings:
    """Take the message apart, tell those who wait for it, and ask those who only look at it."""
    try:
        opened = opener.open(case.message, deadline=case.budget.deadline)
    except Exception as error:
        case.inside.fail(error if isinstance(error, CheckError) else CheckError(LOOK, type(error).__name__))
        raise
    case.inside.tell(opened)
    findings: Findings = ()
    for each in checks:
        judge = partial(_judge, each.check, case, opened)
        findings += _run(case.message, each.check.name, each.on_failure, judge)
    return findings


def _judge(check: PartCheck, case: _Case, opened: Opened) -> Findings:
    """Return what a look at the parts found; that there is nothing to say is something as well."""
    started = time.monotonic()
    found = check.judge(case.message, case.judged, opened) or (Finding(check.name, Category.CLEAN),)
    seconds = time.monotonic() - started
    return tuple(replace(each, seconds=seconds) for each in found)


def _with_timeouts(running: Running, answered: Set[Future[Findings]]) -> Findings:
    findings: Findings = ()
    for each in running.asked:
        if each.future in answered:
            findings += each.future.result()
        else:
            late = CheckTimeout(each.name, "no answer within the deadline")
            findings += (_failed(running.message, each.name, each.on_failure, late),)
    return findings


def _failed(message: Message, name: str, on_failure: OnFailure, error: Exception) -> Finding:
    kinds: dict[type[Exception], str] = {CheckTimeout: "timeout", CheckUnavailable: "unavailable"}
    return Finding(
        check=name,
        category=Category.FAILED,
        minor=kinds.get(type(error), "error"),
        detail=error.detail if isinstance(error, CheckError) else f"{type(error).__name__}: {error}",
        on_failure=on_failure.of(message.envelope.traffic),
    )
