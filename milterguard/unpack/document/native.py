# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes the file out of an OLE package, with the names under which programs offer it.

*Source:* MS-OLEDS section 2.3.6 (Ole10Native); the layout inside as Windows' packager writes it.
"""

import struct

from milterguard.unpack.source import Child

_LONGEST_NAME = 1024
_WIDE_NAMES = 3


def package(stream: bytes) -> Child:
    """Return the file of an ``Ole10Native`` stream; all of it where it is not laid out as a package."""
    return packed(stream[4:]) or Child(blocks=(stream[4:],))


def packed(content: bytes) -> Child | None:
    """Return the file of a package without the size in front; None where it is none."""
    if content[:2] != b"\x02\x00":
        return None
    names, position = [], 2
    for _ in range(2):
        end = content.find(b"\0", position, position + _LONGEST_NAME)
        if end < 0:
            return None
        names.append(content[position:end])
        position = end + 1
    if position + 8 > len(content):
        return None
    length = struct.unpack_from("<I", content, position + 4)[0]
    position += 8
    if length > _LONGEST_NAME or position + length + 4 > len(content):
        return None
    names.append(content[position : position + length].rstrip(b"\0"))
    position += length
    size = struct.unpack_from("<I", content, position)[0]
    position += 4
    wide = _wide_names(content, position + size)
    readable = [*(name.decode("cp1252", "replace") for name in names), *wide]
    return Child(tuple(dict.fromkeys(filter(None, readable))), (content[position : position + size],), size)


def _wide_names(content: bytes, position: int) -> list[str]:
    """Return the names in UTF-16 that newer versions add behind the file: path, label, file name."""
    found = []
    for _ in range(_WIDE_NAMES):
        length = int.from_bytes(content[position : position + 4], "little") * 2
        if not 0 < length <= 2 * _LONGEST_NAME or position + 4 + length > len(content):
            break
        found.append(content[position + 4 : position + 4 + length].decode("utf-16-le", "replace").rstrip("\0"))
        position += 4 + length
    return found
