# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks run at the same time, and what they found comes back in their order."""

import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from milterguard.answers import Findings
from milterguard.checks.base import Budget, Inside
from milterguard.config.on_failure import OnFailure
from milterguard.core.destiny import Destiny
from milterguard.core.finding import Category, Finding
from milterguard.core.message import Message
from milterguard.core.part import Part
from milterguard.core.verdict import Judged
from milterguard.errors import CheckError, CheckTimeout, CheckUnavailable
from milterguard.look import LOOK, Case, CheckedParts, Look, Looking, TakenApart
from milterguard.scan import Checked, Scan
from milterguard.unpack.opened import Opened
from tests.core.build import CLEAN, VIRUS, Octets, message

Run = Callable[[Message, Budget, Inside], Findings]


class Doing:
    """A check that does what the test says."""

    def __init__(self, name: str, run: Run) -> None:
        self.name = name
        self._run = run
        self.is_closed = False

    def run(self, message: Message, budget: Budget, inside: Inside) -> Findings:
        return self._run(message, budget, inside)

    def close(self) -> None:
        self.is_closed = True


def says(*findings: Finding) -> Run:
    return lambda _message, _budget, _inside: findings


def waits_for(event: threading.Event, *findings: Finding) -> Run:
    def run(_message: Message, budget: Budget, _inside: Inside) -> Findings:
        budget.on_cancel(event.set)
        event.wait(10)
        return findings

    return run


def raises(error: Exception) -> Run:
    def run(_message: Message, _budget: Budget, _inside: Inside) -> Findings:
        raise error

    return run


MakeScan = Callable[..., Scan]


@pytest.fixture
def make_scan() -> Iterator[MakeScan]:
    """Make scans that are closed after the test."""
    made: list[Scan] = []

    def make(*checks: Doing, on_failure: OnFailure | None = None, look: Look | None = None) -> Scan:
        checked = [Checked(each, on_failure or OnFailure(), looks_inside=look is not None) for each in checks]
        made.append(Scan(checked, threads=8, look=look))
        return made[-1]

    yield make
    for scan in made:
        scan.close()


class Opening:
    """Takes messages apart as the test says; ``after``: whoever waits has to wait for that."""

    def __init__(self, opened: Opened | Exception, *, after: threading.Event | None = None) -> None:
        self._opened = opened
        self._after = after
        self.closed = 0
        self.threads: list[str] = []
        """Who asked for the parts, in turn."""

    def begin(self, message: Message, *, deadline: float) -> "Opening":
        return self

    def opened(self, *, may_wait: bool) -> Opened | None:
        self.threads.append(threading.current_thread().name)
        if self._after is not None:
            if not may_wait:
                return None
            self._after.wait(10)
        if isinstance(self._opened, Exception):
            raise self._opened
        return self._opened

    def close(self) -> None:
        self.closed += 1


class Judging:
    """A check of the parts that says what the test says."""

    def __init__(self, name: str, *found: Finding, error: Exception | None = None) -> None:
        self.name = name
        self._found = found
        self._error = error

    def judge(self, message: Message, judged: Sequence[Judged], opened: Opened) -> Findings:
        if self._error is not None:
            raise self._error
        return self._found


def look(opening: Opening, *checks: Judging) -> Look:
    return Look(opening, OnFailure(), tuple(CheckedParts(check, OnFailure()) for check in checks))


OPENED = Opened(tree=(Part("1"),))
BANNED = Finding("banned", Category.BANNED, detail="evil.exe")


def waits_inside(_message: Message, budget: Budget, inside: Inside) -> Findings:
    inside.opened(budget)
    return (CLEAN,)


def soon(seconds: float = 5.0) -> float:
    return time.monotonic() + seconds


def never(_findings: Findings) -> bool:
    return False


SPAMD_SAYS = Finding("spamd", Category.CLEAN, score=1.0)


def test_findings_come_in_the_order_of_the_checks(make_scan: MakeScan) -> None:
    """The slower check is the first: still its finding comes first."""
    event = threading.Event()

    def sets(_message: Message, _budget: Budget, _inside: Inside) -> Findings:
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


# --- the look inside --------------------------------------------------------------------------


def test_checks_of_the_parts_come_last_and_in_their_order(make_scan: MakeScan) -> None:
    """One that has nothing to say has said that."""
    scan = make_scan(
        Doing("clamd", waits_inside), look=look(Opening(OPENED), Judging("parts"), Judging("banned", BANNED))
    )
    scanned = scan.finish(scan.begin(message(), soon()), never)
    assert [(each.check, each.category) for each in scanned.findings] == [
        ("clamd", Category.CLEAN),
        ("parts", Category.CLEAN),
        ("banned", Category.BANNED),
    ]
    assert scanned.tree == OPENED.tree


