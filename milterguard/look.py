# SPDX-License-Identifier: GPL-3.0-or-later
"""One look inside a message: it is taken apart, and asked are the checks that only compute on its parts.

Most messages are taken apart in a millisecond, on the thread that waits for the checks anyway: another thread
would cost as much again. With a large one, and where sealed processes have to be waited for, a thread of the
pool goes on, so that nobody waits for a bomb once an infection or the deadline has decided.

*Errors:* none; that a message could not be taken apart is a finding of category FAILED.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from milterguard.answers import Findings, answer, failed
from milterguard.checks.base import Budget, Opener, Opening, PartCheck
from milterguard.config.on_failure import OnFailure
from milterguard.core.finding import Category, Finding
from milterguard.core.message import Message
from milterguard.core.part import Tree
from milterguard.core.verdict import Judged
from milterguard.errors import CheckError, CheckTimeout, CheckUnavailable
from milterguard.unpack.opened import Opened

LOOK = "parts"
"""The name under which taking a message apart fails."""
_SOON_BYTES = 1 << 20
"""Whatever stands in less is walked through in half a second; an infection should not have to wait for more."""
Submit = Callable[[Callable[[], object]], object]
"""Has something done on a thread of the pool. Raises RuntimeError when there is none to be had."""


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
class Case:
    """What a look inside is about."""

    message: Message
    judged: tuple[Judged, ...]
    budget: Budget
    inside: "TakenApart"


class TakenApart:
    """The parts of a message and proofs of who sent it, for whoever waits. Implements ``checks.base.Inside``."""

    def __init__(self) -> None:
        self._future: Future[Opened] = Future()
        self._proofs: Future[Findings] = Future()

    def tell(self, opened: Opened) -> None:
        with suppress(InvalidStateError):  # nobody waits any more
            self._future.set_result(opened)

    def fail(self, error: CheckError) -> None:
        with suppress(InvalidStateError):
            self._future.set_exception(error)

    def give_up(self) -> None:
        """Make whoever waits fail at once."""
        self.fail(CheckError(LOOK, "cancelled"))
        self.prove(())

    def prove(self, findings: Findings) -> None:
        """Tell what was found out about who sent the message."""
        with suppress(InvalidStateError):
            self._proofs.set_result(findings)

    def proofs(self, budget: Budget) -> Findings:
        try:
            return self._proofs.result(timeout=budget.remaining())
        except TimeoutError:
            return ()

    def opened(self, budget: Budget) -> Opened:
        try:
            return self._future.result(timeout=budget.remaining())
        except TimeoutError as error:
            raise CheckTimeout(LOOK, "the message was not taken apart in time") from error

    @property
    def tree(self) -> Tree:
        is_known = self._future.done() and self._future.exception() is None
        return self._future.result().tree if is_known else ()


class Looking:
    """A look inside one message, from ``start`` to its findings in ``future``; cancelled when it never begins."""

    def __init__(self, look: Look, checks: Sequence[CheckedParts], case: Case) -> None:
        self.future: Future[Findings] = Future()
        self._look = look
        self._checks = tuple(checks)
        self._case = case
        self._opening: Opening | None = None
        case.budget.on_cancel(self._cancel)

    def _cancel(self) -> None:
        self.future.cancel()

    def start(self, submit: Submit) -> None:
        """Look inside now, as far as that takes no time to speak of; leave the rest to a thread. Never raises."""
        if not self.future.set_running_or_notify_cancel():
            return
        if self._case.message.content.size <= _SOON_BYTES and self._goes_on(may_wait=False):
            return
        try:
            submit(partial(self._goes_on, may_wait=True))
        except RuntimeError as error:  # no more threads to be had, or closing
            if self._opening is not None:
                self._opening.close()
            self._fail(CheckUnavailable(LOOK, str(error)))

    def _goes_on(self, *, may_wait: bool) -> bool:
        """Go on with it, and tell whether that was all: somebody may have to be waited for."""
        try:
            opened = self._opened(may_wait=may_wait)
        except Exception as error:  # noqa: BLE001  (door 1)
            self._fail(error)
            return True
        if opened is not None:
            self._case.inside.tell(opened)
            self.future.set_result(self._findings(opened))
        return opened is not None

    def _opened(self, *, may_wait: bool) -> Opened | None:
        if self._opening is None:
            case = self._case
            self._opening = self._look.opener.begin(case.message, deadline=case.budget.deadline)
        return self._opening.opened(may_wait=may_wait)

    def _findings(self, opened: Opened) -> Findings:
        case = self._case
        found: Findings = ()
        for each in self._checks:
            found += answer(case.message, each.check.name, each.on_failure, partial(_judge, each.check, case, opened))
        return found

    def _fail(self, error: Exception) -> None:
        case = self._case
        case.inside.fail(error if isinstance(error, CheckError) else CheckError(LOOK, type(error).__name__))
        self.future.set_result((failed(case.message, LOOK, self._look.on_failure, error),))


def _judge(check: PartCheck, case: Case, opened: Opened) -> Findings:
    """Return what a look at the parts found; that there is nothing to say is something as well."""
    started = time.monotonic()
    found = check.judge(case.message, case.judged, opened) or (Finding(check.name, Category.CLEAN),)
    seconds = time.monotonic() - started
    return tuple(replace(each, seconds=seconds) for each in found)
