# SPDX-License-Identifier: GPL-3.0-or-later
"""One pass over the octets of a leaf: its size, digest and kind, and a file of them for the sealed child.

Octets are decoded as they pass, which is most of the cost of an attachment; so a leaf that looks
worth opening is written down on the way, and a small one is held until that is known.
"""

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from milterguard.unpack.heap import unnamed_file, write_all
from milterguard.unpack.kind import HEAD_BYTES, TAIL_BYTES, is_openable, kinds_of
from milterguard.unpack.plain_pdf import is_plain

_HELD_BYTES = 1 << 20
"""Up to that a leaf stays in memory, also on its way to the sealed child."""
_READ_BYTES = 262_144


@dataclass(slots=True)
class Survey:
    """What one pass over a leaf showed."""

    size: int
    digest: str
    """SHA-256 in hex."""
    kinds: tuple[str, ...]
    file: int | None
    """Descriptor of a file of these octets and nothing else, to be closed by the caller; None when not worth it."""


def survey(octets: Callable[[], Iterator[bytes]], directory: str = "") -> Survey:
    """Return what the octets of a leaf show; ``directory`` is where an unnamed file lives. Raises OSError."""
    passing = _Passing(directory)
    try:
        for block in octets():
            passing.take(block)
        kinds = passing.kinds
        is_wanted = is_openable(kinds) and not (kinds == ("pdf",) and is_plain(passing.blocks(octets)))
        file = passing.kept(octets) if is_wanted else None
    except BaseException:
        passing.forget()
        raise
    if file is None:
        passing.forget()
    return Survey(passing.size, passing.digest.hexdigest(), kinds, file)


class _Passing:
    """The octets of one leaf while they pass."""

    def __init__(self, directory: str) -> None:
        self.size = 0
        self.digest = hashlib.sha256()
        self._directory = directory
        self._head = b""
        self._tail = deque[bytes]()
        self._tail_size = 0
        self._file: int | None = None
        self._is_whole = True
        """Whether ``_tail`` or the file has everything so far."""

    def take(self, block: bytes) -> None:
        self.digest.update(block)
        self.size += len(block)
        if len(self._head) < HEAD_BYTES:
            self._head += block[: HEAD_BYTES - len(self._head)]
        self._tail.append(block)
        self._tail_size += len(block)
        if self._file is not None:
            write_all(self._file, block)
        elif self._is_whole and self.size > _HELD_BYTES:
            self._let_go()
        if self._file is not None or not self._is_whole:
            while self._tail_size - len(self._tail[0]) >= TAIL_BYTES:
                self._tail_size -= len(self._tail.popleft())

    def _let_go(self) -> None:
        """It is too long to be held: what begins like something to be opened goes to a file."""
        if is_openable(kinds_of(self._head)):
            self._file = unnamed_file(self._directory)
            for block in self._tail:
                write_all(self._file, block)
        else:
            self._is_whole = False

    @property
    def kinds(self) -> tuple[str, ...]:
        last: list[bytes] = []
        missing = TAIL_BYTES
        for block in reversed(self._tail):
            last.insert(0, block[-missing:])
            missing -= len(block)
            if missing <= 0:
                break
        return kinds_of(self._head, b"".join(last), self.size)

    def blocks(self, octets: Callable[[], Iterator[bytes]]) -> Iterable[bytes]:
        """Return all octets once more, which pass again if nobody has kept them."""
        if self._file is not None:
            return _read_all(self._file)
        return self._tail if self._is_whole else octets()

    def kept(self, octets: Callable[[], Iterator[bytes]]) -> int:
        """Return a file of all octets."""
        if self._file is None:
            blocks = self.blocks(octets)
            self._file = os.memfd_create("leaf") if self._is_whole else unnamed_file(self._directory)
            for block in blocks:
                write_all(self._file, block)
        return self._file

    def forget(self) -> None:
        if self._file is not None:
            os.close(self._file)


def _read_all(file: int) -> Iterator[bytes]:
    position = 0
    while block := os.pread(file, _READ_BYTES, position):
        yield block
        position += len(block)
