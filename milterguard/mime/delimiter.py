# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding the delimiter lines of a multipart: those by the book, and those that only some programs see.

*Source:* RFC 2046 5.1.1. *Errors:* none; the number of lines looked at is bounded by the caller's allowance.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from milterguard.mime.ambiguity import Construct
from milterguard.mime.octets import Octets

_WINDOW = 1 << 18
_TAIL = 512
"""Octets after a boundary in which the end of its line is looked for."""
_OVERLAP = 8192
_BEFORE = 16
"""Octets before a delimiter that tell whether it begins a line."""
_MAX_LONGER = 16
_MOST_DASHED = 200_000
"""Lines like a delimiter among which fields of parts are looked for."""
_DASHES = (b"\n--", b"\r--", b" --", b"\t--")
_REST = re.compile(rb"([^\r\n]*)(\r\n|\n|\r|\Z)")
_CONTENT = rb"(?i:[^a-z\r\n]{0,4}+content[-_ ]{0,2}+(?:type|transfer|disposition)[^\r\n:]{0,40}+:)"
_UNDECLARED = re.compile(
    rb"--(?<=[\r\n \t]--)([^\r\n]{1,200}+)(?:\r\n?+|\n)"
    rb"(?:(?!" + _CONTENT + rb")[^\r\n]{1,998}+(?:\r\n?+|\n)){0,4}+" + _CONTENT
)
_DASHED = re.compile(rb"--(?<=[\r\n \t]--)([^\r\n]{1,200}+)(?=[\r\n])")


@dataclass(slots=True)
class Split:
    """Where a boundary divides a range of octets."""

    parts: list[tuple[int, int]] = field(default_factory=list)
    """Start and end of each, header included, without the line end before the next delimiter."""
    late: int = -1
    """Index of the first part after a closing delimiter; -1: there is none."""
    preamble_end: int = 0
    epilogue: int = -1
    """Where the epilogue begins; -1 when there is no closing delimiter."""
    oddities: dict[str, None] = field(default_factory=dict)
    longer: dict[bytes, int] = field(default_factory=dict)
    """Boundaries of which this one is only the beginning, and where the first of each line stands."""
    looked_at: int = 0
    """Places where the boundary stands."""


class Undeclared(NamedTuple):
    """What was found without a declaration."""

    boundaries: tuple[bytes, ...]
    """In order of appearance."""
    is_whole: bool
    """Not so many lines are like a delimiter that some were not looked at."""


@dataclass(slots=True)
class _Hit:
    start: int
    """First octet of the line."""
    after: int
    """First octet of the next line."""
    is_closing: bool


def occurrences(octets: Octets, needle: bytes, start: int, *, end: int) -> Iterator[int]:
    """Yield where a needle stands in a range, without a copy of more than a window."""
    position = start
    while position < end:
        stop = min(end, position + _WINDOW)
        window = octets[position : min(end, stop + len(needle) - 1)]
        found = window.find(needle)
        while found >= 0:
            yield position + found
            found = window.find(needle, found + len(needle))
        position = stop


def split(octets: Octets, boundary: bytes, start: int, *, end: int, allowance: int) -> Split:
    """Divide a range by a boundary; at most ``allowance`` places where it stands are looked at."""
    result = Split()
    hits: list[_Hit] = []
    for place in occurrences(octets, b"--" + boundary, start, end=end):
        result.looked_at += 1
        if result.looked_at > allowance:
            result.oddities.setdefault(Construct.TOO_MANY_DELIMITERS)
            break
        hit = _look(octets, place, boundary, start=start, end=end, result=result)
        if hit is not None:
            hits.append(hit)
    _divide(octets, hits, result, start=start, end=end)
    return result


