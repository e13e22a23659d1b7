# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells of a PDF that there is nothing in it to look for: one in two in real mail, spared a sealed child.

All its objects stand in the open, for it has no object streams and is not encrypted, and no name in it is one that
``document.pdf`` asks about, in whatever way it may be written. This is a search for octets: nothing is parsed or
decoded, and whatever is not certain is looked into.

*Source:* ISO 32000-1 sections 7.3.5 (names and their escapes), 7.5.4 to 7.5.7 (trailer, object and reference streams).
*Errors:* none.
"""

import re
from collections.abc import Iterable

_BEGINNING = b"%PDF-1."
_SHORT = rb"(?:JS|EF|AA)(?=[\0\t\n\v\f\r ()<>\[\]{}/%]|\Z)"
_LONG = rb"JavaScript|OpenAction|Launch|XFA|ObjStm|XRef|Encrypt"
# A name with an escaped letter may be any of these; chance makes one of them in fifty megabytes.
_ESCAPED = rb"[A-Za-z]{0,12}#[4-7][0-9A-Fa-f]"
_TELLING = re.compile(b"/(?:" + b"|".join((_SHORT, _LONG, _ESCAPED)) + b")")
_ENDING = re.compile(rb"\btrailer\b.*\bstartxref\s+[0-9]{1,12}\s+%%EOF\s*\Z", re.DOTALL)
_END_BYTES = 2048
_OVERLAP = 32
"""More than the longest thing that is looked for."""


def is_plain(blocks: Iterable[bytes]) -> bool:
    """Return whether a PDF has no files, scripts and actions in it, for certain. ``blocks`` are all its octets."""
    end = b""
    for block in blocks:
        if not end and not block.startswith(_BEGINNING):
            return False
        if _TELLING.search(end[-_OVERLAP:] + block if end else block):
            return False
        end = (end + block)[-_END_BYTES:] if len(block) < _END_BYTES else block[-_END_BYTES:]
    return _ENDING.search(end) is not None