def test_a_message_that_cannot_be_taken_apart_has_failed(make_scan: MakeScan) -> None:
    """For whoever wanted its parts as well: nothing is known about them."""
    scan = make_scan(Doing("clamd", waits_inside), look=look(Opening(ValueError("bug")), Judging("banned", BANNED)))
    scanned = scan.finish(scan.begin(message(), soon()), never)
    assert [(each.check, each.category) for each in scanned.findings] == [
        ("clamd", Category.FAILED),
        (LOOK, Category.FAILED),
    ]
    assert scanned.tree == ()


def test_why_it_failed_is_passed_on(make_scan: MakeScan) -> None:
    """A CheckError keeps its words."""
    scan = make_scan(
        Doing("clamd", waits_inside), look=look(Opening(CheckError(LOOK, "no process")), Judging("banned"))
    )
    details = {each.detail for each in scan.finish(scan.begin(message(), soon()), never).findings}
    assert details == {"no process"}


def test_a_bug_in_one_look_leaves_the_others_alone(make_scan: MakeScan) -> None:
    """It has FAILED in its own name."""
    opening = Opening(OPENED)
    scan = make_scan(look=look(opening, Judging("parts", error=ZeroDivisionError()), Judging("banned", BANNED)))
    found = scan.finish(scan.begin(message(), soon()), never).findings
    assert [(each.check, each.category) for each in found] == [("parts", Category.FAILED), ("banned", Category.BANNED)]


def test_nobody_opens_what_nobody_wants_to_know(make_scan: MakeScan) -> None:
    """All bypass it, and no scanner asks for parts."""
    opening = Opening(OPENED)
    scan = make_scan(look=look(opening, Judging("banned", BANNED)))
    scanned = scan.finish(scan.begin(message(), soon(), is_wanted=lambda _name: False), never)
    assert (scanned.findings, scanned.skipped, opening.threads) == ((), ("banned",), [])


def test_without_a_look_a_message_has_no_parts(make_scan: MakeScan) -> None:
    """A scanner that asks for them gets none, at once."""
    scan = make_scan(Doing("clamd", waits_inside))
    assert scan.finish(scan.begin(message(), soon()), never).findings == (CLEAN,)


def test_who_waits_for_parts_is_late_at_the_deadline(make_scan: MakeScan) -> None:
    """Both have failed then, and the thread that waited is free again."""
    event = threading.Event()
    scan = make_scan(Doing("clamd", waits_inside), look=look(Opening(OPENED, after=event), Judging("banned")))
    found = scan.finish(scan.begin(message(), soon(0.2)), never).findings
    event.set()
    assert {(each.check, each.category, each.minor) for each in found} == {
        ("clamd", Category.FAILED, "timeout"),
        (LOOK, Category.FAILED, "timeout"),
    }


def test_whose_own_time_is_over_does_not_wait_for_parts(make_scan: MakeScan) -> None:
    """A timeout, and not an error."""
    event = threading.Event()

    def late(_message: Message, _budget: Budget, inside: Inside) -> Findings:
        inside.opened(Budget(time.monotonic() - 1))
        return (CLEAN,)

    scan = make_scan(Doing("clamd", late), look=look(Opening(OPENED, after=event)))
    running = scan.begin(message(), soon())
    (asked, _) = running.asked
    (finding,) = asked.future.result(timeout=5)
    event.set()
    assert (finding.category, finding.minor) == (Category.FAILED, "timeout")
    scan.finish(running, never)


def test_a_settled_message_is_not_waited_for_inside(make_scan: MakeScan) -> None:
    """Another scanner's infection ends the wait for parts."""
    event = threading.Event()
    opening = Opening(OPENED, after=event)
    scan = make_scan(Doing("clamd", says(VIRUS)), Doing("other", waits_inside), look=look(opening, Judging("banned")))
    running = scan.begin(message(), soon())
    scanned = scan.finish(running, lambda findings: VIRUS in findings)
    (waiting,) = [each.future for each in running.asked if each.name == "other"]
    assert waiting.result(timeout=5)[0].category is Category.FAILED
    event.set()
    assert scanned.findings == (VIRUS,)
    assert set(scanned.skipped) == {"other", LOOK}


def test_closing_closes_the_opener(make_scan: MakeScan) -> None:
    """It has processes to give back."""
    opening = Opening(OPENED)
    make_scan(look=look(opening)).close()
    assert opening.closed == 1


def test_who_waits_for_the_checks_looks_inside(make_scan: MakeScan) -> None:
    """Another thread would cost as much again."""
    opening = Opening(OPENED)
    scan = make_scan(look=look(opening, Judging("banned", BANNED)))
    running = scan.begin(message(), soon())
    assert opening.threads == []
    assert [each.check for each in scan.finish(running, never).findings] == ["banned"]
    assert opening.threads == [threading.current_thread().name]


