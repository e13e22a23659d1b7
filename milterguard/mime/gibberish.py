# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells base64 from words: what follows a padded attachment is more of it, or a mailing list's footer."""

import re

from milterguard.mime.decoding import slices
from milterguard.mime.octets import Octets

LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_OTHERS = bytes(set(range(256)) - set(LETTERS))

_ODD_PAIR = re.compile(rb"[0-9][A-Za-z]|[A-Za-z][0-9]|[a-z][A-Z](?=[A-Z])|[A-Z][a-z](?=[A-Z])")
_PURE_LINE = re.compile(rb"(?m)^[ \t]*+((?:[A-Za-z0-9+/]{4}){2,}+[A-Za-z0-9+/=]{0,3}+)[ \t]*+\r?$")

# In base64 of anything four pairs of ten are odd, in prose (capitalised headlines, addresses of web pages)
# one of twenty.
_ODD_PAIRS = 5
_WITHIN = 24
_PIECE = 65_536


def looks_encoded(octets: Octets, start: int, end: int) -> bool:
    """Tell whether base64 stands anywhere in a range, junk between its letters or not."""
    before = b""
    for block in slices(octets, start, end, size=_PIECE):
        letters = before + block.translate(None, _OTHERS)
        if _is_dense(letters) or _has_pure_line(block):
            return True
        before = letters[-_WITHIN:]
    return False


def _is_dense(letters: bytes) -> bool:
    found = [match.start() for match in _ODD_PAIR.finditer(letters)]
    pairs = zip(found, found[_ODD_PAIRS - 1 :], strict=False)
    return any(last - first <= _WITHIN for first, last in pairs)


def _has_pure_line(block: bytes) -> bool:
    return any(_ODD_PAIR.search(match[1]) for match in _PURE_LINE.finditer(block))
