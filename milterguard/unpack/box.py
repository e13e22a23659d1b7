# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker's side of the sealed children: hands a leaf to one, and hears what it says, in bounded time and memory.

One nursery per worker, started when it is first needed or by ``start``. Whatever a child does, floods, lies,
hangs or dies, becomes the ``trouble`` of a report. A nursery that died is started anew.

*Errors:* BoxError when *we* could not have the leaf looked at: no nursery, or no child free in time.
"""

import contextlib
import fcntl
import os
import select
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Protocol

from milterguard.errors import MilterguardError
from milterguard.unpack import wire
from milterguard.unpack.member import Member, Request
from milterguard.unpack.nurse import Nurse, NurseryGone, NurseryLate

_STARTS, _STARTS_SECONDS = 5, 30.0
"""So many nurseries are started in so much time, and no more."""


class BoxError(MilterguardError):
    """No sealed child could be had; nothing is known about the leaf."""


class BoxBusy(BoxError):  # noqa: N818
    """Other leaves had all of them until it was too late."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a child said of one leaf."""

    members: tuple[Member, ...] = ()
    """Parents before children; a path that comes again is news on it."""
    trouble: str = ""
    """Why it may not be all; empty: it is. ``crashed (signal N)``, ``exited (status N)``, ``failed (Error)``,
    ``out of time``, ``out of memory``, ``limit``, ``garbled``: our words only."""
    waited_seconds: float = field(default=0.0, compare=False)
    """How long other leaves had all processes."""


class Sink(Protocol):
    """Takes what a child says while it comes."""

    def tell(self, member: Member) -> None:
        """Take a member. With ``has_octets`` exactly ``size`` octets follow, unless trouble comes between."""
        ...

    def give(self, block: bytes) -> None:
        """Take the next octets of the member that was told last."""
        ...


class Box:
    """All sealed children of one worker. Any number of threads may ask at once."""

    def __init__(
        self,
        *,
        processes: int,
        memory_bytes: int,
        cpu_seconds: int,
        examiner: str = "milterguard.unpack.examine:examine",
    ) -> None:
        """``processes``: leaves examined at the same time; ``examiner``: ``module:function``. Starts nothing."""
        self._new = Nurse.settled(
            examiner=examiner, processes=processes, memory_bytes=memory_bytes, cpu_seconds=cpu_seconds
        )
        self._slots = threading.BoundedSemaphore(processes)
        self._lock = threading.Lock()
        self._nurse: Nurse | None = None
        self._started: list[float] = []
        self._is_closed = False

    def start(self) -> None:
        """Start the nursery before it is needed; does not wait until it is ready. Raises BoxError."""
        self._living()

    def seals(self, *, deadline: float) -> tuple[str, ...]:
        """Return which of ``seal.ALL`` hold on this system. Raises BoxError."""
        try:
            return self._living().seals(deadline)
        except (NurseryGone, NurseryLate) as error:
            raise BoxError(str(error)) from error

    def open(self, descriptor: int, request: Request, *, deadline: float, sink: Sink | None = None) -> Report:
        """Have the octets behind a descriptor examined; ``deadline`` is on the monotonic clock.

        Never raises for what the child does. Raises BoxError, BoxBusy among them, and whatever ``sink`` raises.
        """
        began = time.monotonic()
        if not self._slots.acquire(timeout=max(0.0, deadline - began)):
            raise BoxBusy("no sealed process became free in time")
        waited_seconds = time.monotonic() - began
        try:
            with _read_only(descriptor) as content:
                report = self._ask(content, request, deadline=deadline, sink=sink)
        finally:
            self._slots.release()
        return replace(report, waited_seconds=waited_seconds)

    def close(self) -> None:
        """End the nursery and all its children, and wait for it. Idempotent."""
        with self._lock:
            self._is_closed = True
            nurse, self._nurse = self._nurse, None
        if nurse is not None:
            nurse.close()

    def _ask(self, content: int, request: Request, *, deadline: float, sink: Sink | None) -> Report:
        for is_last in (False, True):
            hearing = _Child(request, deadline, sink)
            nurse = self._living()
            try:
                return hearing.report(nurse, content)
            except NurseryLate as error:
                raise BoxError(str(error)) from error
            except NurseryGone as error:
                self._bury(nurse)
                if hearing.members:
                    return Report(tuple(hearing.members), "crashed (signal 9)")
                if is_last:
                    raise BoxError(str(error)) from error
        raise AssertionError

    def _living(self) -> Nurse:
        with self._lock:
            if self._is_closed:
                raise BoxError("closed")
            if self._nurse is None:
                self._nurse = self._start()
            return self._nurse

    def _start(self) -> Nurse:
        now = time.monotonic()
        self._started = [each for each in self._started if now - each < _STARTS_SECONDS]
        if len(self._started) >= _STARTS:
            raise BoxError("the parent of the sealed processes ends again and again")
        self._started.append(now)
        try:
            return self._new()
        except OSError as error:
            raise BoxError(f"the parent of the sealed processes does not start: {error.strerror}") from error

    def _bury(self, nurse: Nurse) -> None:
        with self._lock:
            if self._nurse is nurse:
                self._nurse = None
        nurse.close()


