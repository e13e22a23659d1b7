# SPDX-License-Identifier: GPL-3.0-or-later
"""Opens the sockets, forks the workers, and sees to it that there are always enough of them.

Signals → queue → loop. It has no threads and never loads libmilter, so it can fork at any time.

- SIGHUP: the new settings are read and checked; bad ones change nothing. New workers start beside
  the old ones, which drain only once all the new ones accept connections.
- SIGTERM, SIGINT: no more connections; workers drain within ``stop_grace_seconds``.
- A worker that dies is replaced, after a pause that grows while they die young; one that is silent
  is killed; one that has served enough messages is replaced by a fresh one first.

*Errors:* ConfigError at the start only; later ones are logged and the former settings stay.
"""

import contextlib
import logging
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from milterguard.config.settings import Settings
from milterguard.errors import ConfigError
from milterguard.guard import Guard
from milterguard.server import listen
from milterguard.server.admission import Seats
from milterguard.server.child import Child, State, fork
from milterguard.server.listen import Listener
from milterguard.server.notify import Notifier
from milterguard.server.privilege import drop_privileges
from milterguard.server.worker import ALIVE, EX_SOFTWARE, READY, RECYCLE, Task, work

log = logging.getLogger(__name__)

_SIGNALS = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)


@dataclass(frozen=True, slots=True)
class Pace:
    """How patient the supervisor is, in seconds."""

    ready: float = 30.0
    """A new worker must accept connections within that time."""
    alive: float = 5.0
    """A worker says that often that it lives."""
    silent: float = 60.0
    """A worker that says nothing for so long is killed."""
    young: float = 5.0
    """A worker that dies before that age makes the pause grow."""
    first_pause: float = 0.1
    longest_pause: float = 10.0
    last: float = 15.0
    """Workers that are still there so long after ``stop_grace_seconds`` are killed."""


@dataclass(slots=True, eq=False)
class Generation:
    """Workers that run under the same settings."""

    settings: Settings
    listeners: tuple[Listener, ...]
    deadline: float
    """On the monotonic clock; its first workers must be ready by then."""
    children: list[Child] = field(default_factory=list)
    pauses: dict[int, tuple[float, float]] = field(default_factory=dict)
    """For each listener: the length of the last pause, and until when nothing is started."""

    @property
    def workers(self) -> int:
        """Wanted for each listener."""
        return self.settings.server.workers or max(2, os.cpu_count() or 1)

    def is_complete(self) -> bool:
        """Whether each listener has all its workers, ready."""
        return all(self._count(each, State.SERVING) >= self.workers for each in self.listeners)

    def missing(self, listener: Listener) -> int:
        """Return how many workers have to be started; those with a successor do not count."""
        present = [each for each in self.children if each.listener is listener and not each.has_successor]
        return self.workers - sum(each.state is not State.DRAINING for each in present)

    def _count(self, listener: Listener, state: State) -> int:
        return sum(each.listener is listener and each.state is state for each in self.children)


def serve(
    settings: Settings,
    *,
    reload: Callable[[], Settings],
    make_guard: Callable[[Settings], Guard],
    pace: Pace | None = None,
) -> int:
    """Serve until SIGTERM or SIGINT; return the exit status.

    ``reload`` reads the settings again and may raise ConfigError; ``make_guard`` is called in each
    worker, after the fork. Raises ConfigError when the sockets cannot be opened.
    """
    return Supervisor(settings, reload=reload, make_guard=make_guard, pace=pace or Pace()).run()