def _look(octets: Octets, place: int, boundary: bytes, *, start: int, end: int, result: Split) -> _Hit | None:
    """Return the delimiter line at a place where the boundary stands, None when it is no such line."""
    before = octets[max(start, place - 9) : place]
    blanks = len(before) - len(before.rstrip(b" \t\0"))
    line = place - blanks
    edge = before[: len(before) - blanks][-1:]
    if edge not in (b"\n", b"\r") and line > start:
        return None
    rest = place + 2 + len(boundary)
    match = _REST.match(octets[rest : min(end, rest + _TAIL)])
    text, ending = match.groups() if match else (b"", b"")
    after = rest + len(text) + len(ending)
    if not ending and after < end:
        newline = octets.find(b"\n", after, end)
        after = newline + 1 if newline >= 0 else end
    stripped = text.strip(b" \t\0")
    is_closing = stripped[:2] == b"--"
    if stripped not in (b"", b"--"):
        if not is_closing and text[:1] not in b" \t\0":
            _note_longer(result, boundary, text, line)
            return None
        result.oddities.setdefault(Construct.CLOSING_JUNK if is_closing else Construct.DELIMITER_JUNK)
        if is_closing:
            _note_longer(result, boundary, text, line)
    elif b"\0" in text or (is_closing and text[:2] != b"--"):
        result.oddities.setdefault(Construct.DELIMITER_JUNK)
    if blanks:
        result.oddities.setdefault(Construct.DELIMITER_BLANK)
    if ending == b"\r" or edge == b"\r":
        result.oddities.setdefault(Construct.DELIMITER_CR)
    return _Hit(line, after, is_closing)


def _note_longer(result: Split, boundary: bytes, text: bytes, line: int) -> None:
    if len(result.longer) < _MAX_LONGER:
        result.longer.setdefault(boundary + text.rstrip(b" \t").removesuffix(b"--"), line)


def _divide(octets: Octets, hits: list[_Hit], result: Split, *, start: int, end: int) -> None:
    result.preamble_end = _without_line_end(octets, start, hits[0].start) if hits else end
    is_closed = False
    for index, hit in enumerate(hits):
        stop = _without_line_end(octets, hit.after, hits[index + 1].start) if index + 1 < len(hits) else end
        if hit.is_closing:
            is_closed = True
            # What stands behind further closing delimiters belongs to the same epilogue.
            result.epilogue = hit.after if result.epilogue < 0 else result.epilogue
            continue
        result.epilogue = -1
        if is_closed and result.late < 0:
            result.late = len(result.parts)
            result.oddities.setdefault(Construct.AFTER_CLOSING)
        result.parts.append((hit.after, stop))
    if hits and not is_closed:
        result.oddities.setdefault(Construct.NOT_CLOSED)


def _without_line_end(octets: Octets, start: int, stop: int) -> int:
    """Return where a part ends whose delimiter line begins at ``stop``: the line end before it is the delimiter's."""
    before = octets[max(start, stop - 2) : stop]
    if before == b"\r\n":
        return stop - 2
    return max(start, stop - 1) if before[-1:] in (b"\n", b"\r") else max(start, stop)


def undeclared(octets: Octets, start: int, end: int, *, most: int) -> Undeclared:
    """Return the boundaries of lines like a delimiter that fields of a part follow."""
    found: dict[bytes, None] = {}
    looked_at = 0
    # One octet is found much faster than two, and in base64 there is none.
    first = octets.find(b"-", start, end)
    first = octets.find(b"--", first, end) if first >= 0 else -1
    if first < 0:
        return Undeclared((), True)
    for window in _windows(octets, max(start, first - _BEFORE), end):
        if b"--" in window and b"content" in window.lower():
            looked_at += sum(map(window.count, _DASHES))
            found.update(dict.fromkeys(islice(_matching(_UNDECLARED, window), most - len(found))))
        if len(found) >= most or looked_at > _MOST_DASHED:
            break
    return Undeclared(tuple(filter(None, found)), looked_at <= _MOST_DASHED)


def dashed(octets: Octets, start: int, end: int) -> bytes:
    """Return what follows the two hyphens of the first line that begins with them; empty when there is none."""
    window = next(_windows(octets, start, end), b"")
    return next(_matching(_DASHED, window), b"")


def _windows(octets: Octets, start: int, end: int) -> Iterator[bytes]:
    """Yield a range piece by piece, with what stands before and after a piece."""
    for position in range(start, end, _WINDOW):
        before = octets[position - _BEFORE : position] if position > start else b"\n"
        yield before + octets[position : min(end, position + _WINDOW + _OVERLAP)]


def _matching(pattern: re.Pattern[bytes], window: bytes) -> Iterator[bytes]:
    for match in pattern.finditer(window):
        if _begins_line(window, match.start()):
            text = match[1].rstrip(b" \t")
            yield text.removesuffix(b"--") or text


def _begins_line(window: bytes, place: int) -> bool:
    before = window[max(0, place - 9) : place].rstrip(b" \t")
    return before[-1:] in (b"\n", b"\r") and bool(before)
