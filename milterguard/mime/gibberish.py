# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells base64 from words: what follows a padded attachment is more of it, or a mailing list's footer."""

import re

from milterguard.mime.decoding import slices
from milterguard.mime.octets import Octets

LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
FOLDED = bytes(octet & 127 for octet in range(256))
"""Takes the high bit away, as decoders do that look at seven bits."""
_OTHERS = bytes(set(range(256)) - set(LETTERS))

_ODD_PAIR = re.compile(rb"[0-9][A-Za-z]|[A-Za-z][0-9]|[a-z][A-Z](?=[A-Z])|[A-Z][a-z](?=[A-Z])")
_KINDS = bytes.maketrans(LETTERS, b"A" * 26 + b"a" * 26 + b"0" * 10 + b"++")
_ODD_KINDS = (b"0a", b"0A", b"a0", b"A0", b"aAA")
_ODD_KIND_OVERLAPPING = b"AaA"
_PURE_LINE = re.compile(rb"(?m)^[ \t]*+((?:[A-Za-z0-9+/]{4}){2,}+[A-Za-z0-9+/=]{0,3}+)[ \t]*+\r?$")

# In base64 of anything four pairs of ten are odd, in prose (capitalised headlines, addresses of web pages)
# one of twenty.
_ODD_PAIRS = 5
_WITHIN = 24
_PIECE = 65_536
# No prose behind an attachment has so many odd pairs, however far they are from one another.
_MOST_ODD_PAIRS = 50_000


def looks_encoded(octets: Octets, start: int, end: int) -> bool:
    """Tell whether base64 stands anywhere in a range, junk between its letters or not."""
    before = b""
    seen = 0
    for block in slices(octets, start, end, size=_PIECE):
        letters = before + block.translate(None, _OTHERS)
        found = [match.start() for match in _ODD_PAIR.finditer(letters)] if _has_some(letters) else []
        seen += len(found)
        if seen > _MOST_ODD_PAIRS or _is_dense(found) or _has_pure_line(block):
            return True
        before = letters[-_WITHIN:]
    return False


def _has_some(letters: bytes) -> bool:
    """Tell whether there are odd pairs enough to look at each."""
    return _at_most_odd(letters) >= _ODD_PAIRS


def is_mostly_odd(letters: bytes, *, one_in: int) -> bool:
    """Tell whether of so many letters more than one begins a pair of neighbours such as words do not have."""
    least = len(letters) / one_in
    return _at_most_odd(letters) > least and len(_ODD_PAIR.findall(letters)) > least


def _at_most_odd(letters: bytes) -> int:
    """Return a bound for the number of odd pairs, which costs a tenth of their number."""
    kinds = letters.translate(_KINDS)
    # bytes.count() passes over the second of two that share a letter.
    return sum(map(kinds.count, _ODD_KINDS)) + 2 * kinds.count(_ODD_KIND_OVERLAPPING)


def _is_dense(found: list[int]) -> bool:
    pairs = zip(found, found[_ODD_PAIRS - 1 :], strict=False)
    return any(last - first <= _WITHIN for first, last in pairs)


def _has_pure_line(block: bytes) -> bool:
    folded = block if block.isascii() else block.translate(FOLDED)
    return any(_ODD_PAIR.search(match[1]) for match in _PURE_LINE.finditer(folded))
