# SPDX-License-Identifier: GPL-3.0-or-later
"""The records of a zip as they stand in the file: end records, directory entries, local headers.

*Source:* PKWARE APPNOTE 6.3.10, sections 4.3 to 4.6.

*Errors:* none; what is no record is None, and a directory ends at the first thing that is no entry.
"""

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from struct import Struct

END, END64, LOCATOR64 = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
CENTRAL, LOCAL = b"PK\x01\x02", b"PK\x03\x04"
ENCRYPTED_BIT, DESCRIPTOR_BIT = 0x0001, 0x0008
NO_32 = 0xFFFFFFFF
USUAL_BITS = 0x080F
"""Encrypted, how hard it was compressed, a descriptor, a name in UTF-8. APPNOTE 4.4.4."""

_END = Struct("<4s4H2LH")
_END64 = Struct("<4sQ2H2L4Q")
_CENTRAL = Struct("<4s6H3L5H2L")
_LOCAL = Struct("<4s5H3L2H")
_UNICODE_PATH = 0x7075
_MOST_NAMES = 16
_AES = 0x9901

Octets = mmap.mmap | bytes


@dataclass(frozen=True, slots=True)
class End:
    """The end record, the numbers of the 64-bit one in place where it has them."""

    position: int
    stop: int
    """Where the record and its comment end."""
    disks: int
    entries: int
    directory_size: int
    directory_offset: int
    directory_stop: int
    """Where the directory ends if it stands right before the end records."""
    is_wide: bool = False
    """There is an end record of 64 bits as well."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a directory entry or a local header says of a member."""

    name: bytes
    bits: int
    method: int
    crc: int
    packed_size: int
    size: int
    offset: int
    """Of the local header as the directory has it; where it stands, for a local header."""
    data: int
    """Where the octets begin, for a local header; 0 in the directory."""
    unicode_names: tuple[bytes, ...] = ()
    """Of extra fields; there should be one, and programs differ in which of several they take."""
    mode: int = 0
    """Unix mode, where the entry was made on Unix."""
    is_wide: bool = False
    """Its numbers stand in an extra field of 64 bits."""

    @property
    def is_encrypted(self) -> bool:
        return bool(self.bits & ENCRYPTED_BIT)


def end_at(octets: Octets, position: int) -> End | None:
    """Return the end record that stands there."""
    block = octets[position : position + _END.size]
    if position < 0 or len(block) < _END.size or block[:4] != END:
        return None
    _, disk, directory_disk, _, entries, size, offset, comment = _END.unpack(block)
    stop = position
    start64 = octets.rfind(END64, max(0, position - 4096), position)
    if octets[position - 20 : position - 16] == LOCATOR64 and start64 >= 0:
        block64 = octets[start64 : start64 + _END64.size]
        if len(block64) == _END64.size:
            *_, count64, size64, offset64 = _END64.unpack(block64)
            entries = count64 if entries == 0xFFFF else entries
            size = size64 if size == NO_32 else size
            offset = offset64 if offset == NO_32 else offset
            stop = start64
    disks = max(disk, directory_disk)
    disks = 0 if disks == 0xFFFF else disks
    is_wide = stop < position
    return End(position, position + _END.size + comment, disks, entries, size, offset, stop, is_wide)


def directory(octets: Octets, start: int, stop: int) -> Iterator[Header]:
    """Yield the entries that stand one behind the other from ``start`` on."""
    while start >= 0 and start + _CENTRAL.size <= stop:
        block = octets[start : start + _CENTRAL.size]
        if block[:4] != CENTRAL:
            return
        fields = _CENTRAL.unpack(block)
        bits, method, crc, packed, size = fields[3], fields[4], fields[7], fields[8], fields[9]
        name_size, extra_size, comment_size = fields[10:13]
        made_by, attributes, offset = fields[1], fields[15], fields[16]
        name_start = start + _CENTRAL.size
        name = octets[name_start : name_start + name_size]
        extra = octets[name_start + name_size : name_start + name_size + extra_size] if extra_size else b""
        is_wide = NO_32 in (size, packed, offset)
        if extra:
            size, packed, offset = _wide(extra, (size, packed, offset))
        yield Header(
            name,
            bits,
            _method(method, extra),
            crc,
            packed,
            size,
            offset,
            0,
            _unicode_names(extra),
            attributes >> 16 if made_by >> 8 == 3 else 0,
            is_wide,
        )
        start = name_start + name_size + extra_size + comment_size


def local_at(octets: Octets, position: int) -> Header | None:
    """Return the local header that stands there."""
    block = octets[position : position + _LOCAL.size] if position >= 0 else b""
    if len(block) < _LOCAL.size or block[:4] != LOCAL:
        return None
    _, _, bits, method, _, _, crc, packed, size, name_size, extra_size = _LOCAL.unpack(block)
    start = position + _LOCAL.size
    name = octets[start : start + name_size]
    extra = octets[start + name_size : start + name_size + extra_size] if extra_size else b""
    is_wide = NO_32 in (size, packed)
    if extra:
        size, packed, _ = _wide(extra, (size, packed, 0))
    data = start + name_size + extra_size
    if len(name) < name_size or data > len(octets):
        return None
    unicode_names = _unicode_names(extra)
    method = _method(method, extra)
    return Header(name, bits, method, crc, packed, size, position, data, unicode_names, is_wide=is_wide)


def _extras(extra: bytes) -> Iterator[tuple[int, bytes]]:
    start = 0
    while start + 4 <= len(extra):
        size = int.from_bytes(extra[start + 2 : start + 4], "little")
        yield int.from_bytes(extra[start : start + 2], "little"), extra[start + 4 : start + 4 + size]
        start += 4 + size


def _wide(extra: bytes, numbers: tuple[int, int, int]) -> tuple[int, int, int]:
    """Put the 64-bit numbers in for those that 32 bits cannot tell. APPNOTE 4.5.3."""
    if NO_32 not in numbers:
        return numbers
    field = next((octets for kind, octets in _extras(extra) if kind == 1), b"")
    found: list[int] = []
    for number in numbers:
        if number == NO_32 and len(field) >= 8:
            number, field = int.from_bytes(field[:8], "little"), field[8:]
        found.append(number)
    return found[0], found[1], found[2]


def _unicode_names(extra: bytes) -> tuple[bytes, ...]:
    if not extra:
        return ()
    found = (octets[5:] for kind, octets in _extras(extra) if kind == _UNICODE_PATH)
    return tuple(islice(dict.fromkeys(filter(None, found)), _MOST_NAMES))


def _method(method: int, extra: bytes) -> int:
    """The method below AES encryption stands in a field of its own (WinZip AE-1, AE-2)."""
    if method != 99:
        return method
    field = next((octets for kind, octets in _extras(extra) if kind == _AES), b"")
    return int.from_bytes(field[5:7], "little") if len(field) >= 7 else method
