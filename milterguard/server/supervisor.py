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
import resource
import selectors
import signal
import socket
import time
from collections.abc import Callable, Iterator

from milterguard.config.settings import Server, Settings
from milterguard.errors import ConfigError
from milterguard.guard import Guard
from milterguard.server import listen
from milterguard.server.crew import Crew
from milterguard.server.generation import Generation, Pace
from milterguard.server.listen import Listener
from milterguard.server.metrics import Exposition
from milterguard.server.notify import Notifier
from milterguard.server.privilege import check_readable, drop_privileges
from milterguard.server.worker import EX_SOFTWARE

log = logging.getLogger(__name__)

_SIGNALS = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)
_SHORT_TURN = 0.1
_LONG_TURN = 1.0
"""The longest the loop sleeps, in seconds, while something is under way or is not."""


def serve(
    settings: Settings,
    *,
    reload: Callable[[], Settings],
    make_guard: Callable[[Settings], Guard],
    taken_over: Callable[[Settings], None] = lambda _: None,
    pace: Pace | None = None,
) -> int:
    """Serve until SIGTERM or SIGINT; return the exit status.

    ``reload`` reads the settings again and may raise ConfigError; ``taken_over`` is told of them once
    they hold; ``make_guard`` is called in each worker, after the fork. Raises ConfigError when the
    sockets cannot be opened.
    """
    supervisor = Supervisor(settings, reload=reload, make_guard=make_guard, taken_over=taken_over, pace=pace or Pace())
    return supervisor.run()


