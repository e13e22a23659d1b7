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
# Possessive and with nothing behind it, so that each letter is looked at once.
_TEXT = re.compile(rb"(?:[^\x00-\x1f\"*/:<>?\\|\x7f]\x00){3,}+")
_NAME = re.compile(r".{1,120}\.[0-9A-Za-z]{1,8}")
_LONGEST_NAME = 300
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
    texts = (match[0] for match in _TEXT.finditer(octets[:_MAX_NAMED_BYTES]) if len(match[0]) <= _LONGEST_NAME)
    found = dict.fromkeys(text.decode("utf-16-le", "replace") for text in texts)
    names = tuple(name for name in found if _NAME.fullmatch(name))
    return names if len(names) <= _MAX_NAMES else ()
