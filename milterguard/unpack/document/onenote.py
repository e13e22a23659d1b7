# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes the files out of a OneNote section by the mark that stands before each of them.

*Source:* MS-ONESTORE section 2.6.13 (FileDataStoreObject); names as in MS-ONE section 2.3.27
(EmbeddedFileName), which are guessed: every text in UTF-16 that looks like a file name is one.
"""

import mmap
import re
import struct
from collections.abc import Iterator

from milterguard.core.part import Flag
from milterguard.mime.octets import Octets
from milterguard.unpack.quota import Quota
from milterguard.unpack.source import Child, Find, Note, Source

MARK = bytes.fromhex("e716e3bd65261145a4c48d4d0b7a9eac")
_HEAD_BYTES = 36
"""Mark, eight octets of length, twelve that are unused."""
_NAME = re.compile(rb"(?:[^\x00-\x1f\"*/:<>?\\|\x7f]\x00){1,120}\.\x00(?:[0-9A-Za-z]\x00){1,8}\x00\x00")
_MAX_NAMES = 16
_MAX_FILES = 10_000
_MAX_NAMED_BYTES = 16 << 20


def look(source: Source, _quota: Quota) -> Iterator[Find]:
    """Yield every embedded file. Which name is whose cannot be told cheaply: each gets them all, if few."""
    octets = source.mapped()
    try:
        names: tuple[str, ...] = ()
        position = octets.find(MARK)
        if position >= 0:
            yield Note(frozenset({Flag.EMBEDDED}))
            names = _names(octets)
        for _ in range(_MAX_FILES):
            if position < 0:
                return
            start, size = position + _HEAD_BYTES, _size(octets, position)
            yield Child(names, source.blocks(start, size), size)
            position = octets.find(MARK, start)
    finally:
        if isinstance(octets, mmap.mmap):
            octets.close()


def _size(octets: Octets, position: int) -> int:
    raw = octets[position + 16 : position + 24]
    return int(struct.unpack("<Q", raw)[0]) if len(raw) == 8 else 0


def _names(octets: Octets) -> tuple[str, ...]:
    """Return what looks like file names; none when there are so many that they say nothing."""
    sample = octets[:_MAX_NAMED_BYTES]
    found = dict.fromkeys(match[0][:-2].decode("utf-16-le", "replace") for match in _NAME.finditer(sample))
    return tuple(found) if len(found) <= _MAX_NAMES else ()
