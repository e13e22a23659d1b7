# SPDX-License-Identifier: GPL-3.0-or-later
"""Members of an ARJ archive, which libarchive does not read.

The usual methods (1 to 3) are those of LHA's ``-lh7-`` with a smaller window: such a member is handed to
libarchive behind a header of that archive. Garbled members and method 4 are told and not opened.

*Source:* the ARJ technical note (``TECHNOTE.TXT`` of ARJ 2.x); LHA header level 0.

*Errors:* Undecodable.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct

from libarchive.exception import ArchiveError

from milterguard.core.part import Flag
from milterguard.unpack.archive import readings
from milterguard.unpack.libarchive_door import Reader, text_of
from milterguard.unpack.quota import OverLimits, Quota
from milterguard.unpack.source import Child, Find, Note, Source, Undecodable

_MAGIC = b"\x60\xea"
_FIXED = Struct("<8BL3L3H")
_GARBLED, _VOLUME = 0x01, 0x04
_DIRECTORY, _LABEL = 3, 4
_STORED, _EMPTY = 0, 8
_LIKE_LHA = frozenset({1, 2, 3})
_MAX_HEADER_BYTES = 2600
_SEARCH_BYTES = 65536


@dataclass(frozen=True, slots=True)
class _Header:
    bits: int
    method: int
    kind: int
    packed_size: int
    size: int
    name: bytes
    data: int
    """Where the octets begin."""


def look(source: Source, quota: Quota) -> Iterator[Find]:
    """Yield the members."""
    header = _header(source, 0)
    if header is None:
        raise Undecodable("broken header")
    if header.bits & _VOLUME:
        yield Note(frozenset({Flag.FRAGMENT}), "one volume of several")
    position = header.data
    while (header := _header(source, position)) is not None:
        if header.bits & _GARBLED:
            yield Note(frozenset({Flag.ENCRYPTED}), "encrypted")
        yield _child(source, header, quota)
        position = header.data + header.packed_size
    if source.read(position, 4) != _MAGIC + b"\0\0":
        raise Undecodable("it ends too soon")


def _header(source: Source, position: int) -> _Header | None:
    """The header there; None at the end, and where there is none."""
    start = source.read(position, 4)
    size = int.from_bytes(start[2:4], "little")
    if start[:2] != _MAGIC or not _FIXED.size <= size <= _MAX_HEADER_BYTES:
        return None
    body = source.read(position + 4, size)
    if len(body) < size:
        return None
    first, _, _, _, bits, method, kind, _, _, packed, unpacked, *_ = _FIXED.unpack_from(body)
    data = position + 4 + size + 4
    while more := int.from_bytes(source.read(data, 2), "little"):
        data += 2 + more + 4
    is_main = position == 0
    return _Header(bits, method, kind, 0 if is_main else packed, unpacked, body[first:].partition(b"\0")[0], data + 2)


def _child(source: Source, header: _Header, quota: Quota) -> Child:
    flags: set[Flag] = set()
    blocks, detail = None, ""
    if header.kind in (_DIRECTORY, _LABEL):
        flags.add(Flag.DIRECTORY)
    elif header.bits & _GARBLED:
        flags.add(Flag.ENCRYPTED)
        detail = "encrypted"
    elif header.method == _STORED:
        blocks = source.blocks(header.data, header.packed_size)
    elif header.method in _LIKE_LHA:
        blocks = _unpacked(source, header, quota)
    elif header.method != _EMPTY:
        flags.add(Flag.UNDECODABLE)
        detail = "a method that is not opened here"
    return Child(readings(header.name, is_zip=True), blocks, header.size, frozenset(flags), detail)


def _unpacked(source: Source, header: _Header, quota: Quota) -> Iterator[bytes]:
    """The octets of a compressed member, by way of an LHA archive that is made for it."""
    if header.packed_size > quota.room:
        raise OverLimits("a member is larger than the limit")
    archive = bytearray(_lha_header(header) + source.read(header.data, header.packed_size) + b"\0")
    with Reader(archive, formats=("lha",), filters=()) as reader:
        try:
            reader.open()
            reader.next()
            yield from reader.blocks()
        except ArchiveError as error:
            raise Undecodable(text_of(error)) from error


def _lha_header(header: _Header) -> bytes:
    """Level 0, without the checksum of the octets, which would be another one than ARJ's."""
    name = b"member"
    body = b"-lh7-" + header.packed_size.to_bytes(4, "little") + header.size.to_bytes(4, "little")
    body += bytes(4) + b"\x20\x00" + bytes([len(name)]) + name
    return bytes([len(body), sum(body) & 0xFF]) + body
