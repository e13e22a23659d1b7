# SPDX-License-Identifier: GPL-3.0-or-later
"""A structured field value (Content-Type, Content-Disposition) in every way that mail programs read it.

An ordinary value is recognised by one regular expression, and read once. Any other is cut up in several dialects,
and the readings of all of them are the answer: whoever hides a boundary or a name from one parser shows it to another.

*Source:* RFC 2045 section 5.1, RFC 2183, RFC 2231. *Errors:* none; what is over a limit is an oddity.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from milterguard.mime import extended
from milterguard.mime.dialect import (
    BLANKS,
    Cut,
    Parameter,
    cut,
    found_anywhere,
    tightened,
    unfolded,
    without_comments,
)
from milterguard.mime.encoded_word import decoded
from milterguard.mime.main_value import mains_of
from milterguard.mime.oddity import Evidence, oddities_of
from milterguard.mime.reading import readings

MAX_OCTETS = 131_072
"""Of a longer value the head and the tail of half that length are read."""
NAMES = frozenset({"name", "filename", "file"})
_MAX_VALUES = 1000
_MAX_CHARACTERS = 1_000_000
_WORD = rb"[A-Za-z0-9!#$&^_.+'{}|~`-]++"
_GAP = rb"[ \t]*+(?:\r?\n[ \t]++)?+"
_ONE = (
    rb"[A-Za-z0-9!#$&^_.+-]++=(?:[A-Za-z0-9!#$%&'*+./:^_`{|}~@-]++|"
    rb"\"(?:[^\"\\;\x00-\x20\x7f-\xff]++(?:\x20++(?!\"))?+)++\")"
)
_ORDINARY = re.compile(rb"[ \t]*+%b(?:/%b)?+%b(?:;%b%b%b)*+;?+\s*+" % (_WORD, _WORD, _GAP, _GAP, _ONE, _GAP))
# CPython 3.11 loses track of groups within possessive repeats: none may stand in the pattern above.
_ORDINARY_ONE = re.compile(rb"([A-Za-z0-9!#$&^_.+-]+)=(?:\"([^\"]*)\"|([^\s;\"]+))")
_BCHARS = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{1,70}")
_ATTRIBUTE_JUNK = re.compile(r"[\"'\x00-\x1f\x7f]+")


@dataclass(frozen=True, slots=True)
class Parameters:
    """Every reading of a structured field value."""

    mains: tuple[bytes, ...] = ()
    """What stands before the parameters, in lower case: ``multipart/mixed``; usually one, by the book first."""
    values: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    """Attribute in lower case, to every reading of its value, octets as Latin-1 text, by the book first.

    A name in the form of RFC 2231 is text in its character set instead.
    """
    oddities: tuple[str, ...] = ()
    """Which constructs in it have more than one reading that matters; fixed words."""


def parse(value: bytes, *, most: int = 100) -> Parameters:
    """Return every reading of a field's octets after the colon, folds included. Never raises, linear.

    Parameters beyond ``most`` are ignored, and that is an oddity.
    """
    ordinary = _ordinary(value, most)
    if ordinary is not None:
        return ordinary
    is_long = len(value) > MAX_OCTETS
    octets = value[: MAX_OCTETS // 2] + b";" + value[-MAX_OCTETS // 2 :] if is_long else value
    text = octets.decode("latin-1").strip(BLANKS)
    line = unfolded(text)
    cuts = _cuts(text, line, most)
    mains = mains_of([each.main for each in cuts])
    collected = _Values()
    for each in cuts:
        collected.add(each.parameters)
    values = collected.finished()
    evidence = Evidence(text, line, cuts[0], mains, values, is_long, any(each.is_over for each in cuts))
    return Parameters(mains, values, oddities_of(evidence))


def _ordinary(value: bytes, most: int) -> Parameters | None:
    """Return the one reading of a value about which nobody disagrees, else None."""
    if len(value) > 4000:
        return None
    if not _ORDINARY.fullmatch(value):
        return None
    main, _, rest = value.partition(b";")
    main = main.strip().lower()
    if main in {b"multipart", b"message"}:
        return None
    found = _ORDINARY_ONE.findall(rest)
    values = {name.decode("latin-1").lower(): ((quoted or bare).decode("latin-1"),) for name, quoted, bare in found}
    boundary = values.get("boundary")
    if boundary and (boundary[0][:1] == "'" or "=?" in boundary[0] or not _BCHARS.fullmatch(boundary[0])):
        return None
    return Parameters((main,), values) if len(values) == len(found) <= most else None


def _cuts(text: str, line: str, most: int) -> list[Cut]:
    """Return a value as each dialect cuts it, the one by the book first, those that agree only once."""
    book = cut(without_comments(line), most=most)
    cuts = [book]
    if "(" in line:
        cuts.append(cut(line, most=most))
    if "\\" in line:
        cuts.append(cut(line, most=most, has_escapes=False))
    if '"' in line:
        cuts.append(cut(line, most=most, has_quotes=False))
    if "\n" in text:
        tight = tightened(text)
        cuts.append(cut(without_comments(tight), most=most))
        cuts.append(Cut("", found_anywhere(tight, most=most), False, False))
    cuts.append(Cut("", found_anywhere(line, most=most), False, False))
    unique = {each.parameters: each for each in reversed(cuts[1:]) if each.parameters != book.parameters}
    extra = Cut(line.partition(";")[0], (), False, False)
    return [book, *reversed(unique.values()), extra]


class _Values:
    """Collects readings: the likely ones of all dialects come before the far-fetched ones of any."""

    def __init__(self) -> None:
        self._likely: dict[str, dict[str, None]] = {}
        self._others: dict[str, dict[str, None]] = {}

    def add(self, parameters: tuple[Parameter, ...]) -> None:
        """Add what one dialect reads."""
        groups: dict[str, list[extended.Piece]] = {}
        for each in parameters:
            values = readings(each.raw)
            for base, suffix in attributes(each.attribute):
                if base == "boundary" and "=?" in each.raw:
                    values = (*values, *(decoded(value) for value in values))
                groups.setdefault(base, []).append(extended.piece(suffix, values))
        for base, pieces in groups.items():
            likely = self._likely.setdefault(base, {})
            others = self._others.setdefault(base, {})
            plains = [each for each in pieces if each.is_plain]
            likely.update(dict.fromkeys(each.values[0] for each in plains))
            others.update(dict.fromkeys(value for each in plains for value in each.values[1:]))
            for place, value in enumerate(extended.assembled(pieces, is_text=base in NAMES)):
                (others if place else likely).setdefault(value)

    def finished(self) -> dict[str, tuple[str, ...]]:
        """Return all readings by attribute, at most so many and so long."""
        return {base: tuple(_limited({**likely, **self._others[base]})) for base, likely in self._likely.items()}


def _limited(found: dict[str, None]) -> Iterator[str]:
    """Yield at most so many readings and characters; an empty one only where there is no other."""
    characters = 0
    if len(found) > 1:
        found.pop("", None)
    for count, value in enumerate(found):
        characters += len(value)
        if count >= _MAX_VALUES or characters > _MAX_CHARACTERS:
            return
        yield value


def attributes(written: str) -> tuple[tuple[str, str], ...]:
    """Return the attributes that a written one may be, in lower case, with what follows from an asterisk on."""
    cleaned = _ATTRIBUTE_JUNK.sub("", without_comments(written)).strip(BLANKS).lower()[-200:]
    found = {cleaned: None}
    if not cleaned.isascii():
        found[cleaned.encode("ascii", "ignore").decode("ascii").strip(BLANKS)] = None
    words = cleaned.split()
    if len(words) > 1:
        found[words[-1]] = None
        found["".join(words)] = None
        head = cleaned.partition("*")[0].split()
        found[head[-1] + cleaned[cleaned.index("*") :] if head and "*" in cleaned else words[0]] = None
    return tuple((each.partition("*")[0].strip(BLANKS), "".join(each.partition("*")[1:])) for each in found)