def test_where_somebody_has_to_be_waited_for_a_thread_goes_on(make_scan: MakeScan) -> None:
    """So that an infection can decide meanwhile."""
    event = threading.Event()
    event.set()
    opening = Opening(OPENED, after=event)
    scan = make_scan(look=look(opening, Judging("banned", BANNED)))
    assert [each.check for each in scan.finish(scan.begin(message(), soon()), never).findings] == ["banned"]
    assert opening.threads[0] == threading.current_thread().name
    assert [name.partition("_")[0] for name in opening.threads[1:]] == ["check"]


def test_a_large_message_is_left_to_a_thread(make_scan: MakeScan) -> None:
    """Going through it may take long, and an infection should not have to wait."""
    opening = Opening(OPENED)
    scan = make_scan(look=look(opening, Judging("banned", BANNED)))
    large = replace(message(), content=Octets(bytes((1 << 20) + 1)))
    assert [each.check for each in scan.finish(scan.begin(large, soon()), never).findings] == ["banned"]
    assert [name.partition("_")[0] for name in opening.threads] == ["check"]


def test_nothing_of_a_message_outlives_it(make_scan: MakeScan) -> None:
    """It has files open: they are not left to the collector of cycles."""
    opening = Opening(OPENED)
    known = weakref.ref(opening)
    gc.disable()
    try:
        scan = make_scan(Doing("clamd", waits_inside))
        running = scan.begin(message(), soon())
        scan.finish(running, lambda findings, opening=opening: VIRUS in findings)  # type: ignore[misc]
        del opening, running
        assert known() is None
    finally:
        gc.enable()


def test_a_bug_in_the_question_loses_no_finding(make_scan: MakeScan) -> None:
    """All are waited for then."""

    def raises(_findings: Findings) -> bool:
        raise ZeroDivisionError

    scan = make_scan(Doing("clamd", says(VIRUS)), Doing("spamd", says(SPAMD_SAYS)))
    scanned = scan.finish(scan.begin(message(), soon()), raises)
    assert (scanned.findings, scanned.skipped) == ((VIRUS, SPAMD_SAYS), ())


def test_an_infection_before_the_end_of_the_message_spares_the_look(make_scan: MakeScan) -> None:
    """It is told as not waited for."""
    opening = Opening(OPENED)
    scan = make_scan(Doing("clamd", says(VIRUS)), look=look(opening, Judging("banned", BANNED)))
    running = scan.begin(message(), soon())
    running.futures[0].result(timeout=5)
    scanned = scan.finish(running, lambda findings: VIRUS in findings)
    assert (scanned.findings, scanned.skipped) == ((VIRUS,), (LOOK,))
    assert opening.threads == []
    assert all(future.done() for future in running.futures)


def test_a_message_that_is_given_up_is_not_taken_apart(make_scan: MakeScan) -> None:
    """Whoever waits for a place that it held gets it."""
    opening = Opening(OPENED)
    scan = make_scan(Doing("clamd", waits_inside), look=look(opening, Judging("banned", BANNED)))
    running = scan.begin(message(), soon())
    dropped: list[object] = []
    for future in running.futures:
        future.add_done_callback(dropped.append)
    running.budget.cancel()
    running.futures[0].result(timeout=5)
    assert len(dropped) == 2
    found = scan.finish(running, never).findings
    assert {(each.check, each.category) for each in found} == {("clamd", Category.FAILED), (LOOK, Category.FAILED)}
    assert opening.threads == []


def test_without_a_thread_to_go_on_the_look_has_failed(make_scan: MakeScan) -> None:
    """And holds nothing open."""
    opening = Opening(OPENED, after=threading.Event())
    scan = make_scan(look=look(opening, Judging("banned", BANNED)))
    large = replace(message(), content=Octets(bytes((1 << 20) + 1)))
    running = [scan.begin(each, soon()) for each in (message(), large)]
    scan._pool.shutdown()
    for each in running:
        (finding,) = scan.finish(each, never).findings
        assert (finding.check, finding.category, finding.minor) == (LOOK, Category.FAILED, "unavailable")
    assert opening.closed == 1


def test_proofs_that_are_late_are_not_waited_for() -> None:
    """Whoever wants to tell of them goes on without."""
    inside = TakenApart()
    assert inside.proofs(Budget(time.monotonic())) == ()
    inside.prove((CLEAN,))
    assert inside.proofs(Budget(soon())) == (CLEAN,)


def test_a_look_that_was_given_up_does_not_begin() -> None:
    """Between the question whether it is wanted and its start."""
    opening, budget = Opening(OPENED), Budget(soon())
    looking = Looking(look(opening), (), Case(message(), (), budget, TakenApart()))
    budget.cancel()
    looking.start(lambda _work: None)
    assert (looking.future.cancelled(), opening.threads) == (True, [])
