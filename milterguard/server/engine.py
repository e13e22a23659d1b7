# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs libmilter's loop, and does to its listening socket what libmilter cannot: swap and drain.

libmilter opens a socket of its own that nobody knows, and ours is laid over its descriptor. To
drain, one that nobody can reach takes its place: ``smfi_stop`` would cut sessions.

A libmilter with a pool of threads (Debian's) can leave a command of one session waiting behind
another's scan when both become ready at once. *Kickers* cure it: connections of our own that wake
the pool with a packet it reads, forgets and does not answer.

*Source:* sendmail's ``libmilter/worker.c``, ``listener.c``; SMFIC_MACRO of ``mfdef.h``.

*Errors:* OSError and milter.error at the start, when there is no socket or thread to be had.
"""

import contextlib
import ctypes
import logging
import os
import select
import signal
import socket
import stat
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import milter

log = logging.getLogger(__name__)

_KICKERS = 3
_KICK = b"\0\0\0\4DCk\0"
"""Length 4, SMFIC_MACRO, for the connect stage, a name without a value."""
_MAX_DATA_BYTES = 1 << 20
"""A header field over libmilter's default of 65535 would end the connection."""
_START_SECONDS = 10.0
_DESCRIPTORS = Path("/proc/self/fd")


def is_pooled() -> bool:
    """Whether this libmilter moves sessions between threads."""
    return hasattr(_libmilter(), "mi_pool_controller_init")


def check_python(version: tuple[int, ...] = sys.version_info[:2]) -> None:
    """Raise RuntimeError where pymilter under a pooled libmilter would crash the interpreter."""
    if version >= (3, 14) and is_pooled():
        raise RuntimeError(
            "Python 3.14 or later cannot run with a libmilter that has a pool of threads (_FFR_WORKERS_POOL); "
            "use Python 3.11 to 3.13"
        )


class Engine:
    """libmilter in a thread of its own. One for each process: it cannot be started twice."""

    def __init__(self, listening: socket.socket) -> None:
        """Open libmilter's own socket, of the same family. The callbacks are registered already."""
        self._listening = listening
        self._folder = tempfile.mkdtemp(prefix="milterguard-") if listening.family == socket.AF_UNIX else ""
        _libmilter().smfi_setmaxdatasize(_MAX_DATA_BYTES)
        before = _sockets()
        try:
            milter.setconn(self._own_address())
            milter.opensocket(False)
            (self._descriptor,) = _sockets() - before
            self._kickers = _connected(self._descriptor, _KICKERS)
        finally:
            self._remove_folder()
        self._kicks = 0
        self._ended: Callable[[], None] = lambda: None
        self._thread = threading.Thread(target=self._run, name="libmilter", daemon=True)

    def start(self, *, ended: Callable[[], None]) -> None:
        """Start to serve. ``ended`` is called, from another thread, should libmilter give up."""
        self._ended = ended
        self._thread.start()
        self._await_empty_queue()
        self._swap(self._listening)

    def kick(self) -> None:
        """Wake the pool; wanted every 50 ms while sessions are open."""
        kicker = self._kickers[self._kicks % _KICKERS]
        self._kicks += 1
        with contextlib.suppress(OSError):
            kicker.send(_KICK, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)

    def stop_accepting(self) -> None:
        """Take no further connection; sessions that are open go on."""
        nobody = socket.socket(socket.AF_UNIX)
        nobody.bind("")
        nobody.listen(1)
        nobody.setblocking(False)
        self._swap(nobody)
        nobody.close()

    def has_connections(self) -> bool:
        """Whether an MTA is connected, even one whose first word libmilter has not read yet."""
        own = _local_address(self._listening)
        return any(_is_accepted_at(own, descriptor) for descriptor in _sockets())

    def _run(self) -> None:
        try:
            milter.main()
        except milter.error:
            log.exception("libmilter ended")
        self._ended()

    def _own_address(self) -> str:
        if self._folder:
            return f"unix:{self._folder}/libmilter"
        return "inet6:0@::1" if self._listening.family == socket.AF_INET6 else "inet:0@127.0.0.1"

    def _remove_folder(self) -> None:
        if self._folder:
            with contextlib.suppress(OSError):
                Path(self._folder, "libmilter").unlink()
            with contextlib.suppress(OSError):
                Path(self._folder).rmdir()

    def _await_empty_queue(self) -> None:
        """Return once the kickers were accepted: a listening socket is readable while one waits."""
        end = time.monotonic() + _START_SECONDS
        while select.select([self._descriptor], [], [], 0)[0]:
            if time.monotonic() > end or not self._thread.is_alive():
                raise OSError("libmilter does not accept connections")
            time.sleep(0.005)

    def _swap(self, listening: socket.socket) -> None:
        os.dup2(listening.fileno(), self._descriptor, inheritable=False)
        # Its poll still looks at the former socket, up to 5 s long; the signal makes it look again.
        if self._thread.ident is not None:
            signal.pthread_kill(self._thread.ident, signal.SIGUSR1)


def _is_accepted_at(own: object, descriptor: int) -> bool:
    """Whether a descriptor is a connection that a listening socket with this address has accepted."""
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as connection:
        is_listening = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        return not is_listening and _local_address(connection) == own
    return False


def _local_address(bound: socket.socket) -> object:
    """Return a unix socket's path, or a port: a connection to any address of ours has that port."""
    name = bound.getsockname()
    return name[1] if isinstance(name, tuple) else name


def _connected(descriptor: int, number: int) -> list[socket.socket]:
    with socket.socket(fileno=os.dup(descriptor)) as own:
        address, family = own.getsockname(), own.family
    kickers = []
    for _ in range(number):
        kicker = socket.socket(family)
        kicker.connect(address)
        kickers.append(kicker)
    return kickers


def _sockets() -> set[int]:
    found = set()
    for name in os.listdir(_DESCRIPTORS):  # noqa: PTH208  (no Path for each descriptor)
        with contextlib.suppress(OSError):
            if stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                found.add(int(name))
    return found


def _libmilter() -> ctypes.CDLL:
    """Return the library that pymilter is linked with: its symbols are found through the module."""
    return ctypes.CDLL(milter.__file__)
