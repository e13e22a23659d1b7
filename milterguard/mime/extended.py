# SPDX-License-Identifier: GPL-3.0-or-later
"""Extended parameters of RFC 2231, however their pieces are numbered, flagged, ordered, doubled or encoded.

*Source:* RFC 2231 sections 3 and 4; RFC 5987. *Errors:* none.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from milterguard.mime import charset

_SUFFIX = re.compile(r"\*?\s*+(\d{0,9})\s*+(\*?)")
_PERCENT = re.compile(r"%([0-9A-Fa-f]{2})")
_DECLARED = re.compile(r"([^'%]{0,75})'([^'%]{0,75})'(.*)\Z", re.DOTALL)
_HALF_DECLARED = re.compile(r"([A-Za-z0-9_-]{1,40})'(.*)\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Piece:
    """One of the parameters that make up a value."""

    number: int | None
    """None for the plain form without any asterisk, and for ``attribute*``."""
    is_encoded: bool
    is_plain: bool
    values: tuple[str, ...]
    """Every reading of it, octets as Latin-1 text."""


def piece(suffix: str, values: tuple[str, ...]) -> Piece:
    """Return the piece that an attribute's suffix (from its first asterisk on) makes of a value."""
    found = _SUFFIX.match(suffix)
    if found is None or not suffix:
        return Piece(None, False, not suffix, values)
    number = int(found[1]) if found[1] else None
    return Piece(number, bool(found[2]) or number is None, False, values)


def octets(value: str) -> bytes:
    """Return the octets of a percent-encoded value; what does not decode is kept."""
    return _PERCENT.sub(lambda found: chr(int(found[1], 16)), value).encode("latin-1", "replace")


def is_broken(pieces: Sequence[Piece]) -> bool:
    """Tell whether numbered pieces have a gap, come twice, or stand beside the form without a number."""
    numbers = [each.number for each in pieces if each.number is not None]
    has_whole = any(each.number is None and not each.is_plain for each in pieces)
    return bool(numbers) and (sorted(numbers) != list(range(len(numbers))) or has_whole)


def assembled(pieces: Sequence[Piece], *, is_text: bool) -> Iterator[str]:
    """Yield every reading of a value in pieces.

    ``is_text``: in its declared character set; otherwise its octets as Latin-1 text.
    """
    decode = _as_text if is_text else _as_octets
    numbered = [each for each in pieces if each.number is not None]
    wholes = [each for each in pieces if each.number is None and not each.is_plain]
    for each in wholes:
        for value in each.values:
            yield from decode(value)
            yield value
    if numbered:
        plains = [each for each in pieces if each.number is None]
        for order in _orders(numbered, plains):
            yield from _joined(order, decode)
        for each in numbered:
            for value in each.values[:2]:
                yield from decode(value)
                yield value


def _orders(numbered: list[Piece], plains: list[Piece]) -> Iterator[list[Piece]]:
    """Yield the orders in which programs put the pieces together, and which of them they leave out."""
    ordered = sorted(numbered, key=lambda each: each.number or 0)
    first: dict[int | None, Piece] = {}
    for each in ordered:
        first.setdefault(each.number, each)
    last = {each.number: each for each in ordered}
    until_gap = [each for place, each in enumerate(first.values()) if each.number == place]
    yield list(first.values())
    if len(until_gap) < len(numbered):
        yield until_gap
        yield list(last.values())
        yield ordered
    if ordered != numbered:
        yield numbered
    for plain in plains[:4]:
        yield [plain, *first.values()]
        yield [plain, *(each for each in first.values() if each.number)]


def _joined(order: list[Piece], decode: Callable[[str], Iterator[str]]) -> Iterator[str]:
    """Yield the readings of pieces in an order: as they are flagged, all encoded, none encoded."""
    for variant in (0, 1):
        values = [each.values[min(variant, len(each.values) - 1)] for each in order]
        yield from decode("".join(_sealed(each, value) for each, value in zip(order, values, strict=True)))
        yield from decode("".join(values))
        yield "".join(values)
        # A program may look for the character set in each piece.
        yield from decode("".join(_undeclared(value) for value in values))
        if all(each.values[1:] == () for each in order):
            break


def _sealed(each: Piece, value: str) -> str:
    """Return a value in which nothing is left to decode unless its piece is flagged."""
    return value if each.is_encoded else value.replace("%", "%25")


def _undeclared(value: str) -> str:
    declared = _DECLARED.match(value)
    return declared[3] if declared else value


def _as_text(value: str) -> Iterator[str]:
    """Yield the readings of an encoded value as text: with its character set, without, with half of it."""
    declared = _DECLARED.match(value)
    if declared:
        yield charset.text(octets(declared[3]), declared[1].strip(" \"'"))
    half = _HALF_DECLARED.match(value)
    if half and not declared:
        yield charset.text(octets(half[2]), half[1])
    yield charset.guessed(octets(value))


def _as_octets(value: str) -> Iterator[str]:
    """Yield the readings of an encoded value as octets in Latin-1 text."""
    declared = _DECLARED.match(value)
    if declared:
        yield octets(declared[3]).decode("latin-1")
    yield octets(value).decode("latin-1")
