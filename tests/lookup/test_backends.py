# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is asked, for how long, and who rests."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future

import pytest

from milterguard.errors import StoreError
from milterguard.lookup.backends import Backends, Crew, Refused

SOON = 0.05
"""The time limit of tests in which somebody hangs."""


class Clock:
    """Stands still unless told otherwise."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Server:
    """Answers with its name, fails or hangs, as it is told."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.asked = 0
        self.trouble: Exception | None = None
        self.goes_on = threading.Event()
        self.goes_on.set()

    def answer(self) -> str:
        self.asked += 1
        assert self.goes_on.wait(30)
        if self.trouble is not None:
            raise self.trouble
        return self.name


@pytest.fixture
def hanging() -> Iterator[Server]:
    """A server that is told to go on at the end, whatever the test does."""
    server = Server("first")
    yield server
    server.goes_on.set()


def _backends(*servers: Server, clock: Callable[[], float] | None = None, seconds: float = 5.0) -> Backends[Server]:
    named = {server.name: server for server in servers}
    return Backends(named, time_limit_seconds=seconds, retry_seconds=10.0, threads=2, clock=clock or Clock())


def _ask(backends: Backends[Server]) -> str:
    return backends.ask(lambda server: server.answer())


def test_the_first_server_that_is_well_is_asked() -> None:
    """A second one costs nothing as long as the first answers."""
    first, second = Server("first"), Server("second")
    backends = _backends(first, second)
    assert [_ask(backends), _ask(backends)] == ["first", "first"]
    assert second.asked == 0


def test_one_that_fails_rests_and_the_next_is_asked(caplog: pytest.LogCaptureFixture) -> None:
    """It is tried again after retry_seconds, and the log tells of both."""
    first, second, clock = Server("first"), Server("second"), Clock()
    backends = _backends(first, second, clock=clock)
    first.trouble = StoreError("no route")
    assert [_ask(backends) for _ in range(3)] == ["second"] * 3
    assert first.asked == 1
    first.trouble = None
    clock.now += 11
    assert _ask(backends) == "first"
    assert caplog.messages == ["first cannot be asked: no route", "first answers again, after 11 s"]


def test_one_that_hangs_holds_nobody_longer_than_the_limit(hanging: Server) -> None:
    """Half of the time is the next one's, and who asks later does not wait at all."""
    backends = _backends(hanging, Server("second"), seconds=2 * SOON)
    hanging.goes_on.clear()
    assert _ask(backends) == "second"
    assert _ask(backends) == "second"
    assert hanging.asked == 1


def test_nobody_answers_in_time(hanging: Server) -> None:
    """The error names who was waited for; while he rests it comes at once and says why."""
    backends = _backends(hanging, seconds=SOON)
    hanging.goes_on.clear()
    with pytest.raises(StoreError, match=r"first: no answer within 0\.0|first: no answer within 0\.1"):
        _ask(backends)
    with pytest.raises(StoreError, match="resting after a failure: first: no answer within"):
        _ask(backends)
    assert hanging.asked == 1


def test_a_single_question_tries_out_who_rested(hanging: Server) -> None:
    """Others are not held by it."""
    clock = Clock()
    backends = _backends(hanging, clock=clock)
    hanging.trouble = StoreError("away")
    with pytest.raises(StoreError, match="away"):
        _ask(backends)
    hanging.trouble = None
    hanging.goes_on.clear()
    clock.now += 11
    answers: list[str] = []
    trying = threading.Thread(target=lambda: answers.append(_ask(backends)))
    trying.start()
    while hanging.asked < 2:
        trying.join(0.001)
    with pytest.raises(StoreError, match="resting"):
        _ask(backends)
    hanging.goes_on.set()
    trying.join(30)
    assert answers == ["first"]
    assert _ask(backends) == "first"


