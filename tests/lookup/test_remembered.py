# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers are kept for a while, and longer when nobody can be asked."""

import threading

import pytest

from milterguard.errors import StoreError
from milterguard.lookup.remembered import Known, Memory, Remembered
from tests.lookup.test_backends import Clock


class Database:
    """Answers with how often it was asked; empty for ``nobody``."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.trouble: Exception | None = None

    def __call__(self, key: str) -> tuple[str, ...]:
        self.asked.append(key)
        if self.trouble is not None:
            raise self.trouble
        return () if key == "nobody" else (key, str(len(self.asked)))


def test_a_fresh_answer_comes_from_memory() -> None:
    """Also one that says nothing; an old one is asked for again."""
    database, clock = Database(), Clock()
    remembered = Remembered(database, name="db", fresh_seconds=30, clock=clock)
    assert [remembered.get("nobody") for _ in range(3)] == [()] * 3
    assert remembered.get("a") == ("a", "2")
    clock.now += 29
    assert remembered.get("a") == ("a", "2")
    clock.now += 1
    assert remembered.get("a") == ("a", "3")
    assert database.asked == ["nobody", "a", "a"]


def test_the_last_answer_holds_when_nobody_can_be_asked(caplog: pytest.LogCaptureFixture) -> None:
    """However old it is; the log says so once a minute, and once that all is well."""
    database, clock = Database(), Clock()
    remembered = Remembered(database, name="db", fresh_seconds=30, clock=clock)
    assert remembered.get("a") == ("a", "1")
    database.trouble = StoreError("away")
    clock.now += 86400
    for _ in range(5):
        assert remembered.get("a") == ("a", "1")
        clock.now += 31
    with pytest.raises(StoreError, match="db: away"):
        remembered.get("b")
    database.trouble = None
    assert remembered.get("a") == ("a", "8")
    told = "db: what it said last is used: away"
    assert caplog.messages == [told, told, told, "db answers again; 5 answers were what it said last"]


def test_the_same_question_is_asked_once() -> None:
    """Who asks it while it is on its way gets the same answer, or the same error."""
    begun, goes_on = threading.Event(), threading.Event()
    asked: list[str] = []

    def ask(key: str) -> str:
        asked.append(key)
        begun.set()
        assert goes_on.wait(30)
        if key == "bad":
            raise StoreError("away")
        return key.upper()

    remembered = Remembered(ask, name="db")
    for key, expected in (("a", "A"), ("bad", "db: away")):
        begun.clear()
        goes_on.clear()
        answers: list[str] = []
        threads = [threading.Thread(target=_ask_into, args=(answers, remembered, key)) for _ in range(4)]
        threads[0].start()
        assert begun.wait(30)
        for thread in threads[1:]:
            thread.start()
        goes_on.set()
        for thread in threads:
            thread.join(30)
        assert set(answers) == {expected}
        assert len(answers) == 4
    assert asked[0] == "a"
    # One that came after the error was known asks anew; none that came before.
    assert 1 <= asked.count("bad") <= 4


def _ask_into(answers: list[str], remembered: Remembered[str, str], key: str) -> None:
    answers.append(_said(remembered, key))


def _said(remembered: Remembered[str, str], key: str) -> str:
    try:
        return remembered.get(key)
    except StoreError as error:
        return str(error)


def test_a_defect_reaches_whoever_asked_and_holds_nobody() -> None:
    """The question may be asked again."""
    database = Database()
    remembered = Remembered(database, name="db")
    database.trouble = ZeroDivisionError("oh")
    with pytest.raises(ZeroDivisionError):
        remembered.get("a")
    database.trouble = None
    assert remembered.get("a") == ("a", "2")


def test_what_was_learnt_by_the_way_is_not_asked() -> None:
    """It is as fresh as any answer."""
    database, clock = Database(), Clock()
    remembered = Remembered(database, name="db", fresh_seconds=30, clock=clock)
    remembered.put("a", ("by the way",))
    assert remembered.get("a") == ("by the way",)
    clock.now += 30
    assert remembered.get("a") == ("a", "1")


def test_strangers_push_out_nobody_who_gets_mail() -> None:
    """What was asked once gives way before what was asked again, and memory has its bound."""
    memory: Memory[str, str] = Memory(10)
    for name in ("a", "b"):
        memory.keep(name, Known(name, 0))
        assert memory.find(name) is not None
    for number in range(100):
        memory.keep(f"stranger{number}", Known("", 0))
    assert memory.find("a") == Known("a", 0)
    assert memory.find("b") == Known("b", 0)
    assert sum(memory.find(f"stranger{number}") is not None for number in range(100)) == 8


def test_of_what_was_asked_again_the_oldest_gives_way() -> None:
    """There is always room for somebody new."""
    memory: Memory[int, int] = Memory(10)
    for number in range(30):
        memory.keep(number, Known(number, 0))
        memory.find(number)
    assert memory.find(29) == Known(29, 0)
    assert sum(memory.find(number) is not None for number in range(30)) <= 10
    memory.keep(29, Known(-1, 1))
    assert memory.find(29) == Known(-1, 1)
