# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells whether a compound file carries VBA, and whether that starts itself.

The words that start a macro are those of oletools, but for the ones that need somebody's hand: a
button that may be clicked is in half of all forms. Its search costs over a second per MiB; here the
text is cut into words, which are looked up.

*Source:* MS-OVBA section 2.4.1 (compression), 2.3.4 (where the streams are).
"""

import re
from collections.abc import Iterator

from oletools.olevba import AUTOEXEC_KEYWORDS, AUTOEXEC_KEYWORDS_REGEX, decompress_stream

from milterguard.core.part import Flag
from milterguard.unpack.document.compound import Compound, Entry
from milterguard.unpack.quota import Quota

_SOURCE = b"\x00Attribut"
"""How compressed source begins: eight literals, the first words of ``Attribute VB_Name``."""
_BEFORE_SOURCE = 3
_CHUNK_BYTES = 4096
_MAX_STREAM_BYTES = 8 << 20
_MAX_TEXT_BYTES = 16 << 20
_BY_HAND = ("_click", "_change", "_mousehover", "_mousemove", "_mouseenter", "_mouseleave", "_followhyperlink")
_STARTERS = frozenset(word.lower().encode() for words in AUTOEXEC_KEYWORDS.values() for word in words)
_ENDINGS = tuple(
    word.removeprefix(r"\w+").lower().encode()
    for words in AUTOEXEC_KEYWORDS_REGEX.values()
    for word in words
    if not word.lower().endswith(_BY_HAND)
)
_WORD = re.compile(rb"[a-z_][a-z0-9_]{3,80}")
MACRO = frozenset({Flag.MACRO})
AUTOEXEC = frozenset({Flag.MACRO, Flag.AUTOEXEC})


def vba_in(compound: Compound, quota: Quota) -> frozenset[Flag]:
    """Return MACRO where there is a project, AUTOEXEC with it when it starts itself. May raise OverLimits."""
    found: frozenset[Flag] = frozenset()
    for entry in compound.streams():
        if not _may_be_vba(compound, entry):
            continue
        found |= MACRO
        raw = compound.read(entry, _MAX_STREAM_BYTES)
        # The names used stand in the clear in _VBA_PROJECT, even where the source was taken out.
        if entry.name.lower() == "_vba_project" and starts_itself(raw):
            return AUTOEXEC
        for text in _sources(raw, quota):
            if starts_itself(text):
                return AUTOEXEC
    return found


def starts_itself(text: bytes) -> bool:
    """Tell whether one of its words makes a macro run without anybody's doing."""
    words = set(_WORD.findall(text.lower()))
    return not words.isdisjoint(_STARTERS) or any(word.endswith(_ENDINGS) for word in words)


def _may_be_vba(compound: Compound, entry: Entry) -> bool:
    folders = [name.lower() for name in entry.path[:-1]]
    if entry.name.lower() == "_vba_project" or "vba" in folders:
        return True
    return _SOURCE in compound.read(entry, 65536) if entry.size and folders else False


def _sources(raw: bytes, quota: Quota) -> Iterator[bytes]:
    """Yield what source there is in a module's stream; its offset stands elsewhere, and may be wrong there."""
    position = raw.find(_SOURCE)
    while position >= _BEFORE_SOURCE:
        text = decompressed(raw[position - _BEFORE_SOURCE :])
        quota.take(len(text))
        yield text
        position = raw.find(_SOURCE, position + max(len(_SOURCE), _CHUNK_BYTES if len(text) > _CHUNK_BYTES else 1))


def decompressed(container: bytes) -> bytes:
    """Return what a compressed container holds, as far as it is sound; at most 16 MiB."""
    found = bytearray()
    position = 1
    while position + 2 < len(container) and len(found) < _MAX_TEXT_BYTES:
        header = int.from_bytes(container[position : position + 2], "little")
        if header & 0x7000 != 0x3000:
            break
        size = (header & 0x0FFF) + 3
        try:
            # One chunk at a time: the library sets no limit to what comes out.
            found += decompress_stream(bytearray(b"\x01" + container[position : position + size]))
        except Exception:  # noqa: BLE001  (of what it raises nothing is told)
            break
        position += size
    return bytes(found)
