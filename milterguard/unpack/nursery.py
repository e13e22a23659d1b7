# SPDX-License-Identifier: GPL-3.0-or-later
"""The resident parent of the sealed children: it imports all decoders once, then forks a child per leaf.

A worker starts it by exec, so that nothing of the worker is in it: no settings, no database, no socket
but the one that orders come on. It never reads what is in a leaf or a request; it knows of a child how
long it may live, and tells the worker how it died. When the worker is gone it ends, and every child with it.

    worker ── order, content, reply socket ──▶ nursery ── fork ──▶ sealed child
       └────────────── request ▶  reply socket  ◀ members, octets ──────┘

*Errors:* what keeps it from starting goes to standard error, and the worker sees it end.
"""

import contextlib
import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import sys
import time
from dataclasses import dataclass

from milterguard.unpack import wire
from milterguard.unpack.seal import Terms, prepare, shut, withdraw
from milterguard.unpack.sealed import Cell, Examiner, live, rehearse

START = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from milterguard.unpack.nursery import main; main()"
"""What Python is given to run, isolated; arguments are the worker's module path and the terms, both as JSON."""
_CONTROL = 0
"""Standard input is the socket to the worker."""


@dataclass(frozen=True, slots=True)
class _Spare:
    """A child that waits for its work: forking and sealing take longer than many a leaf."""

    pid: int
    hatch: socket.socket


@dataclass(slots=True, eq=False)
class _Child:
    pid: int
    reply: socket.socket
    """Kept to say on it how the child ended, and to see that nobody listens any more."""
    deadline: float
    is_ended: bool = False
    """Killed, not yet reaped."""
    trouble: str = ""
    """Why it was killed."""

    def end(self, trouble: str = "") -> None:
        self.is_ended, self.trouble = True, trouble
        kill(self.pid)


class Nursery:
    """The loop."""

    def __init__(self, control: socket.socket, cell: Cell, *, processes: int) -> None:
        self._control = control
        self._cell = cell
        self._processes = processes
        self._children: dict[int, _Child] = {}
        self._spare: _Spare | None = None
        self._wake = _wake_pipe()

    def run(self) -> None:
        """Serve until the worker is gone; then no child is left."""
        try:
            self._make_spare()
            while self._turn():
                pass
        finally:
            for child in self._children.values():
                child.end()
            if self._spare:
                kill(self._spare.pid)
            while self._children:
                self._bury(blocking=True)

    def _turn(self) -> bool:
        """Wait for something to happen and do what it asks for; False once the worker is gone."""
        ready = dict(self._poll())
        if self._wake in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(self._wake, 4096)
            self._bury()
        now = time.monotonic()
        for child in self._children.values():
            if not child.is_ended and child.reply.fileno() in ready:
                child.end()  # nobody listens
            elif not child.is_ended and now >= child.deadline:
                child.end(wire.TIME)
        return _CONTROL not in ready or self._obey()

    def _poll(self) -> list[tuple[int, int]]:
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        # A worker that is gone is seen even while no order can be taken.
        poll.register(_CONTROL, select.POLLIN if len(self._children) < self._processes else 0)
        alive = [child for child in self._children.values() if not child.is_ended]
        for child in alive:
            poll.register(child.reply, 0)
        if not alive:
            return poll.poll()
        first = min(child.deadline for child in alive)
        return poll.poll(max(0, (first - time.monotonic()) * 1000 + 1))

    def _obey(self) -> bool:
        """Take one order; False when the worker has closed its end."""
        order, descriptors, _, _ = socket.recv_fds(self._control, wire.PACKET_BYTES, 2)
        if not order:
            return False
        try:
            self._raise(wire.parse_order(order), descriptors)
        except (OSError, ValueError, wire.Garbled) as error:
            print(f"milterguard.unpack: no child: {error}", file=sys.stderr)
        finally:
            for each in descriptors:
                os.close(each)
        self._make_spare()
        return True

    def _raise(self, seconds: float, descriptors: list[int]) -> None:
        """Give the work to a child. Raises OSError and ValueError; the worker sees its reply socket closed."""
        _, reply = descriptors
        ours = socket.socket(fileno=os.dup(reply))
        try:
            pid = self._give(descriptors)
        except OSError:
            with contextlib.suppress(OSError):
                ours.send(wire.end_packet(wire.REFUSED), socket.MSG_DONTWAIT)
            ours.close()
            raise
        self._children[pid] = _Child(pid, ours, time.monotonic() + seconds)

    def _give(self, descriptors: list[int]) -> int:
        """Hand the work to the spare child, or to a new one if that has died; return its process id."""
        spare, self._spare = self._spare, None
        for child in (spare, None):
            child = child or self._fork()
            with child.hatch, contextlib.suppress(BrokenPipeError, ConnectionResetError):
                socket.send_fds(child.hatch, [b"W"], descriptors)
                return child.pid
        raise OSError("children die at once")

    def _make_spare(self) -> None:
        # Once for each order: a spare that dies at once is not replaced at once.
        with contextlib.suppress(OSError):
            self._spare = self._spare or self._fork()

    def _fork(self) -> _Spare:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            try:
                pid = os.fork()
            except OSError:
                ours.close()
                raise
            if pid == 0:
                _become_child(self._cell, theirs.fileno())
        return _Spare(pid, ours)

    def _bury(self, *, blocking: bool = False) -> None:
        """Reap who has died, and tell the worker how."""
        flags = os.WEXITED | os.WNOWAIT | (0 if blocking else os.WNOHANG)
        with contextlib.suppress(ChildProcessError):
            while (found := os.waitid(os.P_ALL, 0, flags)) is not None:
                # What it may have started goes with it; its id is nobody else's before it is reaped.
                kill(found.si_pid)
                _, status = os.waitpid(found.si_pid, 0)
                if self._spare and self._spare.pid == found.si_pid:
                    self._spare.hatch.close()
                    self._spare = None
                child = self._children.pop(found.si_pid, None)
                if child is not None:
                    with contextlib.suppress(OSError):
                        child.reply.send(wire.end_packet(child.trouble or _manner(status)), socket.MSG_DONTWAIT)
                    child.reply.close()


