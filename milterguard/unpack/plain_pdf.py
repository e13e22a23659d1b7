# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells of a PDF that there is nothing in it to look for: one in two in real mail, spared a sealed child.

All its objects stand in the open, for nothing in it can be a stream of objects or of references, and it is not
encrypted; and no name in it is one that ``document.pdf`` asks about, in whatever way it may be written. The types of
such streams may be left out, and some programs read them all the same; what they cannot do without is asked for as
well. This is a search for octets: nothing is parsed or decoded, and whatever is not certain is looked into.

*Source:* ISO 32000-1 sections 7.3.5 (names and their escapes), 7.5.4 to 7.5.8 (trailer, object and reference streams).
*Errors:* none.
"""

import re
from collections.abc import Iterable

_BEGINNING = b"%PDF-1."
_DELIMITER = rb"(?=[\0\t\n\v\f\r ()<>\[\]{}/%])"
_SHORT = rb"(?:JS|EF|AA)" + _DELIMITER
_LONG = rb"JavaScript|OpenAction|Launch|XFA|ObjStm|XRef|Encrypt"
# A name with an escaped letter may be any of these; chance makes one of them in fifty megabytes.
_ESCAPED = rb"[A-Za-z]{0,12}#[4-7][0-9A-Fa-f]"
# Harmless each; where references stand in a stream there is W, where objects do there are N and First.
_PIECE = rb"(W|N|First)" + _DELIMITER
_PIECES = 3
_TELLING = re.compile(b"/(?:" + b"|".join((_SHORT, _LONG, _ESCAPED, _PIECE)) + b")")
_ENDING = re.compile(rb"\btrailer\b.*\bstartxref\s+[0-9]{1,12}\s+%%EOF\s*\Z", re.DOTALL)
_END_BYTES = 2048
_OVERLAP = 32
"""More than the longest thing that is looked for, with what ends it: after the last one stands the trailer."""


def is_plain(blocks: Iterable[bytes]) -> bool:
    """Return whether a PDF has no files, scripts and actions in it, for certain. ``blocks`` are all its octets."""
    end = b""
    pieces: set[bytes] = set()
    for block in blocks:
        if not end and not block.startswith(_BEGINNING):
            return False
        for found in _TELLING.finditer(end[-_OVERLAP:] + block if end else block):
            pieces.add(found[1] or b"")
            if b"" in pieces or len(pieces) == _PIECES:
                return False
        end = (end + block)[-_END_BYTES:] if len(block) < _END_BYTES else block[-_END_BYTES:]
    return _ENDING.search(end) is not None