class Supervisor:
    """The process that the service manager knows."""

    def __init__(
        self,
        settings: Settings,
        *,
        reload: Callable[[], Settings],
        make_guard: Callable[[Settings], Guard],
        pace: Pace,
    ) -> None:
        self._settings = settings
        self._reload = reload
        self._make_guard = make_guard
        self._pace = pace
        self._notifier = Notifier()
        self._seats = Seats()
        self._selector = selectors.DefaultSelector()
        self._current: Generation | None = None
        self._coming: Generation | None = None
        self._leaving: list[Child] = []
        """Draining workers of former generations."""
        self._wants_reload = False
        self._stop_by: float | None = None
        self._status = 0
        self._next_watchdog = 0.0

    def run(self) -> int:
        listeners = self._opened(self._settings, ())
        try:
            drop_privileges(self._settings.server)
            with self._signals():
                self._coming = self._generation(self._settings, listeners)
                while not self._is_over():
                    self._turn()
        except BaseException:
            for child in self._children():
                child.kill()
            raise
        finally:
            for listener in {*listeners, *self._listeners()}:
                listener.close()
            self._selector.close()
        return self._status

    # --- the loop ----------------------------------------------------------------------------

    def _turn(self) -> None:
        for key, _ in self._selector.select(self._patience()):
            key.data(key.fileobj)
        self._bury()
        if self._stop_by is None:
            self._look_after_coming()
            self._begin_reload()
            for generation in (self._coming, self._current):
                if generation is not None:
                    self._fill(generation)
        self._kill_the_hopeless()
        self._feed_watchdog()

    def _patience(self) -> float:
        return min(0.1 if self._coming or self._stop_by is not None or self._is_short() else 1.0, self._pace.alive)

    def _is_short(self) -> bool:
        return self._current is not None and any(self._current.missing(each) for each in self._current.listeners)

    def _is_over(self) -> bool:
        return self._stop_by is not None and not self._children()

    @contextlib.contextmanager
    def _signals(self):  # type: ignore[no-untyped-def]
        """Let signals arrive as octets in the loop."""
        reading, writing = socket.socketpair()
        reading.setblocking(False)
        writing.setblocking(False)
        former = {number: signal.signal(number, lambda *_: None) for number in _SIGNALS}
        wakeup = signal.set_wakeup_fd(writing.fileno())
        self._wakeup = (reading, writing)
        self._selector.register(reading, selectors.EVENT_READ, self._on_signals)
        try:
            yield
        finally:
            signal.set_wakeup_fd(wakeup)
            for number, handler in former.items():
                signal.signal(number, handler)
            reading.close()
            writing.close()

    def _on_signals(self, reading: socket.socket) -> None:
        numbers = set(reading.recv(4096))
        if signal.SIGHUP in numbers:
            self._wants_reload = True
        if numbers & {signal.SIGTERM, signal.SIGINT}:
            self._stop()

    # --- workers -----------------------------------------------------------------------------

    def _generation(self, settings: Settings, listeners: tuple[Listener, ...]) -> Generation:
        return Generation(settings, listeners, deadline=time.monotonic() + self._pace.ready)

    def _fill(self, generation: Generation) -> None:
        """Start the workers that are missing, unless they die too fast."""
        for listener in generation.listeners:
            if generation.pauses.get(id(listener), (0.0, 0.0))[1] > time.monotonic():
                continue
            for _ in range(generation.missing(listener)):
                self._start(generation, listener)

    def _start(self, generation: Generation, listener: Listener, *, replaces: Child | None = None) -> None:
        seat = self._seats.take()
        if seat is None:
            log.error("too many worker processes; no more are started")
            self._pause(generation, listener)
            return

        def run(control: socket.socket) -> int:
            task = Task(
                settings=generation.settings,
                make_guard=self._make_guard,
                listening=listener.socket,
                control=control,
                seats=self._seats,
                seat=seat,
                alive_seconds=self._pace.alive,
            )
            return work(task)

        others = [each.socket for each in self._listeners() if each is not listener]
        close = [*self._wakeup, *others, *(child.control for child in self._children())]
        try:
            pid, control = fork(run, close=close)
        except OSError:
            log.exception("a worker process could not be started")
            self._seats.give_back(seat)
            self._pause(generation, listener)
            return
        now = time.monotonic()
        child = Child(pid, control, listener, seat=seat, started=now, heard=now, replaces=replaces)
        generation.children.append(child)
        self._selector.register(control, selectors.EVENT_READ, lambda _: self._listen(generation, child))

    def _listen(self, generation: Generation, child: Child) -> None:
        try:
            words = child.control.recv(256)
        except OSError:
            words = b""
        if not words:
            self._selector.unregister(child.control)  # it is ending; waitpid tells when
            return
        child.heard = time.monotonic()
        for word in (words[index : index + 1] for index in range(len(words))):
            if word == READY and child.state is State.STARTING:
                child.state = State.SERVING
                if child.replaces is not None:
                    child.replaces.drain()
                    child.replaces = None
            elif word == RECYCLE and self._stop_by is None and not child.has_successor:
                child.has_successor = True
                self._start(generation, child.listener, replaces=child)
            elif word != ALIVE:
                log.debug("worker %d says %r", child.pid, word)

    def _bury(self) -> None:
        """Take note of every worker that has ended."""
        for child in self._children():
            try:
                pid, status = os.waitpid(child.pid, os.WNOHANG)
            except ChildProcessError:
                pid, status = child.pid, 0
            if pid:
                self._forget(child, os.waitstatus_to_exitcode(status))

    def _forget(self, child: Child, status: int) -> None:
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(child.control)
        child.control.close()
        self._seats.give_back(child.seat)
        if child in self._leaving:
            self._leaving.remove(child)
            return
        for generation in (self._current, self._coming):
            if generation is None or child not in generation.children:
                continue
            generation.children.remove(child)
            if child.replaces is not None:
                child.replaces.has_successor = False
            if child.state is State.DRAINING or self._stop_by is not None:
                return
            log.error("worker %d ended unexpectedly (%s)", child.pid, _ending(status))
            self._pause(generation, child.listener, age=time.monotonic() - child.started)
            if generation is self._coming and child.state is State.STARTING:
                self._give_up_coming("a new worker could not start")

    def _pause(self, generation: Generation, listener: Listener, *, age: float = 0.0) -> None:
        """Let some time pass before the next start, more each time workers die young."""
        last = generation.pauses.get(id(listener), (0.0, 0.0))[0]
        length = 0.0
        if age < self._pace.young:
            length = min(max(self._pace.first_pause, last * 2), self._pace.longest_pause)
        generation.pauses[id(listener)] = (length, time.monotonic() + length)

    def _kill_the_hopeless(self) -> None:
        now = time.monotonic()
        for child in self._children():
            patience = self._pace.ready if child.state is State.STARTING else self._pace.silent
            if now - child.heard > patience:
                log.error("worker %d is silent and is killed", child.pid)
                child.heard = now
                child.kill()
            elif self._stop_by is not None and now > self._stop_by:
                child.kill()

    # --- settings ----------------------------------------------------------------------------

    def _begin_reload(self) -> None:
        if not self._wants_reload or self._coming is not None or self._current is None:
            return
        self._wants_reload = False
        self._notifier.reloading()
        try:
            settings = self._reload()
            listeners = self._opened(settings, self._current.listeners)
        except ConfigError as error:
            log.error("the settings were not reloaded: %s", error)
            self._say_ready("Bad settings were not taken")
            return
        except Exception:
            log.exception("the settings were not reloaded")
            self._say_ready("Bad settings were not taken")
            return
        self._coming = self._generation(settings, listeners)

    def _look_after_coming(self) -> None:
        coming = self._coming
        if coming is None:
            return
        if coming.is_complete():
            self._take_over(coming)
        elif time.monotonic() > coming.deadline:
            self._give_up_coming("new workers were not ready in time")

    def _take_over(self, coming: Generation) -> None:
        """The new workers serve: the old ones may go."""
        former, self._current, self._coming = self._current, coming, None
        self._settings = coming.settings
        if former is not None:
            for child in former.children:
                child.drain()
            self._leaving += former.children
            for listener in former.listeners:
                if listener not in coming.listeners:
                    listener.close()
            log.info("settings reloaded")
        self._say_ready("Serving")

    def _give_up_coming(self, why: str) -> None:
        coming, self._coming = self._coming, None
        if coming is None:
            return
        for child in coming.children:
            child.state = State.DRAINING
            child.kill()
        self._leaving += coming.children
        kept = self._current.listeners if self._current else ()
        if self._current is None:
            log.error("%s; milterguard ends", why)
            self._status = EX_SOFTWARE
            self._stop()
            return
        log.error("%s; the former settings stay", why)
        for listener in coming.listeners:
            if listener not in kept:
                listener.close()
        self._say_ready("New settings failed")

    def _opened(self, settings: Settings, present: tuple[Listener, ...]) -> tuple[Listener, ...]:
        """Return open listeners for these settings, those that are open already reused. Raises ConfigError."""
        known = {each.spec: each for each in present}
        listeners: list[Listener] = []
        try:
            for text in dict.fromkeys(settings.server.listen):
                listener = known.get(listen.parse(text))
                if listener is None:
                    listeners.append(listen.open_listener(text, settings.server))
                else:
                    listen.set_access(listener, settings.server)
                    listeners.append(listener)
        except ConfigError:
            for listener in listeners:
                if listener not in present:
                    listener.close()
            raise
        return tuple(listeners)

    # --- the end -----------------------------------------------------------------------------

    def _stop(self) -> None:
        """Let all workers drain; a second time changes nothing."""
        if self._stop_by is not None:
            return
        self._notifier.stopping()
        self._stop_by = time.monotonic() + self._settings.server.stop_grace_seconds + self._pace.last
        for child in self._children():
            if child.state is State.STARTING:
                child.kill()
            child.drain()
        for listener in self._listeners():
            listener.close()

    # --- all of them -------------------------------------------------------------------------

    def _children(self) -> list[Child]:
        generations = [each for each in (self._current, self._coming) if each is not None]
        return [child for generation in generations for child in generation.children] + self._leaving

    def _listeners(self) -> list[Listener]:
        generations = [each for each in (self._current, self._coming) if each is not None]
        return list(dict.fromkeys(listener for generation in generations for listener in generation.listeners))

    def _say_ready(self, status: str) -> None:
        assert self._current is not None
        places = ", ".join(str(each.spec) for each in self._current.listeners)
        self._notifier.ready(f"{status}: {len(self._current.children)} workers at {places}")
        log.info("%s: %d workers at %s", status.lower(), len(self._current.children), places)

    def _feed_watchdog(self) -> None:
        interval = self._notifier.watchdog_seconds
        if interval and time.monotonic() >= self._next_watchdog:
            self._next_watchdog = time.monotonic() + interval
            self._notifier.alive()


def _ending(status: int) -> str:
    return f"signal {-status}" if status < 0 else f"status {status}"
