# SPDX-License-Identifier: GPL-3.0-or-later
"""Octets that came out of a message's archives and that a scanner wants: one unnamed file for all.

The file goes when nobody refers to it any more, so a check that is still at work after its message
was answered reads on undisturbed.
"""

import os
import tempfile
import weakref
from collections.abc import Callable, Iterator

from milterguard.errors import ContentError

_BLOCK = 65536


class Heap:
    """Written by one thread, then read by others."""

    def __init__(self, directory: str = "") -> None:
        """``directory``: where the file lives; empty: TMPDIR, else /tmp."""
        self._directory = directory
        self._file: int | None = None
        self._end = 0

    def put(self, octets: bytes) -> None:
        """Append octets. Raises ContentError when they cannot be kept."""
        try:
            if self._file is None:
                self._file = unnamed_file(self._directory)
                weakref.finalize(self, os.close, self._file)
            write_all(self._file, octets)
            self._end += len(octets)
        except OSError as error:
            raise ContentError(f"parts: {error.strerror}") from error

    @property
    def end(self) -> int:
        """Octets in it so far; where the next ones will begin."""
        return self._end

    def blocks(self, start: int, end: int) -> Callable[[], Iterator[bytes]]:
        """Return what gives those octets, as often as it is called. Raises ContentError when they are gone."""

        def read() -> Iterator[bytes]:
            position = start
            while position < end:
                try:
                    block = os.pread(self._file or 0, min(_BLOCK, end - position), position) if self._file else b""
                except OSError as error:
                    raise ContentError(f"parts: {error.strerror}") from error
                if not block:
                    raise ContentError("parts: the file has lost octets")
                position += len(block)
                yield block

        return read


def unnamed_file(directory: str = "") -> int:
    """Return a descriptor of a new file without a name. Raises OSError."""
    with tempfile.TemporaryFile(buffering=0, dir=directory or None) as file:
        return os.dup(file.fileno())


def write_all(descriptor: int, octets: bytes) -> None:
    """Write octets to their end. Raises OSError."""
    view = memoryview(octets)
    while view:
        view = view[os.write(descriptor, view) :]
