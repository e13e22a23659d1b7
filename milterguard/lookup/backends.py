# SPDX-License-Identifier: GPL-3.0-or-later
"""Several servers for one kind of lookup: who is asked, for how long, and who rests after a failure.

Whoever asks never waits longer than the time limit, whatever a driver does: a few threads for each
server do the waiting. A server that hangs holds these and no others; while all of them hang it is not
asked at all. The first server in the operator's order that is well is asked. One that failed rests
for ``retry_seconds``; then a single question tries it out while it goes on resting for the others.

A question that a server refuses, although it is well, must not take that server away from everybody:
questions come from strangers. The next server is asked, and none rests.

*Errors:* StoreError when nobody answered in time.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

from milterguard.core.text import printable
from milterguard.errors import StoreError

log = logging.getLogger(__name__)

S = TypeVar("S")
T = TypeVar("T")

THREADS = 4
"""For each server: so many questions may be on their way, or hang."""
NOTICE_SECONDS = 60.0
"""The log is told of the same trouble this often at most."""
_LONGEST_REASON = 300


class Refused(StoreError):  # noqa: N818  (no failure of a server)
    """A server is well and does not answer this one question."""


class Crew:
    """A few threads that wait for one server. They are daemons: one that hangs holds up no end of a process."""

    def __init__(self, name: str, *, threads: int = THREADS) -> None:
        self._name = name
        self._most = threads
        self._lock = threading.Lock()
        self._tasks: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._threads = 0
        self._open = 0
        """Questions that were put and not answered, whether anybody still waits or not."""
        self._given_up = 0
        """Those of them that nobody waits for."""
        self._is_closed = False

    def ask(self, question: Callable[[], T], *, seconds: float) -> T:
        """Return the answer; raises what the question raised, StoreError when it took too long."""
        future = self._put(question)
        try:
            return future.result(seconds)
        except TimeoutError:
            if future.done():  # the question raised it, or its answer came this very moment
                return future.result()
            self._give_up(future)
            raise StoreError(f"no answer within {seconds:.1f} s") from None

    def close(self) -> None:
        """Let the threads end once they have nothing to wait for. Idempotent."""
        with self._lock:
            self._is_closed = True
            for _ in range(self._threads):
                self._tasks.put(None)

    def _put(self, question: Callable[[], T]) -> Future[T]:
        future: Future[T] = Future()
        with self._lock:
            if self._is_closed:
                raise StoreError("closed")
            if self._given_up >= self._most:
                raise StoreError(f"no answer to {self._given_up} earlier questions yet")
            if self._open >= self._threads and self._threads < self._most:
                threading.Thread(target=self._work, name=self._name, daemon=True).start()
                self._threads += 1
            self._open += 1
            self._tasks.put((future, question))
        return future

    def _give_up(self, future: Future[Any]) -> None:
        with self._lock:
            if future.cancel():
                self._open -= 1
                return
            self._given_up += 1
        future.add_done_callback(self._came_late)

    def _came_late(self, future: Future[Any]) -> None:
        del future
        with self._lock:
            self._given_up -= 1

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            future, question = task
            if not future.set_running_or_notify_cancel():
                continue
            _answer(future, question)
            with self._lock:
                self._open -= 1


def _answer(future: Future[T], question: Callable[[], T]) -> None:
    try:
        answer = question()
    except BaseException as error:  # noqa: BLE001  (handed to whoever asked)
        future.set_exception(error)
    else:
        future.set_result(answer)


@dataclass(slots=True)
class _Server(Generic[S]):
    name: str
    via: S
    crew: Crew
    rests_until: float | None = None
    """None while it is well."""
    answered_at: float = float("-inf")
    trouble: str = ""
    fails_since: float = 0.0
    told_at: float = float("-inf")


class Backends(Generic[S]):
    """The servers of one kind of lookup with the memory of their health. Safe to use from several threads."""

    def __init__(
        self,
        servers: Mapping[str, S],
        *,
        time_limit_seconds: float = 2.0,
        retry_seconds: float = 5.0,
        threads: int = THREADS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``servers`` by the name that the log calls them, in the order in which they are asked.

        What a server is to whoever asks it (an engine, a connection) is its own affair.
        """
        self._limit = time_limit_seconds
        self._retry_seconds = retry_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._servers = tuple(_Server(name, via, Crew(name, threads=threads)) for name, via in servers.items())

    def ask(self, question: Callable[[S], T]) -> T:
        """Return the answer of the first server that gives one within the time limit for all.

        ``question`` raises StoreError when a server is not well, and Refused when it is. Raises StoreError.
        """
        end = time.monotonic() + self._limit
        failures: list[str] = []
        for server, is_last in self._turns():
            left = end - time.monotonic()
            if left <= 0:
                break
            began = self._clock()
            try:
                answer = _put_to(server, question, seconds=left if is_last else left / 2)
            except StoreError as error:
                self._note_failure(server, error, began=began)
                failures.append(f"{server.name}: {error}")
            else:
                self._note_answer(server)
                return answer
        raise StoreError(printable("; ".join(failures) or self._resting(), 2 * _LONGEST_REASON))

    def close(self) -> None:
        """Ask nobody any more. Questions that hang are left to themselves."""
        for server in self._servers:
            server.crew.close()

    def _turns(self) -> Iterator[tuple[_Server[S], bool]]:
        """Yield the servers that do not rest, each looked at when its turn comes, and whether none is left then."""
        for index, server in enumerate(self._servers):
            with self._lock:
                if self._rests(server):
                    continue
                if server.rests_until is not None:
                    server.rests_until = self._clock() + self._retry_seconds
                is_last = all(self._rests(other) for other in self._servers[index + 1 :])
            yield server, is_last

    def _rests(self, server: _Server[S]) -> bool:
        return server.rests_until is not None and self._clock() < server.rests_until

    def _resting(self) -> str:
        return "resting after a failure: " + "; ".join(f"{each.name}: {each.trouble}" for each in self._servers)

    def _note_answer(self, server: _Server[S]) -> None:
        with self._lock:
            now = self._clock()
            failed_for = now - server.fails_since
            has_rested = server.rests_until is not None
            server.answered_at, server.rests_until = now, None
            if has_rested:
                server.told_at = float("-inf")
        if has_rested:
            log.warning("%s answers again, after %.0f s", server.name, failed_for)

    def _note_failure(self, server: _Server[S], error: StoreError, *, began: float) -> None:
        trouble = printable(str(error), _LONGEST_REASON)
        if isinstance(error, Refused):
            self._note_answer(server)
        elif not self._must_rest(server, trouble, began=began):
            return
        with self._lock:
            is_told = self._clock() - server.told_at < NOTICE_SECONDS
            if not is_told:
                server.told_at = self._clock()
        if not is_told:
            log.warning("%s cannot be asked: %s", server.name, trouble)

    def _must_rest(self, server: _Server[S], trouble: str, *, began: float) -> bool:
        """Let a server rest; False for one that answered somebody else since."""
        with self._lock:
            now = self._clock()
            if server.answered_at > began:
                return False
            if server.rests_until is None:
                server.fails_since = now
            server.rests_until, server.trouble = now + self._retry_seconds, trouble
        return True


def _put_to(server: _Server[S], question: Callable[[S], T], *, seconds: float) -> T:
    return server.crew.ask(lambda: question(server.via), seconds=seconds)
