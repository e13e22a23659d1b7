# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the list of MAPI properties that a TNEF attachment carries.

*Source:* MS-OXTNEF section 2.2; MS-OXCDATA section 2.11.1 (types).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

_FIXED = {1: 0, 2: 4, 3: 4, 4: 4, 5: 8, 6: 8, 7: 8, 10: 4, 11: 4, 20: 8, 64: 8, 72: 16}
_TEXT, _WIDE_TEXT, _OBJECT, _BINARY = 0x1E, 0x1F, 0x0D, 0x102
_VARIABLE = frozenset({_TEXT, _WIDE_TEXT, _OBJECT, _BINARY, 0xFB, 0xFD, 0xFE})
_MULTIPLE = 0x1000
_MAX_VALUES = 10_000


@dataclass(frozen=True, slots=True)
class Property:
    """One property; numbers and dates come without values."""

    tag: int
    kind: int
    values: list[bytes]

    @property
    def is_text(self) -> bool:
        return self.kind in (_TEXT, _WIDE_TEXT)

    @property
    def is_wide(self) -> bool:
        return self.kind == _WIDE_TEXT


def properties(octets: bytes) -> Iterator[Property]:
    """Yield the properties up to the first that makes no sense. Never raises."""
    if len(octets) < 4:
        return
    position, left = 4, min(struct.unpack_from("<I", octets)[0], len(octets) // 4)
    try:
        for _ in range(left):
            kind, tag = struct.unpack_from("<HH", octets, position)
            position += 4
            if tag >= 0x8000:
                position = _after_name(octets, position)
            values, position = _values(octets, position, kind)
            yield Property(tag, kind & 0xFFF, values)
    except (struct.error, ValueError):
        return


def _after_name(octets: bytes, position: int) -> int:
    """Return where a named property's own octets begin: behind GUID, kind, and number or name."""
    (kind, number) = struct.unpack_from("<II", octets, position + 16)
    return position + 24 + (_padded(number) if kind else 0)


def _values(octets: bytes, position: int, kind: int) -> tuple[list[bytes], int]:
    basic = kind & 0xFFF
    count = 1
    if kind & _MULTIPLE or basic in _VARIABLE:
        count = struct.unpack_from("<I", octets, position)[0]
        position += 4
    if count > _MAX_VALUES:
        raise ValueError("too many values")
    if basic in _FIXED:
        return [], position + _padded(_FIXED[basic] * count)
    if basic not in _VARIABLE:
        raise ValueError("unknown type")
    values = []
    for _ in range(count):
        length = struct.unpack_from("<I", octets, position)[0]
        values.append(octets[position + 4 : position + 4 + length])
        position += 4 + _padded(length)
    return values, position


def _padded(length: int) -> int:
    return length + -length % 4
