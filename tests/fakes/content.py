# SPDX-License-Identifier: GPL-3.0-or-later
"""A content that arrives when the test says so."""

import threading
import time

from milterguard.errors import ContentError


class Arriving:
    """Octets that are fed from one thread and read from others. Ends, or breaks, when told."""

    def __init__(self, octets: bytes = b"") -> None:
        self._octets = bytearray(octets)
        self._is_complete = False
        self._trouble = ""
        self.changed = threading.Condition()
        self.opened = 0
        """Readers made so far."""
        self.open_readers = 0
        """Readers not closed yet."""

    @property
    def size(self) -> int:
        return len(self._octets)

    def feed(self, octets: bytes) -> None:
        with self.changed:
            self._octets += octets
            self.changed.notify_all()

    def complete(self) -> None:
        with self.changed:
            self._is_complete = True
            self.changed.notify_all()

    def fail(self, trouble: str) -> None:
        with self.changed:
            self._trouble = trouble
            self.changed.notify_all()

    def open(self, *, deadline: float | None = None) -> "ArrivingReader":
        with self.changed:
            self.opened += 1
            self.open_readers += 1
        return ArrivingReader(self, deadline)

    def whole(self, *, deadline: float | None = None) -> bytes:
        reader = self.open(deadline=deadline)
        try:
            return b"".join(iter(lambda: reader.read(65536), b""))
        finally:
            reader.close()

    def read(self, offset: int, size: int, deadline: float | None) -> bytes:
        with self.changed:
            while len(self._octets) <= offset and not self._is_complete and not self._trouble:
                left = None if deadline is None else deadline - time.monotonic()
                if (left is not None and left <= 0) or not self.changed.wait(left):
                    raise ContentError("deadline passed")
            if self._trouble:
                raise ContentError(self._trouble)
            return bytes(self._octets[offset : offset + size])

    def closed(self) -> None:
        with self.changed:
            self.open_readers -= 1


class ArrivingReader:
    def __init__(self, content: Arriving, deadline: float | None) -> None:
        self._content = content
        self._deadline = deadline
        self._offset = 0
        self._is_closed = False

    def read(self, size: int, /) -> bytes:
        octets = self._content.read(self._offset, size, self._deadline)
        self._offset += len(octets)
        return octets

    def close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._content.closed()
