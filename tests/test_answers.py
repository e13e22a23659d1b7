# SPDX-License-Identifier: GPL-3.0-or-later
"""What settles a message and what is reported are one and the same."""

import random
import threading
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from milterguard.answers import Answers, Findings, collected
from tests.core.build import CLEAN, VIRUS

LONG = 10.0
NOW = 0.0


def is_infected(findings: Findings) -> bool:
    return VIRUS in findings


def running(count: int) -> list[Future[Findings]]:
    return [Future() for _ in range(count)]


def test_nobody_is_waited_for_where_nobody_was_asked() -> None:
    """And nothing is settled by that."""
    assert Answers((), is_infected).awaited(LONG) == (frozenset(), False)


def test_all_are_waited_for() -> None:
    """As long as nothing is settled before."""
    one, other = running(2)
    answers = Answers((one, other), is_infected)
    one.set_result((CLEAN,))
    assert not answers.is_enough
    other.set_result((CLEAN,))
    assert answers.awaited(LONG) == (frozenset({one, other}), False)


def test_who_answered_before_counts() -> None:
    """Before anybody began to wait."""
    one, other = running(2)
    other.set_result((VIRUS,))
    assert Answers((one, other), is_infected).awaited(LONG) == (frozenset({other}), True)


def test_who_answers_after_it_was_settled_is_not_counted() -> None:
    """The answer was given without him."""
    one, other = running(2)
    answers = Answers((one, other), is_infected)
    other.set_result((VIRUS,))
    one.set_result((CLEAN,))
    assert answers.awaited(LONG) == (frozenset({other}), True)


def test_one_answer_is_taken_at_a_time() -> None:
    """Another waits until it is known whether the first settles the message."""
    one, other = running(2)
    asked, go_on = threading.Event(), threading.Event()

    def settles(_findings: Findings) -> bool:
        asked.set()
        go_on.wait(LONG)
        return True

    answers = Answers((one, other), settles)
    with ThreadPoolExecutor(2) as pool:
        pool.submit(one.set_result, (CLEAN,))
        assert asked.wait(LONG)
        second = pool.submit(other.set_result, (VIRUS,))
        assert not answers.is_enough
        go_on.set()
        second.result(LONG)
    assert answers.awaited(NOW) == (frozenset({one}), True)


def test_who_answers_after_the_time_is_not_counted() -> None:
    """He is told as late, even if he comes before that is told."""
    one, other = running(2)
    answers = Answers((one, other), is_infected)
    one.set_result((CLEAN,))
    assert answers.awaited(NOW) == (frozenset({one}), False)
    other.set_result((VIRUS,))
    assert answers.awaited(NOW) == (frozenset({one}), False)


@pytest.mark.parametrize("seed", range(20))
def test_whatever_the_order_what_is_settled_is_what_counts(seed: int) -> None:
    """Answers from many threads at once, while the time of who waits runs out: an infection counts or is late."""
    chance = random.Random(seed)
    for _ in range(50):
        futures = running(4)
        results: list[Findings] = [(VIRUS,), *[(CLEAN,)] * 3]
        chance.shuffle(results)
        together = threading.Barrier(len(futures) + 1)
        answers = Answers(futures, is_infected)

        def answer(future: Future[Findings], findings: Findings, *, together: threading.Barrier = together) -> None:
            together.wait(LONG)
            future.set_result(findings)

        with ThreadPoolExecutor(len(futures)) as pool:
            told = pool.map(answer, futures, results)
            together.wait(LONG)
            answered, is_settled = answers.awaited(chance.choice((NOW, 1e-5, 1e-4, LONG)))
            list(told)
        assert is_settled == (is_infected(collected(answered)) and len(answered) < len(futures))
        assert answers.awaited(NOW) == (answered, is_settled)
