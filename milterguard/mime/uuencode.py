# SPDX-License-Identifier: GPL-3.0-or-later
"""Decodes uuencode: with or without its first and last line, with blanks that were cut off, and other odd lines.

Its letters are base64's six bits in another order, which spares ``a2b_uu`` that raises at the first oddity.

*Source:* POSIX ``uuencode``.
"""

import re
from binascii import a2b_base64
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from milterguard.mime.decoding import Decoding, lines
from milterguard.mime.gibberish import LETTERS
from milterguard.mime.octets import Octets
from milterguard.mime.radix64 import radix64

BEGIN = re.compile(rb"(?m)^[ \t>]{0,8}+begin(-base64)?[ \t]++(?:[0-7]{1,7}+(?![^\s])[ \t]*+)?+([^\r\n]{0,255})")
NOTHING = re.compile(rb"(?:(?:`[^\r\n]*+| (?![ \t>]{0,8}begin)[^\r\n]*+)?+\r?\n)*+")
"""Empty lines, and such as say that they hold no octets: decoders pass over any number of them."""

_FULL = 60
_SHORTEST = 2
_FIRST_LOOK = 65_536
_ALPHABET = bytes(range(32, 96)) + b"`"
_TO_RADIX64 = bytes.maketrans(_ALPHABET, LETTERS + b"A")
_OTHERS = bytes(set(range(256)) - set(_ALPHABET))
_FULL_LINES = re.compile(rb"(?m)(?:^M[ -`]{60}\r?\n)++")
_MOST_SHORT_LINES = 100_000
"""Lines that are not full; after more than these a file is odd, whatever follows."""
_STAND_IN = b"M\0"
_LAST = re.compile(rb"(?i)end[ \t]*+")


def uuencode(octets: Octets, start: int, end: int) -> tuple[Decoding, ...]:
    """Return the readings of uuencode. Never raises."""
    begin = _begin(octets, start, end)
    if begin and begin[1]:
        return _as_radix64(octets, start + begin.end(), end)
    survey = _Survey()
    for block in lines(octets, start, end):
        survey.see(block)
    first = partial(_decoded, octets, start + begin.start() if begin else start, end, is_begun=begin is not None)
    is_odd = survey.is_odd or not survey.has_end
    found = [Decoding("", is_odd=is_odd, is_ambiguous=False, blocks=first)]
    if survey.goes_on:
        past = partial(_decoded, octets, start, end, is_bounded=False)
        found.append(Decoding("uuencode past its end", is_odd=True, is_ambiguous=True, blocks=past))
    return tuple(found)


def _begin(octets: Octets, start: int, end: int) -> re.Match[bytes] | None:
    """Return the line that announces a file, when it is among the first."""
    return BEGIN.search(octets[start : min(end, start + _FIRST_LOOK)])


def _as_radix64(octets: Octets, start: int, end: int) -> tuple[Decoding, ...]:
    """Return the readings of what uuencode itself announces as base64."""
    return tuple(replace(each, is_odd=True) for each in radix64(octets, start, end))


class _Survey:
    """Goes through the lines once."""

    def __init__(self) -> None:
        self.has_begin = self.has_end = self.is_odd = self.goes_on = False
        self._left = _MOST_SHORT_LINES

    def see(self, block: bytes) -> None:
        if self._left < 0:
            return
        found = _short_lines(block)
        self._left -= len(found)
        if self._left < 0:
            self.is_odd = True
            self.goes_on = self.goes_on or self.has_end
            return
        for line in found:
            self._line(line)

    def _line(self, line: bytes) -> None:
        if line.lstrip(b" \t>").startswith(b"begin"):
            self.has_begin = True
        elif _LAST.fullmatch(line):
            self.has_end = True
        elif self.has_end:
            is_full = line == _STAND_IN
            self.goes_on = self.goes_on or is_full or (len(line) >= _FULL // 2 and is_encoded(line))
        elif not self.has_begin or (line != _STAND_IN and not is_encoded(line, is_exact=True)):
            self.is_odd = True


def _short_lines(block: bytes) -> list[bytes]:
    """Return the lines of a block without their ends, full ones that follow one another replaced by a short one."""
    return _split(_FULL_LINES.sub(_STAND_IN + b"\n", block))


def _split(block: bytes) -> list[bytes]:
    return list(filter(None, block.replace(b"\r", b"\n").split(b"\n")))


def is_encoded(line: bytes, *, is_exact: bool = False) -> bool:
    """Tell whether a line is as long as it says; blanks at its end may be missing unless ``is_exact``."""
    if not line or not 32 <= line[0] <= 96 or line.translate(None, _ALPHABET):
        return False
    expected = (((line[0] - 32) & 63) + 2) // 3 * 4
    found = len(line) - 1
    return found == expected if is_exact else expected > 0 and expected // 2 <= found <= expected + 2


def _decoded(
    octets: Octets, start: int, end: int, *, is_bounded: bool = True, is_begun: bool = False
) -> Iterator[bytes]:
    for block in lines(octets, start, end):
        whole = _split(block)
        ended = is_bounded and any(_LAST.fullmatch(line) for line in whole if line[0] in b"eE")
        if decoded := b"".join(_lines(whole, is_bounded=is_bounded, is_begun=is_begun)):
            yield decoded
        if ended:
            return


def _lines(found: list[bytes], *, is_bounded: bool, is_begun: bool) -> Iterator[bytes]:
    shortest = 0 if is_begun else _SHORTEST
    for line in found:
        if is_bounded and line[0] in b"eE" and _LAST.fullmatch(line):
            return
        if len(line) > shortest and 32 < line[0] < 96:
            yield _line(line, is_begun=is_begun)


def _line(line: bytes, *, is_begun: bool) -> bytes:
    """Return at most as many octets as the line says; letters that it lacks count as blanks."""
    count = (line[0] - 32) & 63
    letters = (count + 2) // 3 * 4
    body = line[1 : letters + 1].translate(_TO_RADIX64, _OTHERS)
    # Where no file was announced, the line may be a sentence. Announced ones may end in zeros, which are blanks.
    if not is_begun and len(body) < letters // 2:
        return b""
    return a2b_base64(body.ljust(letters, b"A"))[:count]
