# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads compound files: the small file systems that .doc, .xls, .ppt, .msg and .msi are.

Own code, because olefile reads a stream as long as its declared size is, round and round a looping
chain, and walks the directory by recursion. Here a chain ends after as many sectors as the file
has, streams come in blocks, and entries that hang on no tree are told as well.

*Source:* MS-CFB sections 2.2 to 2.6.

*Errors:* Undecodable from the constructor; damage further inside shortens what comes out.
"""

import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass

from milterguard.unpack.source import Source, Undecodable

MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
STORAGE, STREAM, ROOT = 1, 2, 5
_END = 0xFFFFFFFA
"""The first sector number that is none: they mean free, end of chain, FAT …"""
_NONE = 0xFFFFFFFF
_MAX_ENTRIES = 20_000
_ENTRY_BYTES = 128
_HEADER_DIFAT = 109


@dataclass(frozen=True, slots=True)
class Entry:
    """A storage or a stream."""

    path: tuple[str, ...]
    """Names from the root's child on; the root has none."""
    kind: int
    start: int
    size: int
    class_id: bytes

    @property
    def name(self) -> str:
        return self.path[-1] if self.path else ""


class Compound:
    """One compound file."""

    def __init__(self, source: Source) -> None:
        """Reads header, allocation tables and directory. Raises Undecodable."""
        self._source = source
        header = source.read(0, 512)
        if len(header) < 512 or not header.startswith(MAGIC):
            raise Undecodable("no compound file")
        version, _order, shift, mini_shift = struct.unpack_from("<4H", header, 26)
        self._sector_bytes = 4096 if version == 4 or shift == 12 else 512
        self._mini_bytes = 1 << mini_shift if 4 <= mini_shift <= 9 else 64
        directory, self._cutoff, mini_fat = (struct.unpack_from("<I", header, at)[0] for at in (48, 56, 60))
        self._sectors = source.size // self._sector_bytes + 1
        self._fat = self._table(self._fat_sectors(header))
        self._mini_fat = self._table(self._chain(mini_fat))
        self._mini_sectors = array("L")
        self.entries = self._read_directory(directory)

    @property
    def class_id(self) -> bytes:
        """Of the root: which program the file is for."""
        return next((entry.class_id for entry in self.entries if entry.kind == ROOT), bytes(16))

    def streams(self) -> Iterator[Entry]:
        return (entry for entry in self.entries if entry.kind == STREAM)

    def find(self, *path: str) -> Entry | None:
        """Return the entry of that path, letter case aside."""
        wanted = tuple(name.lower() for name in path)
        return next((each for each in self.entries if tuple(map(str.lower, each.path)) == wanted), None)

    def read(self, entry: Entry, limit: int) -> bytes:
        """Return the first ``limit`` octets of a stream at most."""
        found = bytearray()
        for block in self.blocks(entry):
            found += block
            if len(found) >= limit:
                break
        return bytes(found[:limit])

    def blocks(self, entry: Entry) -> Iterator[bytes]:
        """Yield the octets of a stream: as many as declared, or as there are."""
        left = entry.size
        for offset, size in self._runs(entry):
            for block in self._source.blocks(offset, min(size, left)):
                left -= len(block)
                yield block
            if left <= 0:
                return

    def _runs(self, entry: Entry) -> Iterator[tuple[int, int]]:
        """Yield where the octets lie, neighbouring sectors together."""
        is_small = entry.size < self._cutoff and entry.kind == STREAM
        width = self._mini_bytes if is_small else self._sector_bytes
        begin = end = -1
        for sector in self._mini_chain(entry.start) if is_small else self._chain(entry.start):
            at = self._mini_offset(sector) if is_small else (sector + 1) * width
            if at < 0:
                break
            if at != end:
                if begin >= 0:
                    yield begin, end - begin
                begin = at
            end = at + width
        if begin >= 0:
            yield begin, end - begin

    def _mini_offset(self, sector: int) -> int:
        per_sector = self._sector_bytes // self._mini_bytes
        index, inside = divmod(sector, per_sector)
        if index >= len(self._mini_sectors):
            return -1
        return (self._mini_sectors[index] + 1) * self._sector_bytes + inside * self._mini_bytes

    def _chain(self, sector: int) -> Iterator[int]:
        return _follow(self._fat, sector, self._sectors)

    def _mini_chain(self, sector: int) -> Iterator[int]:
        return _follow(self._mini_fat, sector, len(self._mini_fat))

    def _fat_sectors(self, header: bytes) -> Iterator[int]:
        """Yield the sectors of the allocation table, those that the header has no room for too."""
        yield from struct.unpack_from(f"<{_HEADER_DIFAT}I", header, 76)
        sector, seen = struct.unpack_from("<I", header, 68)[0], 0
        numbers = self._sector_bytes // 4
        while sector < self._sectors and seen < self._sectors // numbers + 1:
            block = self._source.read((sector + 1) * self._sector_bytes, self._sector_bytes)
            if len(block) < self._sector_bytes:
                return
            *listed, sector = struct.unpack(f"<{numbers}I", block)
            yield from listed
            seen += 1

    def _table(self, sectors: Iterator[int]) -> "array[int]":
        """Return the numbers in these sectors; never more than the file can have sectors of either size."""
        table = array("I")
        most = self._sectors * self._sector_bytes // self._mini_bytes + self._sector_bytes
        for sector in sectors:
            if sector >= _END or len(table) > most:
                continue
            block = self._source.read((sector + 1) * self._sector_bytes, self._sector_bytes)
            table.frombytes(block.ljust(self._sector_bytes, b"\xff"))
        return table

    def _read_directory(self, start: int) -> tuple[Entry, ...]:
        raw: list[bytes] = []
        for sector in self._chain(start):
            block = self._source.read((sector + 1) * self._sector_bytes, self._sector_bytes)
            raw += [block[at : at + _ENTRY_BYTES] for at in range(0, len(block) - _ENTRY_BYTES + 1, _ENTRY_BYTES)]
            if len(raw) > _MAX_ENTRIES:
                raise Undecodable("too many directory entries")
        if not raw:
            raise Undecodable("no directory")
        paths = _paths(raw)
        entries = tuple(_entry(each, paths.get(index, (_name(each),))) for index, each in enumerate(raw) if each[66])
        if root := next((each for each in entries if each.kind == ROOT), None):
            self._mini_sectors.extend(self._chain(root.start))
        return entries


