# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes the objects out of an old PowerPoint presentation, which has them in records of its own.

*Source:* MS-PPT sections 2.3.1 (RecordHeader), 2.10.34 (ExOleObjStg), 2.3.2 (CurrentUserAtom).
"""

import struct
from collections.abc import Iterator

from milterguard.unpack.document.flate import inflated
from milterguard.unpack.source import Child

_OBJECT = 0x1011
_CONTAINER = 0xF
_COMPRESSED = 1
_MAX_RECORDS = 500_000
_ENCRYPTED = 0xF3D1C4DF


def objects_in(document: bytes) -> Iterator[Child]:
    """Yield each embedded object, which is a compound file itself: an OLE object, or the VBA project."""
    position = 0
    for _ in range(_MAX_RECORDS):
        if position + 8 > len(document):
            return
        options, kind, size = struct.unpack_from("<HHI", document, position)
        if kind == _OBJECT:
            content = document[position + 8 : position + 8 + size]
            yield Child(blocks=inflated(content[4:]) if options >> 4 & 0xFFF == _COMPRESSED else (content,))
        position += 8 if options & 0xF == _CONTAINER else 8 + size


def is_encrypted(current_user: bytes) -> bool:
    """Tell by the stream ``Current User`` whether the presentation needs a password."""
    return len(current_user) >= 16 and struct.unpack_from("<I", current_user, 12)[0] == _ENCRYPTED
