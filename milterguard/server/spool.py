# SPDX-License-Identifier: GPL-3.0-or-later
"""The body of one message: written by the session while checks already read it.

Small bodies stay in memory; larger ones move to a file that has no name, so that a crash leaves
nothing behind. What has been written is read with ``pread`` and without a lock.

*Errors:* a disk that is full, or a limit that is passed, turns the spool into one with a
``trouble``: what comes later is counted but not kept, and readers get ContentError.
"""

import contextlib
import errno
import os
import tempfile
import threading
import time
from collections.abc import Callable
from enum import StrEnum
from mmap import ACCESS_READ, mmap

from milterguard.errors import ContentError

_NO_UNNAMED_FILES = {errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT}
"""What ``open`` says where O_TMPFILE is not known (open(2)); ENOENT comes again from the named file."""


class Trouble(StrEnum):
    """Why a spool has no content to give."""

    TOO_LONG = "longer than max_body_bytes"
    NOT_STORED = "could not be stored"
    ABORTED = "the session has ended"


class Spool:
    """One writer, any number of readers in other threads. Implements ``core.message.Content``."""

    def __init__(self, *, max_memory_bytes: int, max_bytes: int, directory: str = "") -> None:
        """``directory``: where the unnamed file lives; empty: TMPDIR, else /tmp."""
        self._max_memory_bytes = max_memory_bytes
        self._max_bytes = max_bytes
        self._directory = directory
        lock = threading.RLock()
        self._changed = threading.Condition(lock)
        self._ended = threading.Condition(lock)
        """Changed for the last time. Apart, so that who waits for the whole is not woken by each piece."""
        self._memory = bytearray()
        self._file: int | None = None
        self._arrived = 0
        self._readable = 0
        self._is_finished = False
        self._is_released = False
        self._readers = 0
        self._trouble: Trouble | None = None
        self._detail = ""

    @property
    def size(self) -> int:
        """Octets that have arrived so far, kept or not."""
        return self._arrived

    @property
    def trouble(self) -> Trouble | None:
        """Why the content is lost; None while all is well."""
        return self._trouble

    @property
    def detail(self) -> str:
        """What the system said about the trouble; for the log only."""
        return self._detail

    def write(self, chunk: bytes) -> None:
        """Append octets. Never raises: what cannot be kept makes the spool one with a trouble."""
        self._arrived += len(chunk)
        if self._trouble is not None:
            return
        if self._arrived > self._max_bytes:
            self.fail(Trouble.TOO_LONG)
            return
        try:
            self._append(chunk)
        except OSError as error:
            self.fail(Trouble.NOT_STORED, str(error))

    def finish(self) -> None:
        """Say that nothing more comes: readers now see the end."""
        with self._changed:
            self._is_finished = True
            self._tell_all()

    def fail(self, trouble: Trouble, detail: str = "") -> None:
        """Give up on the content; readers get ContentError. The first trouble stays."""
        with self._changed:
            if self._trouble is None:
                self._trouble, self._detail = trouble, detail
            self._tell_all()

    def release(self) -> None:
        """Say that the session needs it no more. Readers that are open may read to the end of what is there."""
        with self._changed:
            if not self._is_finished and self._trouble is None:
                self._trouble = Trouble.ABORTED
            self._is_released = True
            self._tell_all()
            self._close_if_unused()

    def open(self, *, deadline: float | None = None) -> "SpoolReader":
        """Return a reader at octet 0; ``deadline`` is on the monotonic clock. Raises ContentError once released."""
        with self._changed:
            if self._is_released:
                raise ContentError("the message has been answered")
            self._readers += 1
        return SpoolReader(self, deadline)

    def whole(self, *, deadline: float | None = None) -> bytes | mmap:
        """Return all octets once the last has arrived; a map outlives the spool. Raises ContentError."""
        with self._changed:
            self._wait_until(self._ended, lambda: self._is_finished, deadline)
            if self._is_released:
                raise ContentError("the message has been answered")
            if self._file is None:
                return bytes(self._memory)
            try:
                return mmap(self._file, 0, access=ACCESS_READ)
            except (OSError, ValueError) as error:
                raise ContentError(f"spool: {error}") from error

    # --- for the writer ----------------------------------------------------------------------

    def _append(self, chunk: bytes) -> None:
        if self._file is None and self._readable + len(chunk) > self._max_memory_bytes:
            self._move_to_file()
        if self._file is not None:
            _write_all(self._file, chunk)
        with self._changed:
            if self._file is None:
                self._memory += chunk
            self._readable += len(chunk)
            self._changed.notify_all()

    def _move_to_file(self) -> None:
        file = _unnamed_file(self._directory or tempfile.gettempdir())
        try:
            _write_all(file, self._memory)
        except OSError:
            os.close(file)
            raise
        with self._changed:
            self._file = file
            self._memory = bytearray()

    # --- for readers -------------------------------------------------------------------------

    def read_at(self, position: int, size: int, *, deadline: float | None) -> bytes:
        """Return octets at a position, waiting for them; empty at the end. Raises ContentError."""
        with self._changed:
            self._wait_until(self._changed, lambda: self._readable > position or self._is_finished, deadline)
            size = min(size, self._readable - position)
            if self._file is None:
                return bytes(self._memory[position : position + size])
            file = self._file
        try:
            octets = os.pread(file, size, position)
        except OSError as error:
            raise ContentError(f"spool: {error}") from error
        if size and not octets:
            raise ContentError("spool: the file has lost octets")  # never to be taken for the end
        return octets

    def close_reader(self) -> None:
        """Count one reader less."""
        with self._changed:
            self._readers -= 1
            self._close_if_unused()

    def _tell_all(self) -> None:
        self._changed.notify_all()
        self._ended.notify_all()

    def _wait_until(self, changed: threading.Condition, is_there: Callable[[], bool], deadline: float | None) -> None:
        timeout = None if deadline is None else max(0.0, deadline - time.monotonic())
        if not changed.wait_for(lambda: self._trouble is not None or is_there(), timeout):
            raise ContentError("the content did not arrive in time")
        if self._trouble is not None:
            raise ContentError(f"spool: {self._trouble.value}")

    def _close_if_unused(self) -> None:
        if not self._is_released or self._readers:
            return
        self._memory = bytearray()
        self._readable = 0
        if self._file is not None:
            with contextlib.suppress(OSError):
                os.close(self._file)
            self._file = None


class SpoolReader:
    """A reading position of its own. Implements ``core.message.Reader``."""

    def __init__(self, spool: Spool, deadline: float | None) -> None:
        self._spool: Spool | None = spool
        self._deadline = deadline
        self._position = 0

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` octets, waiting while none have arrived; empty at the end. Raises ContentError."""
        if self._spool is None:
            raise ContentError("the reader is closed")
        octets = self._spool.read_at(self._position, size, deadline=self._deadline)
        self._position += len(octets)
        return octets

    def close(self) -> None:
        """Give the position back. Idempotent."""
        spool, self._spool = self._spool, None
        if spool is not None:
            spool.close_reader()

    def __del__(self) -> None:
        self.close()


def _unnamed_file(directory: str) -> int:
    """Return a descriptor of a new file that has no name, mode 0600."""
    try:
        return os.open(directory, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno not in _NO_UNNAMED_FILES:
            raise
    file, path = tempfile.mkstemp(prefix="milterguard-", dir=directory)
    os.unlink(path)  # noqa: PTH108
    return file


def _write_all(file: int, octets: bytes | bytearray) -> None:
    with memoryview(octets) as view:
        written = 0
        while written < len(view):
            written += os.write(file, view[written:])
