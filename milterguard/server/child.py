# SPDX-License-Identifier: GPL-3.0-or-later
"""What the supervisor knows about one worker process, and how it makes and ends one."""

import contextlib
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum, auto

from milterguard.server.generation import Generation
from milterguard.server.listen import Listener
from milterguard.server.worker import DRAIN, EX_SOFTWARE

log = logging.getLogger(__name__)


class State(Enum):
    STARTING = auto()
    """Forked; has not said READY."""
    SERVING = auto()
    DRAINING = auto()
    """Told to end, or its replacement is there."""


@dataclass(slots=True, eq=False)
class Child:
    """One worker."""

    pid: int
    control: socket.socket
    generation: Generation
    listener: Listener
    seat: int
    replaces: "Child | None" = None
    """The worker that is told to drain once this one is ready."""
    has_successor: bool = False
    state: State = State.STARTING
    started: float = field(default_factory=time.monotonic)
    heard: float = field(default_factory=time.monotonic)
    """When it last said something, on the monotonic clock."""

    def drain(self) -> None:
        """Tell it to accept no more and to end when its sessions have."""
        if self.state is not State.DRAINING:
            self.state = State.DRAINING
            with contextlib.suppress(OSError):
                self.control.send(DRAIN, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)

    def kill(self) -> None:
        """End it at once. Its messages are answered with 451 by the MTA."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)


def fork(run: Callable[[socket.socket], int], *, close: Iterable[socket.socket]) -> tuple[int, socket.socket]:
    """Start a process that runs ``run`` with its end of a socket pair; return its pid and our end.

    ``close``: what the child must not keep open, such as other workers' control sockets.
    Raises OSError when there is no process or socket to be had.
    """
    ours, theirs = socket.socketpair()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
    except OSError:
        ours.close()
        theirs.close()
        raise
    if pid == 0:
        _become_child(run, theirs, close=(ours, *close))
    theirs.close()
    ours.setblocking(False)
    return pid, ours


def _become_child(
    run: Callable[[socket.socket], int], control: socket.socket, *, close: Iterable[socket.socket]
) -> None:
    status = EX_SOFTWARE
    try:
        for each in close:
            each.close()
        status = run(control)
    except BaseException:
        log.exception("a worker failed")
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)
