# SPDX-License-Identifier: GPL-3.0-or-later
"""The first server that is well is asked; one that failed rests, and nobody waits for it."""

import threading
import time
from collections.abc import Callable

import pytest

from milterguard.checks.base import Budget
from milterguard.checks.servers import ServerFailure, Servers, Turn, too_slow
from milterguard.config.socket import SocketKind
from milterguard.errors import CheckError, CheckTimeout, CheckUnavailable, ConfigError

ONE, TWO = "inet:1@127.0.0.1", "inet:2@127.0.0.1"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def servers(clock: Clock, *sockets: str) -> Servers:
    return Servers("clamd", sockets or (ONE, TWO), retry_seconds=3.0, clock=clock)


def budget(seconds: float = 60.0) -> Budget:
    return Budget(time.monotonic() + seconds)


def refuses(*names: str, kind: type[CheckError] = CheckUnavailable) -> Callable[[Turn], str]:
    """Return a question that these servers do not answer, the others with their name."""

    def question(turn: Turn) -> str:
        if turn.name in names:
            raise ServerFailure(kind, "refused")
        return turn.name

    return question


def test_first_server_is_asked_first(clock: Clock) -> None:
    """While it is well, the operator's first server answers."""
    assert servers(clock).ask(refuses(), budget()) == ONE


def test_next_server_is_asked_after_a_failure(clock: Clock) -> None:
    """A server that fails costs no message its answer while another is well."""
    assert servers(clock).ask(refuses(ONE), budget()) == TWO


def test_failed_server_rests(clock: Clock) -> None:
    """Until retry_seconds are over a failed server is not asked, then it is."""
    both = servers(clock)
    both.ask(refuses(ONE), budget())
    clock.now += 2.9
    assert both.ask(refuses(), budget()) == TWO
    clock.now += 0.2
    assert both.ask(refuses(), budget()) == ONE


def test_one_message_tries_a_server_out(clock: Clock) -> None:
    """While one message finds out whether a rested server is well, the others go elsewhere."""
    both = servers(clock)
    both.ask(refuses(ONE), budget())
    clock.now += 3.1

    def slow(turn: Turn) -> str:
        assert both.ask(refuses(), budget()) == TWO
        return turn.name

    assert both.ask(slow, budget()) == ONE
    assert both.ask(refuses(), budget()) == ONE


def test_all_resting_is_said_at_once(clock: Clock) -> None:
    """When all rest nobody is asked, and the error names each of them with its trouble."""
    both = servers(clock)
    with pytest.raises(CheckUnavailable):
        both.ask(refuses(ONE, TWO), budget())
    asked: list[str] = []
    with pytest.raises(CheckUnavailable, match=f"resting.*{ONE}: refused; {TWO}: refused"):
        both.ask(lambda turn: asked.append(turn.name), budget())
    assert not asked


def test_message_that_failed_does_not_put_a_living_server_to_rest(clock: Clock) -> None:
    """A failure that the server itself explained holds for one message."""
    both = servers(clock)

    def question(turn: Turn) -> str:
        raise ServerFailure(CheckError, "no room for this one", is_alive=True)

    with pytest.raises(CheckError):
        both.ask(question, budget())
    assert both.ask(refuses(), budget()) == ONE


def test_server_that_answered_others_meanwhile_does_not_rest(clock: Clock) -> None:
    """One message that takes too long does not take the server away from all others."""
    both = servers(clock)

    def question(turn: Turn) -> str:
        clock.now += 1
        both.ask(refuses(), budget())
        clock.now += 1
        raise ServerFailure(CheckTimeout, "no answer")

    with pytest.raises(CheckTimeout):
        both.ask(question, budget())
    assert both.ask(refuses(), budget()) == ONE


def test_half_the_time_is_left_for_the_next_server() -> None:
    """A server with another behind it gets half of what is left, the last one all of it."""
    patience: list[float] = []

    def question(turn: Turn) -> str:
        patience.append(turn.patience(budget(20.0), 30.0))
        raise ServerFailure(CheckTimeout, "no answer")

    with pytest.raises(CheckTimeout):
        Servers("clamd", (ONE, TWO), retry_seconds=3.0).ask(question, budget())
    assert patience == [pytest.approx(10.0, abs=0.5), pytest.approx(20.0, abs=0.5)]


