# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that stand in a text in an encoding of their own, announced by a line: uuencode, yEnc, BinHex.

No mail field speaks of them, and many mail programs show them as attachments.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from milterguard.mime import binhex, uuencode, yenc
from milterguard.mime.decoding import BLOCK
from milterguard.mime.octets import Octets

_LONGEST_LINE = 1024
_LONGEST_NAME = 65_536
_SHOWN = 250
"""Octets of head and tail of a name that are kept."""
_LOOK_AHEAD = 4096
_MOST_BEGINS = 10_000
"""Whoever writes more lines that say something begins gets the rest taken as one file."""
_END_OF_RADIX64 = b"===="
_BARE_BINHEX = re.compile(rb"(?m)^:[!-,\-0-9@A-NP-VX-Z\[`a-fh-mp-r]{40}")
_INTRODUCED = re.compile(rb"(?m)^[^\r\n(]{0,8}" + re.escape(binhex.INTRODUCTION))


@dataclass(frozen=True, slots=True)
class Embedded:
    """A file in a text. The name is hostile."""

    name: str
    encoding: str
    start: int
    end: int
    """The range to hand to ``decodings``."""


def embedded(octets: Octets, start: int, end: int, *, at_most: int = 50) -> tuple[Embedded, ...]:
    """Return the first files in a range, in the order in which they stand. Never raises."""
    end = min(end, len(octets))
    start = min(max(start, 0), end)
    found: list[Embedded] = []
    if octets.find(b"begin", start, end) >= 0:
        found += _up_to_next(_uuencoded(octets, start, end), end, at_most=at_most)
        if octets.find(b"=ybegin ", start, end) >= 0:
            found += _up_to_next(_yencoded(octets, start, end), end, at_most=at_most)
    if octets.find(b"\n:", start, end) >= 0 or octets[start : start + 1] == b":":
        found += _up_to_next(_binhexed(octets, start, end), end, at_most=at_most)
    return tuple(sorted(found, key=lambda file: file.start)[:at_most])


def _up_to_next(files: Iterator[Embedded], end: int, *, at_most: int) -> list[Embedded]:
    """Return files that each end where the next begins."""
    found: list[Embedded] = []
    for file in files:
        if found:
            found[-1] = Embedded(found[-1].name, found[-1].encoding, found[-1].start, file.start)
        if len(found) == at_most:
            break
        found.append(Embedded(file.name, file.encoding, file.start, end))
    return found


def _uuencoded(octets: Octets, start: int, end: int) -> Iterator[Embedded]:
    encoded, looked = -1, start
    for count, (position, match) in enumerate(_matches(uuencode.BEGIN, octets, start, end=end)):
        name, after = _rest_of_line(octets, position + match.start(2) - match.start(), end)
        if count == _MOST_BEGINS:
            yield Embedded(name, "uuencode", position, end)
            return
        if match[1]:
            yield Embedded(name, "base64", after, end)
            continue
        # No line is looked at twice, however many others say that something begins.
        first = _after_nothing(octets, after, end)
        if encoded < first < end:
            encoded, looked = _encoded_line(octets, max(first, looked), min(first + _LOOK_AHEAD, end))
        if first <= encoded <= first + _LOOK_AHEAD:
            yield Embedded(name, "uuencode", position, end)


def _after_nothing(octets: Octets, start: int, end: int) -> int:
    """Return where the first line begins that says to hold something."""
    size = _LOOK_AHEAD
    while start < end:
        found = uuencode.NOTHING.match(octets[start : min(start + size, end)])
        if not found or not found.end():
            break
        start += found.end()
        size = min(4 * size, BLOCK)
    return start


def _rest_of_line(octets: Octets, start: int, end: int) -> tuple[str, int]:
    """Return what stands from there to the end of the line as a name, and where the next line begins.

    Of a long one that is its head and its tail, where its ending is.
    """
    stop = octets.find(b"\n", start, min(end, start + _LONGEST_NAME))
    if stop < 0:
        stop = min(end, start + _LONGEST_NAME)
    line = octets[start:stop].partition(b"\r")[0]
    return _text(line), min(stop + 1, end)


def _encoded_line(octets: Octets, start: int, end: int) -> tuple[int, int]:
    """Return where the first encoded line stands, -1 for nowhere; and how far lines were looked at."""
    position = start
    for line in octets[start:end].split(b"\n"):
        if uuencode.is_encoded(line.rstrip(b"\r")):
            return position, position
        position += len(line) + 1
    return -1, max(start, position - len(line) - 1)


def _yencoded(octets: Octets, start: int, end: int) -> Iterator[Embedded]:
    for position, match in _matches(yenc.BEGIN, octets, start, end=end):
        name, _ = _rest_of_line(octets, position + match.start(1) - match.start(), end)
        yield Embedded(name, "yenc", position, end)


def _binhexed(octets: Octets, start: int, end: int) -> Iterator[Embedded]:
    introduced = -1
    if octets.find(binhex.INTRODUCTION, start, end) >= 0:
        for position, _ in _matches(_INTRODUCED, octets, start, end=end):
            introduced = position
            yield Embedded(binhex.file_name(octets, position, end), "binhex", position, end)
    if introduced < 0:
        for position, _ in _matches(_BARE_BINHEX, octets, start, end=end):
            if name := binhex.file_name(octets, position, end):
                yield Embedded(name, "binhex", position, end)


def _matches(
    pattern: re.Pattern[bytes], octets: Octets, start: int, *, end: int
) -> Iterator[tuple[int, re.Match[bytes]]]:
    """Yield where a pattern that begins at the beginning of a line matches, block by block."""
    for position in range(start, end, BLOCK):
        base = max(position - 1, start)
        for match in pattern.finditer(octets[base : min(position + BLOCK + _LONGEST_LINE, end)]):
            found = base + match.start()
            # The octet before the block is there only to tell whether the block begins a line.
            if position <= found < position + BLOCK:
                yield found, match


def _text(name: bytes) -> str:
    name = name.strip()
    if len(name) > 2 * _SHOWN:
        name = name[:_SHOWN] + name[-_SHOWN:]
    return name.decode("utf-8", "replace")
