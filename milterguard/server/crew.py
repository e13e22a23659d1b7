# SPDX-License-Identifier: GPL-3.0-or-later
"""All worker processes: started, listened to, drained, killed, buried.

*Errors:* none are raised; a process that cannot be started is logged and tried again after a pause.
"""

import contextlib
import logging
import os
import selectors
import socket
import time
from collections.abc import Callable, Iterable, Iterator

from milterguard.config.settings import Settings
from milterguard.core.series import SERIES
from milterguard.guard import Guard
from milterguard.server.admission import SEATS, Seats
from milterguard.server.child import Child, State, fork
from milterguard.server.generation import Generation, Pace
from milterguard.server.listen import Listener
from milterguard.server.tally import Tally
from milterguard.server.worker import READY, RECYCLE, Task, work

log = logging.getLogger(__name__)


class Crew:
    """The workers of every generation, those that drain included."""

    def __init__(
        self,
        make_guard: Callable[[Settings], Guard],
        *,
        pace: Pace,
        selector: selectors.BaseSelector,
        foreign_sockets: Callable[[Listener], Iterable[socket.socket]],
    ) -> None:
        """``foreign_sockets``: what a worker of that listener must not keep open."""
        self._make_guard = make_guard
        self._pace = pace
        self._selector = selector
        self._foreign_sockets = foreign_sockets
        self._seats = Seats()
        self._tally = Tally(SEATS, len(SERIES))
        self._children: list[Child] = []

    def __bool__(self) -> bool:
        """Whether any worker is alive."""
        return bool(self._children)

    def is_complete(self, generation: Generation) -> bool:
        """Whether each listener has all its workers, ready."""
        serving = [each.listener for each in self._of(generation) if each.state is State.SERVING]
        return all(serving.count(listener) >= generation.workers for listener in generation.listeners)

    def is_short(self, generation: Generation) -> bool:
        """Whether workers have to be started."""
        return any(self._missing(generation, listener) > 0 for listener in generation.listeners)

    def fill(self, generation: Generation) -> None:
        """Start the workers that are missing, unless they die too fast."""
        for listener in generation.listeners:
            for _ in range(self._missing(generation, listener)):
                if not generation.is_paused(listener):
                    self._start(generation, listener)

    def drain(self, generation: Generation) -> None:
        """Let workers end when their sessions have; those that never served are killed."""
        for child in self._of(generation):
            if child.state is State.STARTING:
                child.kill()
            child.drain()

    def dismiss(self, generation: Generation) -> None:
        """End workers that nobody has been sent to."""
        for child in self._of(generation):
            child.drain()
            child.kill()

    def totals(self) -> list[float]:
        """Return what all workers have counted since the start."""
        return self._tally.totals()

    def kill_all(self) -> None:
        for child in self._children:
            child.kill()

    def kill_silent(self) -> None:
        """End every worker that has not been heard of for too long."""
        now = time.monotonic()
        for child in self._children:
            if now - child.heard > (self._pace.ready if child.state is State.STARTING else self._pace.silent):
                log.error("worker %d is silent and is killed", child.pid)
                child.heard = now
                child.kill()

    def bury(self) -> Iterator[tuple[Child, int]]:
        """Take note of every worker that has ended; yield those that nobody had told to, with their status."""
        for child in tuple(self._children):
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            if not pid:
                continue
            self._forget(child)
            if child.state is not State.DRAINING:
                child.generation.pause(child.listener, self._pace, age=time.monotonic() - child.started)
                yield child, os.waitstatus_to_exitcode(status)

    # --- within ------------------------------------------------------------------------------

    def _of(self, generation: Generation) -> list[Child]:
        return [each for each in self._children if each.generation is generation]

    def _missing(self, generation: Generation, listener: Listener) -> int:
        """Return how many workers have to be started; one whose successor is there does not count."""
        present = sum(
            each.listener is listener and each.state is not State.DRAINING and not each.has_successor
            for each in self._of(generation)
        )
        return generation.workers - present

    def _start(self, generation: Generation, listener: Listener, *, replaces: Child | None = None) -> None:
        seat = self._seats.take()
        if seat is None:
            log.error("too many worker processes; no more are started")
            generation.pause(listener, self._pace)
            return

        row = self._tally.take(seat)

        def run(control: socket.socket) -> int:
            task = Task(
                settings=generation.settings,
                make_guard=self._make_guard,
                listening=listener.socket,
                address=str(listener.spec),
                control=control,
                seats=self._seats,
                seat=seat,
                row=row,
                alive_seconds=self._pace.alive,
            )
            return work(task)

        close = [*self._foreign_sockets(listener), *(each.control for each in self._children)]
        try:
            pid, control = fork(run, close=close)
        except OSError:
            log.exception("a worker process could not be started")
            self._seats.give_back(seat)
            self._tally.give_back(seat)
            generation.pause(listener, self._pace)
            return
        child = Child(pid, control, generation=generation, listener=listener, seat=seat, replaces=replaces)
        if replaces is not None:
            replaces.has_successor = True
        self._children.append(child)
        self._selector.register(control, selectors.EVENT_READ, lambda _: self._listen(child))

    def _listen(self, child: Child) -> None:
        try:
            words = child.control.recv(256)
        except OSError:
            words = b""
        if not words:
            self._selector.unregister(child.control)  # it is ending; waitpid tells when
            return
        child.heard = time.monotonic()
        if READY in words and child.state is State.STARTING:
            child.state = State.SERVING
            if child.replaces is not None:
                child.replaces.drain()
        if RECYCLE in words and child.state is State.SERVING and not child.has_successor:
            self._start(child.generation, child.listener, replaces=child)

    def _forget(self, child: Child) -> None:
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(child.control)
        child.control.close()
        self._seats.give_back(child.seat)
        self._tally.give_back(child.seat)
        self._children.remove(child)
        if child.replaces is not None:
            child.replaces.has_successor = False
