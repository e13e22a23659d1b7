# SPDX-License-Identifier: GPL-3.0-or-later
"""One way to decode a transfer encoding, and how a decoder goes through octets that are never held whole."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from milterguard.mime.octets import Octets

BLOCK = 262_144
"""Octets read at a time."""


@dataclass(frozen=True, slots=True)
class Decoding:
    """What one family of programs makes of an encoded part."""

    reading: str
    """Empty for what most programs read; else which other reading, in fixed words of ours."""
    is_odd: bool
    """The part is not in the regular form that every program reads the same."""
    is_ambiguous: bool
    """The octets differ from the first reading's in a way that could hide a file."""
    blocks: Callable[[], Iterator[bytes]]
    """Gives the octets from the first, each time it is called; at most 1 MiB at a time. Never raises."""


def held(decoding: Decoding, octets: bytes) -> Decoding:
    """Return a decoding whose octets were decoded already."""
    return replace(decoding, blocks=partial(slices, octets, 0, len(octets)))


def slices(octets: Octets, start: int, end: int, *, size: int = BLOCK) -> Iterator[bytes]:
    """Yield a range piece by piece."""
    for position in range(start, end, size):
        yield octets[position : min(position + size, end)]


def lines(octets: Octets, start: int, end: int, *, size: int = BLOCK) -> Iterator[bytes]:
    """Yield a range in pieces that end with a line; a line longer than ``size`` is cut."""
    while start < end:
        stop = min(start + size, end)
        if stop < end:
            stop = octets.rfind(b"\n", start, stop) + 1 or stop
        yield octets[start:stop]
        start = stop
