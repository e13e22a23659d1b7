# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells whether a compound file carries VBA, and whether that starts itself.

The names that start a macro are those that oletools knows, and a few more, but not those that wait for
somebody's hand: a button that may be clicked is in half of all forms. The library itself is what the
tests compare with; it sets no limit to what comes out of a stream, and searches over a second per MiB.

*Source:* MS-OVBA sections 2.4.1 (compression), 2.3.4 (where the streams are).
"""

import re
from collections.abc import Iterator

from milterguard.core.part import Flag
from milterguard.unpack.document.compound import Compound, Entry
from milterguard.unpack.quota import Quota

_SOURCE = b"\x00Attribut"
"""How compressed source begins: eight literals, the first letters of ``Attribute VB_Name``."""
_BEFORE_SOURCE = 3
_MAX_STREAM_BYTES = 8 << 20
_MAX_TEXT_BYTES = 16 << 20
_CHUNK_BYTES = 4096
_STARTERS = frozenset(
    (
        *(b"autoexec", b"autoopen", b"autonew", b"autoclose", b"autoexit", b"auto_open", b"auto_close", b"auto_ope"),
        *(b"auto_activate", b"auto_deactivate", b"auto_add", b"auto_remove", b"auto_nav", b"auto_showslide"),
        *(b"document_open", b"document_opened", b"document_new", b"document_close", b"document_beforeclose"),
        *(
            b"document_contentcontrolonenter",
            b"documentopen",
            b"documentbeforeclose",
            b"documentchange",
            b"newdocument",
        ),
        *(b"workbook_open", b"workbook_activate", b"workbook_deactivate", b"workbook_close", b"workbook_beforeclose"),
        *(b"workbook_windowactivate", b"workbook_addininstall", b"worksheet_activate", b"worksheet_calculate"),
        *(b"onslideshowpagechange", b"slideshow_onnext", b"application_startup", b"newdocument"),
    )
)
"""In lower case. Word, Excel, PowerPoint, Publisher, Visio and Outlook call procedures of these names."""
_EVENTS = (
    *(b"_painted", b"_painting", b"_gotfocus", b"_lostfocus", b"_layout", b"_resize", b"_onconnecting"),
    *(b"_beforenavigate2", b"_navigatecomplete2", b"_navigateerror", b"_documentcomplete", b"_beforescriptexecute"),
    *(b"_downloadbegin", b"_downloadcomplete", b"_filedownload", b"_progresschange", b"_propertychange"),
    *(b"_setsecurelockicon", b"_statustextchange", b"_titlechange", b"_contentcontrolonenter"),
)
"""What happens to a control when it is shown."""
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
    return not words.isdisjoint(_STARTERS) or any(word.endswith(_EVENTS) for word in words)


def _may_be_vba(compound: Compound, entry: Entry) -> bool:
    folders = [name.lower() for name in entry.path[:-1]]
    if entry.name.lower() == "_vba_project" or "vba" in folders:
        return True
    return _SOURCE in compound.read(entry, 65536) if entry.size and folders else False


def _sources(raw: bytes, quota: Quota) -> Iterator[bytes]:
    """Yield what source there is in a module's stream; where it begins stands elsewhere, and may be wrong there."""
    position = raw.find(_SOURCE)
    while position >= 0:
        start = position - _BEFORE_SOURCE
        text, end = _decompressed(raw, start) if start >= 0 else (b"", position)
        quota.take(len(text))
        yield text
        position = raw.find(_SOURCE, max(end, position + len(_SOURCE)))


def decompressed(container: bytes) -> bytes:
    """Return what a compressed container holds, as far as it is sound; at most 16 MiB. Never raises."""
    return _decompressed(container, 0)[0]


def _decompressed(octets: bytes, start: int) -> tuple[bytes, int]:
    """Return what the container holds that begins at a place, and where it ends."""
    found = bytearray()
    position = start + 1
    while position + 2 < len(octets) and len(found) < _MAX_TEXT_BYTES:
        header = int.from_bytes(octets[position : position + 2], "little")
        if header & 0x7000 != 0x3000:
            break
        end = position + (header & 0x0FFF) + 3
        piece = octets[position + 2 : end]
        found += _chunk(piece) if header & 0x8000 else piece[:_CHUNK_BYTES]
        position = end
    return bytes(found), position


def _chunk(packed: bytes) -> bytearray:
    """Return what one chunk holds. Section 2.4.1.3.2: flags for eight tokens, each a letter or a copy."""
    found = bytearray()
    position = 0
    while position < len(packed) and len(found) < _CHUNK_BYTES:
        flags = packed[position]
        position += 1
        for bit in range(8):
            if not flags >> bit & 1:
                found += packed[position : position + 1]
                position += 1
                continue
            token = int.from_bytes(packed[position : position + 2], "little")
            position += 2
            # Section 2.4.1.3.19.1: the further along, the more bits say how far back the copy begins.
            bits = max((len(found) - 1).bit_length(), 4) if found else 4
            length = (token & (0xFFFF >> bits)) + 3
            back = (token >> (16 - bits)) + 1
            if back > len(found) or position > len(packed):
                return found
            piece = found[-back:]
            found += (piece * (length // back + 1))[:length]
    return found[:_CHUNK_BYTES]
