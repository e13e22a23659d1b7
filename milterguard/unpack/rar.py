# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rar's first headers say about the whole: its list is encrypted, or it is one volume of several.

*Source:* RAR 4 technote and RAR 5.0 archive format (rarlab.com/technote.htm).
"""

from collections.abc import Iterator

from milterguard.core.part import Flag
from milterguard.unpack.source import Note, Source

_RAR4, _RAR5 = b"Rar!\x1a\x07\x00", b"Rar!\x1a\x07\x01\x00"
_SEARCH_BYTES = 1_048_576
_ENCRYPTION_HEADER, _MAIN_HEADER = 4, 1
_ENCRYPTED = Note(frozenset({Flag.ENCRYPTED}), "its list is encrypted")
_VOLUME = Note(frozenset({Flag.FRAGMENT, Flag.UNDECODABLE}), "one volume of several")


def notes(source: Source) -> Iterator[Note]:
    """Yield the news; none about what is no rar."""
    head = source.read(0, _SEARCH_BYTES)
    if (start := head.find(_RAR5)) >= 0:
        yield from _rar5(head[start + 8 : start + 64])
    elif (start := head.find(_RAR4)) >= 0:
        yield from _rar4(head[start + 7 : start + 20])


def _rar4(header: bytes) -> Iterator[Note]:
    if len(header) < 7 or header[2] != 0x73:
        return
    bits = int.from_bytes(header[3:5], "little")
    if bits & 0x80:
        yield _ENCRYPTED
    if bits & 0x01:
        yield _VOLUME


def _rar5(header: bytes) -> Iterator[Note]:
    numbers = _numbers(header[4:])
    if len(numbers) < 4:
        return
    _, kind, bits, *rest = numbers
    if kind == _ENCRYPTION_HEADER:
        yield _ENCRYPTED
    elif kind == _MAIN_HEADER and rest[1 if bits & 1 else 0 :][:1] and rest[1 if bits & 1 else 0] & 1:
        yield _VOLUME


def _numbers(octets: bytes) -> list[int]:
    """The first variable-length numbers: seven bits an octet, the lowest first."""
    found, number, shift = [], 0, 0
    for octet in octets:
        number |= (octet & 0x7F) << shift
        shift += 7
        if not octet & 0x80:
            found.append(number)
            number, shift = 0, 0
        if len(found) == 6 or shift > 63:
            break
    return found
