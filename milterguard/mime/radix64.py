# SPDX-License-Identifier: GPL-3.0-or-later
"""Decodes base64 as different programs do: they disagree on padding in the middle, junk and other alphabets.

Whole blocks go through ``translate`` and a decoder six times as fast as that of ``binascii``; it is given nothing that
decoders could disagree about. Python sees single letters nowhere.

*Source:* RFC 2045 section 6.8; RFC 4648 section 5.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from pybase64 import b64decode

from milterguard.mime.decoding import BLOCK, Decoding, slices
from milterguard.mime.gibberish import FOLDED, LETTERS, looks_encoded
from milterguard.mime.octets import Octets

_EVERY = bytes(range(256))
_NOT_LETTERS = bytes(set(_EVERY) - set(LETTERS))
_NOT_ENCODED = bytes(set(_EVERY) - set(LETTERS + b"="))
_NOT_IN_LINES = bytes(set(_EVERY) - set(LETTERS + b"=\r\n"))
_NOT_IN_EITHER = bytes(set(_EVERY) - set(LETTERS + b"=-_"))
_HIGH_LETTERS = bytes(letter | 128 for letter in LETTERS)
_NOT_FOLDED = bytes(octet for octet in _EVERY if octet & 127 not in LETTERS + b"=")
_URL_SAFE = bytes.maketrans(b"-_", b"+/")
_LINE_ENDS_PAD = bytes.maketrans(b"\r\n", b"==")
_TO_LINES = bytes.maketrans(b"\r", b"\n")

_JUNK = re.compile(rb"[^A-Za-z0-9+/=\s]")
_LAST_LINE = re.compile(rb"(?:[A-Za-z0-9+/]{4})*+(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_SHORTEST_LINE, _LONGEST_LINE = 20, 996
_MISSING = (b"", b"", b"==", b"=")
# So many letters of lines are looked at by Python at a time.
_PIECE = 65_536


@dataclass(frozen=True, slots=True)
class _Survey:
    """What is irregular; positions, -1 where there is none."""

    start: int
    end: int
    """Where the data ends, and at most a footer follows."""
    padding: int
    junk: int


def radix64(octets: Octets, start: int, end: int) -> tuple[Decoding, ...]:
    """Return the readings of base64. Never raises."""
    step = _regular_step(octets, start, end)
    if step:
        size = max(BLOCK // step, 1) * step
        return (Decoding("", is_odd=False, is_ambiguous=False, blocks=partial(_plain, octets, start, end, size=size)),)
    survey = _survey(octets, start, end)
    stop = survey.end if survey.padding < 0 else survey.padding
    first = Decoding("", is_odd=True, is_ambiguous=False, blocks=partial(_bits, octets, start, stop))
    return (first, *_after_padding(octets, survey), *_around_junk(octets, survey), *_by_line(octets, survey))


def _regular_step(octets: Octets, start: int, end: int) -> int:
    """Return octets a line, line end included, when all but the last are alike and nothing is amiss; else 0."""
    end = _without_line_ends(octets, start, end)
    line_end = octets.find(b"\n", start, min(end, start + _LONGEST_LINE + 2))
    if line_end < 0:
        is_good = end - start <= _LONGEST_LINE and _LAST_LINE.fullmatch(octets[start:end])
        return max(end - start, 1) if is_good else 0
    ending = b"\r\n" if octets[line_end - 1 : line_end] == b"\r" else b"\n"
    length = line_end + 1 - len(ending) - start
    step = length + len(ending)
    if length % 4 or not _SHORTEST_LINE <= length <= _LONGEST_LINE:
        return 0
    last = start + (end - start) // step * step
    if end - last > length or not _LAST_LINE.fullmatch(octets[last:end]):
        return 0
    size = max(BLOCK // step, 1) * step
    is_regular = all(_is_regular(block, length, ending) for block in slices(octets, start, last, size=size))
    return step if is_regular else 0


def _without_line_ends(octets: Octets, start: int, end: int) -> int:
    size = 64
    while start < end:
        kept = len(octets[max(end - size, start) : end].rstrip(b"\r\n"))
        if kept:
            return max(end - size, start) + kept
        end -= size
        size = BLOCK
    return start


def _is_regular(block: bytes, length: int, ending: bytes) -> bool:
    step = length + len(ending)
    count = len(block) // step
    others = block.translate(None, LETTERS)
    return others == ending * count and others == _columns(block, length, ending)


def _columns(block: bytes, length: int, ending: bytes) -> bytes:
    """Return what stands where the line ends should."""
    step = length + len(ending)
    columns = [block[length + index :: step] for index in range(len(ending))]
    count = len(columns[0])
    return ending * count if all(each == ending[at : at + 1] * count for at, each in enumerate(columns)) else b""


def _plain(octets: Octets, start: int, end: int, *, size: int) -> Iterator[bytes]:
    for block in slices(octets, start, end, size=size):
        if decoded := b64decode(block):
            yield decoded


def _survey(octets: Octets, start: int, end: int) -> _Survey:
    junk = _first_junk(octets, start, end)
    padding = octets.find(b"=", start, end)
    if junk >= 0 and not 0 <= padding < junk:
        line = octets.rfind(b"\n", start, junk) + 1 or start
        if not looks_encoded(octets, line, end):
            return _Survey(start, line, padding=-1, junk=-1)
    if padding >= 0 and not looks_encoded(octets, padding, end):
        end = padding
        padding = -1
    if junk >= end:
        junk = -1
    return _Survey(start, end, padding=padding, junk=junk)


def _first_junk(octets: Octets, start: int, end: int) -> int:
    for position in range(start, end, BLOCK):
        if found := _JUNK.search(octets[position : min(position + BLOCK, end)]):
            return position + found.start()
    return -1


def _after_padding(octets: Octets, survey: _Survey) -> Iterator[Decoding]:
    if survey.padding < 0:
        return
    restarted = partial(_segments, octets, survey.start, survey.end)
    yield Decoding("base64 restarted after padding", is_odd=True, is_ambiguous=True, blocks=restarted)
    continued = partial(_bits, octets, survey.start, survey.end)
    yield Decoding("base64 padding dropped", is_odd=True, is_ambiguous=True, blocks=continued)


def _around_junk(octets: Octets, survey: _Survey) -> Iterator[Decoding]:
    start, end, junk = survey.start, survey.end, survey.junk
    if junk < 0 or not looks_encoded(octets, junk, end):
        return
    stop = junk if survey.padding < 0 else min(junk, survey.padding)
    yield Decoding("base64 up to junk", is_odd=True, is_ambiguous=True, blocks=partial(_bits, octets, start, stop))
    if octets.find(b"-", junk, end) >= 0 or octets.find(b"_", junk, end) >= 0:
        safe = partial(_segments, octets, start, end, table=_URL_SAFE, dropped=_NOT_IN_EITHER)
        yield Decoding("base64 with URL-safe letters", is_odd=True, is_ambiguous=True, blocks=safe)
    if any(len(block.translate(None, _HIGH_LETTERS)) < len(block) for block in slices(octets, junk, end)):
        seven = partial(_segments, octets, start, end, table=FOLDED, dropped=_NOT_FOLDED)
        yield Decoding("base64 in seven bits", is_odd=True, is_ambiguous=True, blocks=seven)


def _by_line(octets: Octets, survey: _Survey) -> Iterator[Decoding]:
    lengths = _line_lengths(octets, survey.start, survey.end)
    if any(length % 4 for length in lengths):
        alone = partial(_segments, octets, survey.start, survey.end, table=_LINE_ENDS_PAD, dropped=_NOT_IN_LINES)
        # Real mail has lines of 75 letters, and a longer one among them; lines of any length are nobody's habit.
        yield Decoding("base64 line by line", is_odd=True, is_ambiguous=len(lengths) > 2, blocks=alone)


def _line_lengths(octets: Octets, start: int, end: int) -> set[int]:
    """Return the letters that lines before the last have, empty lines left out."""
    seen: set[int] = set()
    latest = unfinished = 0
    for block in slices(octets, start, end, size=_PIECE):
        found = list(map(len, block.translate(_TO_LINES, _NOT_IN_LINES).split(b"\n")))
        found[0] += unfinished
        unfinished = found.pop()
        whole = [latest, *filter(None, found)]
        latest = whole.pop()
        seen.update(whole)
    if unfinished:
        seen.add(latest)
    return seen - {0}


def _bits(octets: Octets, start: int, end: int) -> Iterator[bytes]:
    """Yield what all letters in a range give, one after the other."""
    rest = b""
    for block in slices(octets, start, end):
        letters = rest + block.translate(None, _NOT_LETTERS)
        whole = len(letters) & ~3
        rest = letters[whole:]
        if whole:
            yield b64decode(letters[:whole], validate=True)
    if len(rest) > 1:
        yield _segment(rest)


def _segments(
    octets: Octets, start: int, end: int, *, table: bytes | None = None, dropped: bytes = _NOT_ENCODED
) -> Iterator[bytes]:
    """Yield what the runs of letters between padding give, each beginning with a fresh group of four."""
    rest = b""
    for block in slices(octets, start, end, size=_PIECE):
        letters = rest + block.translate(table, dropped)
        *finished, last = letters.split(b"=")
        whole = len(last) & ~3
        rest = last[whole:]
        if decoded := b"".join(map(_segment, filter(None, finished))) + b64decode(last[:whole], validate=True):
            yield decoded
    if decoded := _segment(rest):
        yield decoded


def _segment(letters: bytes) -> bytes:
    over = len(letters) & 3
    return b64decode(letters + _MISSING[over] if over != 1 else letters[:-1], validate=True)