def _follow(table: "array[int]", sector: int, at_most: int) -> Iterator[int]:
    for _ in range(at_most):
        if sector >= _END or sector >= len(table):
            return
        yield sector
        sector = table[sector]


def _name(raw: bytes) -> str:
    length = min(max(struct.unpack_from("<H", raw, 64)[0] - 2, 0), 62)
    return raw[: length & ~1].decode("utf-16-le", "replace")


def _entry(raw: bytes, path: tuple[str, ...]) -> Entry:
    # Section 2.6.3: in version 3 files the upper half of the size may be rubbish.
    start, size = struct.unpack_from("<II", raw, 116)
    return Entry(() if raw[66] == ROOT else path, raw[66], start, size, raw[80:96])


def _paths(raw: list[bytes]) -> dict[int, tuple[str, ...]]:
    """Return the paths of all entries that can be reached from the first, each once."""
    paths: dict[int, tuple[str, ...]] = {0: ()}
    waiting: list[tuple[int, tuple[str, ...]]] = [(struct.unpack_from("<I", raw[0], 76)[0], ())]
    while waiting:
        index, folder = waiting.pop()
        if index == _NONE or index >= len(raw) or index in paths:
            continue
        left, right, child = struct.unpack_from("<III", raw[index], 68)
        paths[index] = (*folder, _name(raw[index]))[-16:]
        waiting += [(left, folder), (right, folder), (child, paths[index])]
    return paths
