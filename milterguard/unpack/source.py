# SPDX-License-Identifier: GPL-3.0-or-later
"""The contract between ``examine`` and the modules that know one format each.

Such a module has one generator, a ``Look``: it is handed the octets and yields what it finds, news on
the thing itself first (``Note``), then what stands in it (``Child``). ``examine`` takes a child's
blocks before it asks for the next one: counts, digests, types them and looks into them in turn.

*Errors:* a Look may raise what it likes. Undecodable becomes that flag with its text as detail, OverLimits
becomes OVER_LIMITS, any other exception UNDECODABLE with the exception's name; what was yielded stands.
The same holds for the blocks of a child, which is then flagged itself; the Look is asked for the next one.
"""

import io
import mmap
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from milterguard.core.part import Flag
from milterguard.unpack.quota import Quota

BLOCK_BYTES = 65536
"""How much is read and handed on at a time."""


class Undecodable(Exception):  # noqa: N818
    """It is of a kind that we open, and could not be opened; the text is the detail."""

    def __init__(self, detail: str, flag: Flag = Flag.UNDECODABLE) -> None:
        """``flag`` is another one where the reason is better known, such as ENCRYPTED."""
        super().__init__(detail)
        self.flag = flag


class Source:
    """Seekable octets behind a descriptor, with what is known of them. All text is hostile."""

    def __init__(
        self,
        descriptor: int,
        *,
        names: tuple[str, ...] = (),
        kinds: tuple[str, ...] = (),
        passwords: tuple[str, ...] = (),
    ) -> None:
        """The descriptor stays the caller's; its position is neither used nor kept."""
        self.descriptor = descriptor
        self.size = os.fstat(descriptor).st_size
        self.names = names
        self.kinds = kinds
        self.passwords = passwords
        """To be tried in this order on what is encrypted; empty: nothing is tried."""

    def read(self, offset: int, size: int) -> bytes:
        """Return up to ``size`` octets from ``offset``; fewer at the end only."""
        if offset < 0 or size <= 0 or offset >= self.size:
            return b""
        found = os.pread(self.descriptor, min(size, self.size - offset), offset)
        while len(found) < min(size, self.size - offset) and (
            more := os.pread(self.descriptor, min(size, self.size - offset) - len(found), offset + len(found))
        ):
            found += more
        return found

    def blocks(self, offset: int = 0, size: int | None = None) -> Iterator[bytes]:
        """Yield the octets from ``offset`` on, all or ``size`` of them, in blocks."""
        end = self.size if size is None else min(self.size, offset + size)
        while offset < end and (block := self.read(offset, min(BLOCK_BYTES, end - offset))):
            yield block
            offset += len(block)

    def file(self) -> BinaryIO:
        """Return a file of its own position for libraries that want one; closing it closes nothing else."""
        return io.BufferedReader(_File(self), BLOCK_BYTES)

    def mapped(self) -> mmap.mmap | bytes:
        """Return all octets for ``find`` and slices, mapped rather than read; ``bytes`` when there are none."""
        if not self.size:
            return b""
        return mmap.mmap(self.descriptor, self.size, access=mmap.ACCESS_READ)


@dataclass(frozen=True, slots=True)
class Child:
    """Something that stands inside."""

    names: tuple[str, ...] = ()
    """Every name that the container gives it, full path included."""
    blocks: Iterable[bytes] | None = None
    """Its octets, taken once and perhaps not to the end; None where they cannot be read."""
    size: int | None = None
    """As declared; None when unknown. What really came out counts more."""
    flags: frozenset[Flag] = frozenset()
    detail: str = ""
    """Why it is flagged, short."""
    is_hidden: bool = False
    """clamd does not reach these octets in the whole message: decrypted, carved, an odd encoding."""


@dataclass(frozen=True, slots=True)
class Note:
    """News on the thing itself. Best yielded before its first child."""

    flags: frozenset[Flag] = frozenset()
    detail: str = ""
    """Why it is flagged, short."""
    kinds: tuple[str, ...] = ()
    """Short names that its octets did not show at once: ``docx``."""
    is_hiding: bool = False
    """clamd may not see what is inside: all children from here on are hidden."""


Find = Child | Note


class Look(Protocol):
    """Looks into one format."""

    def __call__(self, source: Source, quota: Quota, /) -> Iterator[Find]:
        """Yield what is found. Children's blocks are counted by ``examine``; what else is decoded is
        counted by ``quota.take(octets)``, and never more than ``quota.room`` is made at once."""
        ...


class _File(io.RawIOBase):
    """A source as a file: read-only, seekable."""

    def __init__(self, source: Source) -> None:
        super().__init__()
        self._source = source
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._source.size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: "memoryview | bytearray", /) -> int:  # type: ignore[override]
        found = self._source.read(self._position, len(buffer))
        buffer[: len(found)] = found
        self._position += len(found)
        return len(found)