def kill(pid: int) -> None:
    """Kill a process and its group, if it leads one."""
    for end in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            end(pid, signal.SIGKILL)


def _manner(status: int) -> str:
    if not os.WIFSIGNALED(status):
        return f"exited (status {os.waitstatus_to_exitcode(status)})"
    number = os.WTERMSIG(status)
    return wire.TIME if number == signal.SIGXCPU else f"crashed (signal {number})"


def _become_child(cell: Cell, hatch: int) -> None:
    status = 70
    try:
        status = live(cell, hatch)
    finally:
        os._exit(status)


def _wake_pipe() -> int:
    """Return a descriptor that has something to read whenever a child has died."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    return reading


def seals_that_hold(terms: Terms) -> tuple[str, ...]:
    """Have a child that examines nothing seal itself, and return the seals that it got."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            seals = withdraw(terms) + shut(terms, max_bytes=1 << 20, max_depth=1)
            os.write(writing, ",".join(seals).encode())
        finally:
            os._exit(0)
    os.close(writing)
    names = os.read(reading, 4096).decode()
    os.close(reading)
    os.waitpid(pid, 0)
    return tuple(filter(None, names.split(",")))


def _examiner(name: str) -> Examiner:
    module, _, function = name.partition(":")
    examiner: Examiner = getattr(importlib.import_module(module), function)
    return examiner


def _preload(name: str) -> None:
    """Load what a child may ask for when it can open no file any more: codecs, and what the examiner names."""
    import encodings

    getattr(importlib.import_module(name.partition(":")[0]), "preload", lambda: None)()
    for module in pkgutil.iter_modules(encodings.__path__):
        with contextlib.suppress(ImportError):  # those of Windows
            importlib.import_module(f"encodings.{module.name}")


def main() -> None:
    """Run as ``python -I -c START PATH TERMS`` with the socket to the worker as standard input."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the worker speaks for all of them
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    asked = json.loads(sys.argv[2])
    examiner = _examiner(asked["examiner"])
    _preload(asked["examiner"])
    rehearse(examiner)
    terms = prepare(memory_bytes=asked["memory_bytes"], cpu_seconds=asked["cpu_seconds"])
    control = socket.socket(fileno=_CONTROL)
    seals = seals_that_hold(terms)
    os.environ.clear()
    sys.argv.clear()
    gc.collect()
    gc.freeze()
    cell = Cell(examiner, terms, seals, null=os.open(os.devnull, os.O_RDWR))
    nursery = Nursery(control, cell, processes=asked["processes"])
    control.send(wire.hello_packet(seals))
    nursery.run()
