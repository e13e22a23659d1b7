# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells which encoding octets seem to be in, where the field that should say so is missing or misspelled.

A guess costs no more than a scan of the decoded octets: it is generous.
"""

import re

from milterguard.mime.gibberish import FOLDED, LETTERS, is_mostly_odd
from milterguard.mime.octets import Octets

_SAMPLE = 4096
_NOT_LETTERS = bytes(set(range(256)) - set(LETTERS))
_BLANKS_AND_PADDING = b" \t\r\n=\0"
_FEWEST_LETTERS = 24
# In base64 four pairs of ten are odd, of a program full of zeros two of ten; in prose one of twenty.
_LETTERS_TO_ODD = 8
# In prose every sixth octet is a blank.
_OCTETS_TO_BLANK = 7
_ARMOUR = b"-----BEGIN PGP "
_ESCAPE = re.compile(rb"=[0-9A-Fa-f]{2}")
_FEWEST_ESCAPES = 8
_OCTETS_TO_ESCAPE = 20
_UUENCODED = re.compile(rb"(?m)^(?:M[ -`]{60}[ \t]*+[\r\n]++){2}")


def guessed(octets: Octets, start: int, end: int) -> tuple[str, ...]:
    """Return the encodings that a range seems to be in, by its first octets. Never raises."""
    sample = octets[start : min(end, start + _SAMPLE)]
    if b"M" in sample and _UUENCODED.search(sample):
        return ("uuencode",)
    if sample.count(b"=") >= _FEWEST_ESCAPES and _is_escaped(sample):
        return ("quoted-printable",)
    return ("base64",) if _is_base64(sample) else ()


def _is_base64(sample: bytes) -> bool:
    if sample.count(b" ") * _OCTETS_TO_BLANK > len(sample) or sample.lstrip().startswith(_ARMOUR):
        return False
    folded = sample if sample.isascii() else sample.translate(FOLDED)
    letters = folded.translate(None, _NOT_LETTERS)
    seen = len(folded.translate(None, _BLANKS_AND_PADDING))
    if len(letters) < _FEWEST_LETTERS or len(letters) * 2 < seen:
        return False
    # Octets beyond ASCII are base64 with the high bit set only where nothing else stands beside them.
    if folded is not sample and len(letters) < seen:
        return False
    return is_mostly_odd(letters, one_in=_LETTERS_TO_ODD)


def _is_escaped(sample: bytes) -> bool:
    escapes = len(_ESCAPE.findall(sample))
    return escapes >= _FEWEST_ESCAPES and escapes * _OCTETS_TO_ESCAPE >= len(sample)
