# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the checks of a message at the same time, and brings what they found into order.

The only place with a pool of threads. Checks start when the header section is complete and read
the content while it arrives; ``finish`` waits for them within one deadline. What is returned is in
the order of the checks, never of the clock. Whatever a check raises is a finding of category
FAILED: this is the first of the three doors with a broad ``except``.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace

from milterguard.checks.base import Budget, Check
from milterguard.config.settings import OnFailure
from milterguard.core.finding import Category, Finding
from milterguard.core.message import Message
from milterguard.errors import CheckError, CheckTimeout, CheckUnavailable

Findings = tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Checked:
    """A check and what its failure means."""

    check: Check
    on_failure: OnFailure


@dataclass(frozen=True, slots=True)
class Running:
    """The checks of one message while they run."""

    message: Message
    budget: Budget
    checks: tuple[Checked, ...]
    """Those that run, in their order."""
    futures: tuple[Future[Findings], ...]
    """One for each of them."""
    unwanted: tuple[str, ...] = ()
    """Checks that no recipient wants to hear of."""


@dataclass(frozen=True, slots=True)
class Scanned:
    """What came of it."""

    findings: Findings
    skipped: tuple[str, ...] = ()
    """Checks that nobody wanted, or that were not waited for."""


class Scan:
    """The worker's checks and their threads. Make it after the fork."""

    def __init__(self, checks: Sequence[Checked], *, threads: int) -> None:
        """``threads``: enough for every check of every admitted message, so that none ever waits for one."""
        self._checks = tuple(checks)
        self._pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="check")

    def begin(
        self, message: Message, deadline: float, *, is_wanted: Callable[[str], bool] = lambda _name: True
    ) -> Running:
        """Start the checks of a message whose content may still be arriving. Never raises.

        ``deadline`` is on the monotonic clock; ``is_wanted`` says of a check's name whether to run it.
        """
        budget = Budget(deadline)
        wanted = tuple(checked for checked in self._checks if is_wanted(checked.check.name))
        unwanted = tuple(checked.check.name for checked in self._checks if checked not in wanted)
        futures = tuple(self._start(checked, message, budget) for checked in wanted)
        return Running(message, budget, wanted, futures, unwanted)

    def finish(self, running: Running, is_settled: Callable[[Findings], bool]) -> Scanned:
        """Wait for the checks and return their findings in the order of the checks.

        Ends early once ``is_settled`` says of the findings so far that nothing can change the
        answer, and at the deadline, when the checks that are missing have FAILED.
        """
        pending = set(running.futures)
        settled = False
        while pending and not settled:
            done, pending = wait(pending, timeout=running.budget.remaining(), return_when=FIRST_COMPLETED)
            if not done:
                break
            settled = is_settled(_collected(running.futures))
        running.budget.cancel()
        if settled:
            missing = tuple(each.check.name for each, future in _pairs(running) if future in pending)
            found = _collected(future for future in running.futures if future not in pending)
            return Scanned(found, running.unwanted + missing)
        return Scanned(_with_timeouts(running, pending), running.unwanted)

    def close(self) -> None:
        """Let running checks end and give back the threads and the checks."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        for checked in self._checks:
            checked.check.close()

    def _start(self, checked: Checked, message: Message, budget: Budget) -> Future[Findings]:
        try:
            return self._pool.submit(_run, checked, message, budget)
        except RuntimeError as error:  # no more threads to be had, or closing
            budget.cancel()
            future: Future[Findings] = Future()
            future.set_result((_failed(checked, message, CheckUnavailable(checked.check.name, str(error))),))
            return future


def _run(checked: Checked, message: Message, budget: Budget) -> Findings:
    """Run one check; return what it found, or that it FAILED. Never raises."""
    started = time.monotonic()
    try:
        findings = checked.check.run(message, budget)
        if not findings:
            raise CheckError(checked.check.name, "said nothing")
        return findings
    except Exception as error:  # noqa: BLE001  (door 1: a bug in a check delays mail, it never admits it)
        return (replace(_failed(checked, message, error), seconds=time.monotonic() - started),)


def _pairs(running: Running) -> Iterable[tuple[Checked, Future[Findings]]]:
    return zip(running.checks, running.futures, strict=True)


def _with_timeouts(running: Running, pending: set[Future[Findings]]) -> Findings:
    findings: Findings = ()
    for checked, future in _pairs(running):
        if future in pending:
            late = CheckTimeout(checked.check.name, "no answer within the deadline")
            findings += (_failed(checked, running.message, late),)
        else:
            findings += future.result()
    return findings


def _collected(futures: Iterable[Future[Findings]]) -> Findings:
    return tuple(finding for future in futures if future.done() for finding in future.result())


def _failed(checked: Checked, message: Message, error: Exception) -> Finding:
    kinds: dict[type[Exception], str] = {CheckTimeout: "timeout", CheckUnavailable: "unavailable"}
    return Finding(
        check=checked.check.name,
        category=Category.FAILED,
        minor=kinds.get(type(error), "error"),
        detail=error.detail if isinstance(error, CheckError) else f"{type(error).__name__}: {error}",
        on_failure=checked.on_failure.of(message.envelope.traffic),
    )