class Supervisor:
    """The process that the service manager knows."""

    def __init__(
        self,
        settings: Settings,
        *,
        reload: Callable[[], Settings],
        make_guard: Callable[[Settings], Guard],
        taken_over: Callable[[Settings], None],
        pace: Pace,
    ) -> None:
        self._settings = settings
        self._reload = reload
        self._taken_over = taken_over
        self._pace = pace
        self._notifier = Notifier()
        self._selector = selectors.DefaultSelector()
        self._crew = Crew(make_guard, pace=pace, selector=self._selector, foreign_sockets=self._foreign_sockets)
        self._exposition = Exposition()
        self._wakeup: tuple[socket.socket, ...] = ()
        self._current: Generation | None = None
        self._coming: Generation | None = None
        self._wants_reload = False
        self._stop_by: float | None = None
        self._status = 0
        self._next_watchdog = 0.0

    def run(self) -> int:
        """Serve; return the exit status. Raises ConfigError before any worker was started."""
        _raise_file_limit()
        listeners = self._opened(self._settings, ())
        try:
            check_readable(self._settings.server)
            drop_privileges(self._settings.server)
            with self._signals():
                self._coming = self._generation(self._settings, listeners)
                while self._stop_by is None or self._crew:
                    self._turn()
        finally:
            self._crew.kill_all()
            for listener in (*listeners, *self._listeners()):
                listener.close()
            self._selector.close()
        return self._status

    # --- the loop ----------------------------------------------------------------------------

    def _turn(self) -> None:
        for key, _ in self._selector.select(self._patience()):
            key.data(key.fileobj)
        for child, status in self._crew.bury():
            log.error("worker %d ended unexpectedly (%s)", child.pid, _ending(status))
            if child.generation is self._coming:
                self._give_up_coming("a new worker could not start")
        if self._stop_by is None:
            self._look_after_coming()
            self._begin_reload()
        if self._stop_by is None:
            for generation in self._generations():
                self._crew.fill(generation)
        elif time.monotonic() > self._stop_by:
            self._crew.kill_all()
        self._crew.kill_silent()
        self._exposition.turn(self._settings.metrics, self._crew.totals)
        self._feed_watchdog()

    def _patience(self) -> float:
        is_calm = self._coming is None and self._stop_by is None
        is_calm = is_calm and not any(self._crew.is_short(each) for each in self._generations())
        longest = _LONG_TURN if is_calm else _SHORT_TURN
        return min(longest, self._notifier.watchdog_seconds or longest)

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """Let signals arrive as octets in the loop."""
        reading, writing = self._wakeup = socket.socketpair()
        reading.setblocking(False)
        writing.setblocking(False)
        former = {number: signal.signal(number, lambda *_: None) for number in _SIGNALS}
        wakeup = signal.set_wakeup_fd(writing.fileno())
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

    # --- settings ----------------------------------------------------------------------------

    def _generation(self, settings: Settings, listeners: tuple[Listener, ...]) -> Generation:
        return Generation(settings, listeners, deadline=time.monotonic() + self._pace.ready)

    def _begin_reload(self) -> None:
        if not self._wants_reload or self._coming is not None or self._current is None:
            return
        self._wants_reload = False
        self._notifier.reloading()
        try:
            settings = self._reload()
            listeners = self._opened(settings, self._current.listeners)
        except Exception as error:
            is_told = isinstance(error, ConfigError)
            log.error("the settings were not reloaded: %s", error, exc_info=not is_told)
            self._say_ready("Bad settings were not taken")
            return
        self._coming = self._generation(settings, listeners)

    def _look_after_coming(self) -> None:
        if self._coming is None:
            return
        if self._crew.is_complete(self._coming):
            self._take_over(self._coming)
        elif time.monotonic() > self._coming.deadline:
            self._give_up_coming("new workers were not ready in time")

    def _take_over(self, coming: Generation) -> None:
        """The new workers serve: the old ones may go."""
        former, self._current, self._coming = self._current, coming, None
        self._settings = coming.settings
        if former is not None:
            self._taken_over(coming.settings)
            self._crew.drain(former)
            _close(former.listeners, but=coming.listeners)
        self._say_ready("Serving" if former is None else "Reloaded")

    def _give_up_coming(self, why: str) -> None:
        coming, self._coming = self._coming, None
        if coming is None:
            return
        self._crew.dismiss(coming)
        if self._current is None:
            log.error("%s; milterguard ends", why)
            self._status = EX_SOFTWARE
            _close(coming.listeners, but=())
            self._stop()
            return
        log.error("%s; the former settings stay", why)
        _close(coming.listeners, but=self._current.listeners)
        self._say_ready("New settings failed")

    def _opened(self, settings: Settings, present: tuple[Listener, ...]) -> tuple[Listener, ...]:
        """Return open listeners for these settings, those that are open already reused. Raises ConfigError."""
        known = {each.spec: each for each in present}
        listeners: list[Listener] = []
        try:
            for text in dict.fromkeys(settings.server.listen):
                listener = known.get(listen.parse(text))
                if listener is None:
                    listener = listen.open_listener(text, settings.server)
                else:
                    self._renew_access(listener, settings.server)
                listeners.append(listener)
        except ConfigError:
            _close(tuple(listeners), but=present)
            raise
        return tuple(listeners)

    def _renew_access(self, listener: Listener, server: Server) -> None:
        """Give an open listener group and mode again. Raises ConfigError if others than before cannot be given."""
        former = self._settings.server
        try:
            listen.set_access(listener, server)
        except ConfigError as error:
            if (former.socket_mode, former.socket_group) != (server.socket_mode, server.socket_group):
                raise
            log.warning("%s keeps the group and mode that it has: %s", listener.spec, error)

    # --- the end -----------------------------------------------------------------------------

    def _stop(self) -> None:
        """Let all workers drain; a second time changes nothing."""
        if self._stop_by is not None:
            return
        self._notifier.stopping()
        self._stop_by = time.monotonic() + self._settings.server.stop_grace_seconds + self._pace.last
        for generation in self._generations():
            self._crew.drain(generation)
        _close(self._listeners(), but=())

    # --- all of them -------------------------------------------------------------------------

    def _generations(self) -> tuple[Generation, ...]:
        return tuple(each for each in (self._current, self._coming) if each is not None)

    def _listeners(self) -> tuple[Listener, ...]:
        return tuple(listener for generation in self._generations() for listener in generation.listeners)

    def _foreign_sockets(self, listener: Listener) -> list[socket.socket]:
        others = [each.socket for each in self._listeners() if each is not listener]
        return [*others, *self._wakeup]

    def _say_ready(self, status: str) -> None:
        assert self._current is not None
        places = ", ".join(str(each.spec) for each in self._current.listeners)
        number = self._current.workers * len(self._current.listeners)
        log.info("%s: %d workers at %s", status.lower(), number, places)
        self._notifier.ready(f"{status}: {number} workers at {places}")

    def _feed_watchdog(self) -> None:
        interval = self._notifier.watchdog_seconds
        if interval and time.monotonic() >= self._next_watchdog:
            self._next_watchdog = time.monotonic() + interval
            self._notifier.alive()


def _close(listeners: tuple[Listener, ...], *, but: tuple[Listener, ...]) -> None:
    for listener in listeners:
        if listener not in but:
            listener.close()


def _raise_file_limit() -> None:
    """Allow as many descriptors as we may: each connection, spooled body and socket of a scanner takes one."""
    former, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    log.debug("open files: at most %d, by default %d", resource.getrlimit(resource.RLIMIT_NOFILE)[0], former)


def _ending(status: int) -> str:
    return f"signal {-status}" if status < 0 else f"status {status}"
