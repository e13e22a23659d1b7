# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker's end of one nursery process: starts it, gives it orders, ends it.

The nursery is started by exec and not by fork, because the worker has threads and much that no child may
have: only one socket goes along. It ends by itself when that socket is closed, however the worker died.

*Errors:* NurseryGone when it has ended, NurseryLate when it is not ready in time, OSError when
there is no process or socket to be had.
"""

import contextlib
import json
import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from milterguard.errors import MilterguardError
from milterguard.unpack import wire
from milterguard.unpack.nursery import START

_END_SECONDS = 5.0
_KEPT = ("LD_LIBRARY_PATH",)
"""All of our environment that Python may need to start at all."""


class NurseryGone(MilterguardError):  # noqa: N818
    """It has ended, or does not listen."""


class NurseryLate(MilterguardError):  # noqa: N818
    """It is still starting."""


class Nurse:
    """One nursery. Several threads may give orders."""

    def __init__(self, **terms: str | int) -> None:
        """``terms``: ``examiner``, ``processes``, ``memory_bytes``, ``cpu_seconds``. Raises OSError."""
        paths = [str(Path(each).absolute()) for each in sys.path]
        argv = [sys.executable, "-I", "-c", START, json.dumps(paths), json.dumps(terms)]
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._lock = threading.Lock()
        self._seals: tuple[str, ...] | None = None
        try:
            with theirs:
                # A locale of UTF-8, or libraries cannot tell the names of members.
                self._process = subprocess.Popen(
                    argv,
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    env=environment | {"LC_CTYPE": "C.UTF-8"},
                    cwd="/",
                    start_new_session=True,
                )
        except OSError:
            self._control.close()
            raise

    @classmethod
    def settled(cls, **terms: str | int) -> "Callable[[], Nurse]":
        """Return what starts a nursery on these terms."""
        return partial(cls, **terms)

    @property
    def pid(self) -> int:
        return int(self._process.pid)

    def seals(self, deadline: float) -> tuple[str, ...]:
        """Return which seals its children have, waiting until it is ready. Raises NurseryGone and NurseryLate."""
        if not self._lock.acquire(timeout=max(0.0, deadline - time.monotonic())):
            raise NurseryLate("the parent of the sealed processes is not ready in time")
        try:
            if self._seals is None:
                self._seals = self._hello(deadline)
            return self._seals
        finally:
            self._lock.release()

    def order(self, content: int, reply: int, *, seconds: float) -> None:
        """Have a child made for these two descriptors, to live so long. Raises NurseryGone."""
        try:
            socket.send_fds(self._control, [wire.order_packet(seconds)], [content, reply], socket.MSG_DONTWAIT)
        except OSError as error:
            raise NurseryGone(f"the parent of the sealed processes takes no order: {error.strerror}") from error

    def close(self) -> None:
        """End it with all its children; return once it is reaped. Idempotent."""
        with contextlib.suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._control.close()

    def _hello(self, deadline: float) -> tuple[str, ...]:
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise NurseryLate("the parent of the sealed processes is not ready in time")
        try:
            return wire.parse_hello(self._control.recv(wire.PACKET_BYTES))
        except (OSError, wire.Garbled) as error:
            raise NurseryGone("the parent of the sealed processes does not start") from error
