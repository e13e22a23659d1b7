# SPDX-License-Identifier: GPL-3.0-or-later
"""One process that answers the MTA: libmilter in one thread, the supervisor's word in the main one.

Says READY when it accepts connections, ALIVE every few seconds, RECYCLE when it wants to be
replaced. Told DRAIN, or when the supervisor is gone, it accepts no more, serves its open sessions to
their end or to ``stop_grace_seconds``, and ends.
"""

import contextlib
import gc
import logging
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from milterguard.config.settings import Settings
from milterguard.guard import Guard
from milterguard.server.admission import Admission, Seats
from milterguard.server.tally import Row

log = logging.getLogger(__name__)

READY, ALIVE, RECYCLE, DRAIN = b"R", b"A", b"C", b"D"

_KICK_SECONDS = 0.05
_SWITCH_SECONDS = 0.0005
"""Keeps a thread that computes from holding up the callbacks (the default is ten times that)."""
_GARBAGE = (10_000, 20, 20)
"""Objects, and generations of them, after which the collector looks for cycles; a message makes some hundreds."""
_LAST_SECONDS = 10.0
"""For checks and journal to end once no session is open."""
EX_SOFTWARE = 70


@dataclass(frozen=True, slots=True)
class Task:
    """What a worker is made for."""

    settings: Settings
    make_guard: Callable[[Settings], Guard]
    listening: socket.socket
    address: str
    """The entry of ``server.listen`` that it is for."""
    control: socket.socket
    seats: Seats
    seat: int
    row: Row
    alive_seconds: float


def work(task: Task) -> int:
    """Serve until told to end; return the exit status. Runs once in a process, after the fork."""
    _prepare_process()
    try:
        worker = Worker(task)
    except Exception:
        log.exception("a worker could not start")
        return EX_SOFTWARE
    return worker.run()


class Worker:
    """The main thread of the process."""

    def __init__(self, task: Task) -> None:
        # Only here: the supervisor never loads libmilter.
        from milterguard.server import engine, mta
        from milterguard.server.desk import Desk
        from milterguard.server.metrics import Counter

        engine.check_python()
        server = task.settings.server
        self._server = server
        self._control = task.control
        self._alive_seconds = task.alive_seconds
        admission = Admission(
            task.seats,
            task.seat,
            max_messages=server.max_messages,
            max_messages_total=server.max_messages_total,
        )
        guard = task.make_guard(task.settings)
        guard.also_record(Counter(task.row))
        self._desk = Desk(guard, server, admission, socket=task.address, row=task.row)
        mta.register(self._desk)
        self._engine = engine.Engine(task.listening)
        self._wants_end = False

    def run(self) -> int:
        # What is there now stays: the collector need not go through it, nor come after every few messages.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*_GARBAGE)
        self._engine.start(ended=self._give_up)
        self._say(READY)
        self._serve()
        self._engine.stop_accepting()
        self._drain()
        # Should a check hang on, nothing is left that anybody waits for.
        last = threading.Timer(_LAST_SECONDS, os._exit, (EX_SOFTWARE,))
        last.daemon = True
        last.start()
        self._desk.close()
        last.cancel()
        return 0

    def _serve(self) -> None:
        """Stay until the supervisor says DRAIN or is gone."""
        next_sign = time.monotonic() + self._alive_seconds
        has_asked = False
        while not self._wants_end:
            if select.select([self._control], [], [], _KICK_SECONDS)[0] and self._heard() in {DRAIN, b""}:
                return
            self._engine.kick()
            if time.monotonic() >= next_sign:
                next_sign = time.monotonic() + self._alive_seconds
                self._say(ALIVE)
                has_asked = False  # a replacement that did not come is asked for again
            limit = self._server.max_messages_per_worker
            if limit and self._desk.messages >= limit and not has_asked:
                has_asked = True
                self._say(RECYCLE)

    def _drain(self) -> None:
        end = time.monotonic() + self._server.stop_grace_seconds
        next_sign = 0.0
        time.sleep(_KICK_SECONDS)  # an accept() that was under way when its socket was swapped has returned then
        while self._engine.has_connections() and time.monotonic() < end:
            time.sleep(_KICK_SECONDS)
            self._engine.kick()
            if time.monotonic() >= next_sign:
                next_sign = time.monotonic() + self._alive_seconds
                self._say(ALIVE)
        if self._desk.sessions:
            log.warning("%d sessions were still open at the end of stop_grace_seconds", self._desk.sessions)
            self._desk.abandon_all()

    def _heard(self) -> bytes:
        try:
            return self._control.recv(1)
        except OSError:
            return b""

    def _say(self, word: bytes) -> None:
        with contextlib.suppress(OSError):  # a supervisor that is gone is seen when we listen
            self._control.send(word, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)

    def _give_up(self) -> None:
        log.error("libmilter has ended; the worker ends too")
        self._wants_end = True


def _prepare_process() -> None:
    """Set up a process that was just forked."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the supervisor speaks for all of them
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGUSR1, lambda *_: None)  # interrupts libmilter's poll, nothing else
    signal.set_wakeup_fd(-1)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.umask(0o027)
    sys.setswitchinterval(_SWITCH_SECONDS)