def test_own_timeout_bounds_the_patience() -> None:
    """Nobody is waited for longer than the check's setting."""
    turns: list[Turn] = []
    Servers("clamd", (ONE, TWO), retry_seconds=3.0).ask(turns.append, budget())
    assert turns[0].patience(budget(1000.0), 30.0) == 30.0


def test_short_wait_is_not_held_against_a_server() -> None:
    """Who was given a moment only, because the message came late, does not rest for it."""
    assert too_slow("no answer", 0.2, of=30.0).is_alive
    assert not too_slow("no answer", 1.5, of=30.0).is_alive
    assert not too_slow("no answer", 0.5, of=0.5).is_alive


def test_cancelled_budget_ends_the_round(clock: Clock) -> None:
    """After a cancellation no other server is asked, and nobody is blamed."""
    both, cancelled = servers(clock), budget()

    def question(turn: Turn) -> str:
        cancelled.cancel()
        raise ServerFailure(CheckError, "connection lost")

    with pytest.raises(CheckError, match="cancelled"):
        both.ask(question, cancelled)
    assert both.ask(refuses(), budget()) == ONE


def test_spent_budget_ends_the_round(clock: Clock) -> None:
    """When the time is over no other server is asked."""
    asked: list[str] = []

    def question(turn: Turn) -> str:
        asked.append(turn.name)
        raise ServerFailure(CheckTimeout, "no answer")

    with pytest.raises(CheckTimeout):
        servers(clock).ask(question, budget(-1.0))
    assert asked == [ONE]


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ((CheckUnavailable, CheckUnavailable), CheckUnavailable),
        ((CheckUnavailable, CheckTimeout), CheckTimeout),
        ((CheckError, CheckTimeout), CheckTimeout),
        ((CheckUnavailable, CheckError), CheckError),
    ],
)
def test_error_says_what_all_servers_came_to(
    clock: Clock, kinds: tuple[type[CheckError], type[CheckError]], expected: type[CheckError]
) -> None:
    """Unavailable only if no server was reached, a timeout if one was too slow, else an error."""
    left = list(kinds)

    def question(turn: Turn) -> str:
        raise ServerFailure(left.pop(0), "trouble")

    with pytest.raises(CheckError) as caught:
        servers(clock).ask(question, budget())
    assert type(caught.value) is expected
    assert caught.value.detail == f"{ONE}: trouble; {TWO}: trouble"


def test_failure_text_is_made_safe(clock: Clock) -> None:
    """What a server said reaches the error without line ends and in bounds."""

    def question(turn: Turn) -> str:
        raise ServerFailure(CheckError, "evil\r\n" + "x" * 10000)

    with pytest.raises(CheckError) as caught:
        servers(clock).ask(question, budget())
    assert "\r" not in caught.value.detail
    assert len(caught.value.detail) < 1000


def test_health_is_kept_from_many_threads() -> None:
    """Threads that ask at the same time all get an answer while one server flaps."""
    both = Servers("clamd", (ONE, TWO), retry_seconds=0.001)
    answers: list[str] = []

    def ask(number: int) -> None:
        for turn in range(50):
            answer = both.ask(refuses(ONE) if (number + turn) % 3 else refuses(), budget())
            answers.append(answer)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 200
    assert set(answers) <= {ONE, TWO}


@pytest.mark.parametrize("sockets", [(), ("clamd.ctl",), ("inet:3310",), ("tls:1@127.0.0.1",)])
def test_wrong_sockets_are_refused(sockets: tuple[str, ...]) -> None:
    """No server, one that cannot be read, or one of a kind the check cannot talk to: the key is named."""
    with pytest.raises(ConfigError) as caught:
        Servers("clamd", sockets, retry_seconds=3.0, kinds={SocketKind.UNIX, SocketKind.INET})
    assert caught.value.key == "checks.clamd.sockets"