def test_only_so_many_threads_hang(hanging: Server) -> None:
    """With all of them hanging a server is not asked at all, until one of them has come back."""
    clock = Clock()
    backends = _backends(hanging, clock=clock, seconds=SOON)
    hanging.goes_on.clear()
    before = threading.active_count()
    for _ in range(5):
        with pytest.raises(StoreError):
            _ask(backends)
        clock.now += 11
    assert hanging.asked == 2
    assert threading.active_count() - before <= 2
    with pytest.raises(StoreError, match="no answer to 2 earlier questions yet"):
        _ask(backends)
    hanging.goes_on.set()
    assert _recovered(backends, clock) == "first"


def _recovered(backends: Backends[Server], clock: Clock) -> str:
    """Ask until the threads that hung have seen that they need not."""
    end = time.monotonic() + 30
    while True:
        clock.now += 11
        try:
            return _ask(backends)
        except StoreError:
            assert time.monotonic() < end


def test_one_question_takes_a_server_from_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """Who refuses a question is well: the next one is asked about it, and the first about everything else."""
    first, second = Server("first"), Server("second")
    backends = _backends(first, second)
    first.trouble = Refused("no such letter")
    assert [_ask(backends), _ask(backends)] == ["second", "second"]
    second.trouble = first.trouble
    with pytest.raises(StoreError, match="first: no such letter; second: no such letter"):
        _ask(backends)
    first.trouble = None
    assert _ask(backends) == "first"
    assert caplog.messages == ["first cannot be asked: no such letter", "second cannot be asked: no such letter"]


def test_the_log_tells_of_the_same_trouble_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    """However often it is met."""
    first, clock = Server("first"), Clock()
    backends = _backends(first, clock=clock)
    first.trouble = StoreError("bad\nnews")
    for _ in range(12):
        with pytest.raises(StoreError):
            _ask(backends)
        clock.now += 10.5
    assert caplog.messages == ["first cannot be asked: bad\\x{A}news"] * 2
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


def test_what_is_unexpected_goes_through() -> None:
    """A defect is no trouble of a server, and is not hidden."""
    first = Server("first")
    backends = _backends(first)
    first.trouble = ZeroDivisionError("oh")
    with pytest.raises(ZeroDivisionError):
        _ask(backends)
    first.trouble = TimeoutError("its own")
    with pytest.raises(TimeoutError, match="its own"):
        _ask(backends)
    first.trouble = None
    assert _ask(backends) == "first"


def test_a_question_that_waits_for_a_thread_is_taken_back(hanging: Server) -> None:
    """Nobody would hear the answer."""
    crew = Crew("crew", threads=1)
    hanging.goes_on.clear()
    asked: list[str] = []
    for question in (hanging.answer, lambda: asked.append("late")):
        with pytest.raises(StoreError):
            crew.ask(question, seconds=SOON) if question == hanging.answer else crew.ask(question, seconds=0)
    hanging.goes_on.set()
    crew.close()
    assert asked == []


class Punctual(Future[str]):
    """Has its answer the very moment in which nobody waits any more."""

    def result(self, timeout: float | None = None) -> str:
        if timeout is None:
            return super().result()
        super().exception()
        raise TimeoutError


def test_an_answer_that_comes_as_the_time_is_up_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """And a failure that comes then is that failure, not a bare TimeoutError."""
    monkeypatch.setattr("milterguard.lookup.backends.Future", Punctual)
    server, crew = Server("first"), Crew("crew", threads=1)
    assert crew.ask(server.answer, seconds=5) == "first"
    server.trouble = StoreError("gone")
    with pytest.raises(StoreError, match="gone"):
        crew.ask(server.answer, seconds=5)
    crew.close()


def test_nothing_is_asked_after_the_end() -> None:
    """Threads that wait for nothing end."""
    backends = _backends(Server("first"))
    assert _ask(backends) == "first"
    backends.close()
    with pytest.raises(StoreError, match="closed"):
        _ask(backends)
