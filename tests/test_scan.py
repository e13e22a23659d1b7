# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks run at the same time, and what they found comes back in their order."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from milterguard.checks.base import Budget, Inside
from milterguard.config.settings import OnFailure
from milterguard.core.destiny import Destiny
from milterguard.core.finding import Category, Finding
from milterguard.core.message import Message
from milterguard.errors import CheckError, CheckTimeout, CheckUnavailable
from milterguard.scan import Checked, Findings, Scan
from tests.core.build import CLEAN, VIRUS, message

Run = Callable[[Message, Budget], Findings]


class Doing:
    """A check that does what the test says."""

    def __init__(self, name: str, run: Run) -> None:
        self.name = name
        self._run = run
        self.is_closed = False

    def run(self, message: Message, budget: Budget, inside: Inside) -> Findings:
        return self._run(message, budget)

    def close(self) -> None:
        self.is_closed = True


def says(*findings: Finding) -> Run:
    return lambda _message, _budget: findings


def waits_for(event: threading.Event, *findings: Finding) -> Run:
    def run(_message: Message, budget: Budget) -> Findings:
        budget.on_cancel(event.set)
        event.wait(10)
        return findings

    return run


def raises(error: Exception) -> Run:
    def run(_message: Message, _budget: Budget) -> Findings:
        raise error

    return run


MakeScan = Callable[..., Scan]


@pytest.fixture
def make_scan() -> Iterator[MakeScan]:
    """Make scans that are closed after the test."""
    made: list[Scan] = []

    def make(*checks: Doing, on_failure: OnFailure | None = None) -> Scan:
        made.append(Scan([Checked(check, on_failure or OnFailure()) for check in checks], threads=8))
        return made[-1]

    yield make
    for scan in made:
        scan.close()


def soon(seconds: float = 5.0) -> float:
    return time.monotonic() + seconds


def never(_findings: Findings) -> bool:
    return False


SPAMD_SAYS = Finding("spamd", Category.CLEAN, score=1.0)


def test_findings_come_in_the_order_of_the_checks(make_scan: MakeScan) -> None:
    """The slower check is the first: still its finding comes first."""
    event = threading.Event()

    def sets(_message: Message, _budget: Budget) -> Findings:
        event.set()
        return (SPAMD_SAYS,)

    scan = make_scan(Doing("clamd", waits_for(event, CLEAN)), Doing("spamd", sets))
    scanned = scan.finish(scan.begin(message(), soon()), never)
    assert scanned.findings == (CLEAN, SPAMD_SAYS)
    assert scanned.skipped == ()


def test_a_settled_message_waits_for_nobody(make_scan: MakeScan) -> None:
    """An infection cancels what still runs and names what was not waited for."""
    scan = make_scan(Doing("spamd", waits_for(threading.Event())), Doing("clamd", says(VIRUS)))
    running = scan.begin(message(), soon())
    scanned = scan.finish(running, lambda findings: VIRUS in findings)
    assert scanned.findings == (VIRUS,)
    assert scanned.skipped == ("spamd",)
    assert running.budget.is_cancelled


def test_a_check_that_is_late_has_failed(make_scan: MakeScan) -> None:
    """At the deadline there is an answer; what is missing is FAILED, never silence."""
    scan = make_scan(Doing("clamd", waits_for(threading.Event())), Doing("spamd", says(SPAMD_SAYS)))
    scanned = scan.finish(scan.begin(message(), soon(0.2)), never)
    assert [(each.check, each.category, each.minor) for each in scanned.findings] == [
        ("clamd", Category.FAILED, "timeout"),
        ("spamd", Category.CLEAN, ""),
    ]


@pytest.mark.parametrize(
    ("error", "minor", "detail"),
    [
        (CheckTimeout("clamd", "slow"), "timeout", "slow"),
        (CheckUnavailable("clamd", "nobody"), "unavailable", "nobody"),
        (CheckError("clamd", "garbage"), "error", "garbage"),
        (ZeroDivisionError("bug"), "error", "ZeroDivisionError: bug"),
        (RecursionError(), "error", "RecursionError: "),
    ],
)
def test_whatever_a_check_raises_is_a_failed_finding(
    make_scan: MakeScan, error: Exception, minor: str, detail: str
) -> None:
    """A bug in a check delays mail; it never admits it."""
    scan = make_scan(Doing("clamd", raises(error)))
    (finding,) = scan.finish(scan.begin(message(), soon()), never).findings
    assert (finding.category, finding.minor, finding.detail) == (Category.FAILED, minor, detail)


def test_a_check_that_says_nothing_has_failed(make_scan: MakeScan) -> None:
    """No finding is not clean."""
    scan = make_scan(Doing("clamd", says()))
    (finding,) = scan.finish(scan.begin(message(), soon()), never).findings
    assert (finding.category, finding.detail) == (Category.FAILED, "said nothing")


def test_a_failure_carries_what_the_setting_wants_for_this_traffic(make_scan: MakeScan) -> None:
    """on_failure is per check and traffic class."""
    scan = make_scan(Doing("spamd", raises(ValueError())), on_failure=OnFailure(inbound=Destiny.PASS))
    (finding,) = scan.finish(scan.begin(message(), soon()), never).findings
    assert finding.on_failure is Destiny.PASS


def test_no_more_threads_is_a_failure_and_not_an_exception(
    make_scan: MakeScan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EAGAIN from the kernel answers this message with 451, the next one may work."""

    def refuses(*_args: object, **_kwargs: object) -> None:
        raise RuntimeError("can't start new thread")

    scan = make_scan(Doing("clamd", says(CLEAN)))
    with monkeypatch.context() as patch:
        patch.setattr(ThreadPoolExecutor, "submit", refuses)
        (finding,) = scan.finish(scan.begin(message(), soon()), never).findings
    assert (finding.category, finding.minor) == (Category.FAILED, "unavailable")
    assert scan.finish(scan.begin(message(), soon()), never).findings == (CLEAN,)


def test_a_check_that_nobody_wants_is_not_run(make_scan: MakeScan) -> None:
    """It is named as skipped, whether or not the others are waited for."""
    scan = make_scan(Doing("clamd", says(CLEAN)), Doing("spamd", raises(AssertionError("was asked"))))
    running = scan.begin(message(), soon(), is_wanted=lambda name: name == "clamd")
    scanned = scan.finish(running, never)
    assert (scanned.findings, scanned.skipped) == ((CLEAN,), ("spamd",))


def test_no_checks_means_no_findings(make_scan: MakeScan) -> None:
    """An empty list of checks ends at once."""
    scan = make_scan()
    assert scan.finish(scan.begin(message(), soon()), never).findings == ()


def test_closing_closes_the_checks(make_scan: MakeScan) -> None:
    """Threads first, then the checks."""
    check = Doing("clamd", says(CLEAN))
    make_scan(check).close()
    assert check.is_closed