class _Child:
    """One request, and what is heard of the child that has it."""

    def __init__(self, request: Request, deadline: float, sink: Sink | None) -> None:
        self._request = request
        self._deadline = deadline
        self._sink = sink
        self._hearing = wire.Hearing(request)
        self.members: list[Member] = []

    def report(self, nurse: Nurse, content: int) -> Report:
        """Ask, and hear to the end. Raises NurseryGone, NurseryLate, BoxError and what the sink raises."""
        with self._asked(nurse, content) as ours:
            trouble = self._hear(ours)
        if trouble == wire.TIME and not self.members:
            nurse.seals(time.monotonic())  # else it was never asked
        if trouble == wire.REFUSED and not self.members:
            raise BoxError("a process could not be sealed")
        return Report(tuple(self.members), trouble)

    def _asked(self, nurse: Nurse, content: int) -> socket.socket:
        try:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs, contextlib.ExitStack() as stack:
                stack.push(ours)
                ours.send(wire.request_packet(self._request))
                nurse.order(content, theirs.fileno(), seconds=self._deadline - time.monotonic())
                stack.pop_all()
        except OSError as error:
            raise BoxError(f"no socket for a sealed process: {error.strerror}") from error
        return ours

    def _hear(self, ours: socket.socket) -> str:
        """Return the trouble, or nothing. The child is killed once ``ours`` is closed."""
        poll = select.poll()
        poll.register(ours, select.POLLIN)
        while (left := self._deadline - time.monotonic()) > 0:
            if not poll.poll(left * 1000 + 1):
                continue
            try:
                packet = ours.recv(wire.PACKET_BYTES + 1)
            except ConnectionResetError:  # it died before it read the request
                packet = b""
            if not packet:
                raise NurseryGone("the parent of the sealed processes died")
            try:
                told = self._hearing.take(packet)
            except wire.Garbled:
                return wire.GARBLED
            except wire.Excess:
                return wire.LIMIT
            if isinstance(told, wire.End):
                return told.trouble
            self._take(told)
        return wire.TIME

    def _take(self, told: Member | wire.Octets) -> None:
        if isinstance(told, Member):
            self.members.append(told)
            if self._sink is not None:
                self._sink.tell(told)
        elif self._sink is not None:
            self._sink.give(told.block)


@contextlib.contextmanager
def _read_only(descriptor: int) -> Iterator[int]:
    """Hold the same file open for reading only: a child must not change what is delivered later on."""
    if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
        yield descriptor
        return
    try:
        again = os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise BoxError(f"the octets cannot be handed over for reading only: {error.strerror}") from error
    try:
        yield again
    finally:
        os.close(again)
