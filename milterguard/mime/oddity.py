# SPDX-License-Identifier: GPL-3.0-or-later
"""Which constructs in a field value are read in more than one way, where that can hide a part, a type or a name.

Sloppiness that hides nothing is none: real mailers write unquoted names with blanks, 8-bit names, stray semicolons.

*Source:* RFC 2045 section 5.1; how Outlook, Thunderbird, GMime, Python and clamd differ. *Errors:* none.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from milterguard.mime import extended
from milterguard.mime.dialect import BLANKS, Cut, Parameter, cut, without_comments
from milterguard.mime.encoded_word import decoded
from milterguard.mime.reading import readings, unescaped

_BARE_LINE_END = re.compile(r"\r(?!\n)|\n(?![ \t])")
_BLANK_LINE = re.compile(r"\n[ \t]*\r?\n")
_BEYOND_ASCII = re.compile(r"[\x80-\xff]")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*+)"', re.DOTALL)
_COMPOSITE = (b"multipart", b"message")


@dataclass(frozen=True, slots=True)
class Evidence:
    """A value and what was made of it."""

    text: str
    """Octets as Latin-1 text, folds included."""
    line: str
    """On one line."""
    book: Cut
    """As cut by the book."""
    mains: tuple[bytes, ...]
    values: Mapping[str, tuple[str, ...]]
    is_long: bool
    is_over: bool


def oddities_of(evidence: Evidence) -> tuple[str, ...]:
    """Return the fixed words for the constructs that have more than one reading."""
    return tuple(dict.fromkeys(_oddities(evidence)))


def _oddities(evidence: Evidence) -> Iterator[str]:
    if evidence.is_over:
        yield "too many parameters"
    if evidence.is_long:
        yield "overlong field"
    if "\0" in evidence.line:
        yield "NUL in a parameter"
    if any(each.startswith(_COMPOSITE) for each in evidence.mains) and _is_garbled(evidence):
        yield from _of_type(evidence)
    is_typed = any(b"/" in each for each in evidence.mains)
    if any(each.startswith(b"multipart") for each in evidence.mains):
        yield from _of_multipart(evidence)
    elif "boundary" in evidence.values and not evidence.mains:
        yield "type missing"
    elif _is_swallowed(evidence) and not is_typed:
        yield "unclosed quote"
    yield from _of_names(evidence.book)


def _is_garbled(evidence: Evidence) -> bool:
    """Tell whether something stands before the parameters that is not just the one type."""
    head = evidence.line.partition(";")[0].strip(BLANKS).lower()
    is_parameter = "=" in head and "=?" not in head
    return len(evidence.mains) > 1 or (head.encode("latin-1") != evidence.mains[0] and not is_parameter)


def _of_type(evidence: Evidence) -> Iterator[str]:
    head = evidence.line.partition(";")[0]
    if "(" in head:
        yield "comment in a type"
    elif '"' in head:
        yield "quote in a type"
    elif "=?" in head:
        yield "encoded word in a type"
    elif _BEYOND_ASCII.search(head):
        yield "octet beyond ASCII in a type"
    elif sum("/" in word for word in head.split()) > 1:
        yield "two types"
    else:
        yield "blank or junk in a type"


def _of_multipart(evidence: Evidence) -> Iterator[str]:
    """Yield what is odd about a type that has, or may have, parts."""
    if not any(each[len(b"multipart/") :] for each in evidence.mains if each.startswith(b"multipart/")):
        yield "type without a subtype"
    book = evidence.book
    if book.is_open:
        yield "unclosed quote"
    if _BARE_LINE_END.search(evidence.text):
        yield "bare line end in a parameter"
    if _BLANK_LINE.search(evidence.text):
        yield "blank line in a field"
    boundaries = [each for each in book.parameters if _base(each) == "boundary"]
    if without_comments(evidence.line) != evidence.line:
        yield "comment in a parameter"
    if any(_BEYOND_ASCII.search(each.attribute) for each in book.parameters) or any(
        _BEYOND_ASCII.search(each.raw) for each in boundaries
    ):
        yield "octet beyond ASCII in a parameter"
    words = [word for each in boundaries for word in _of_boundary(each)]
    if len({readings(each.raw)[0] for each in boundaries if "*" not in each.attribute}) > 1:
        words.append("two boundaries")
    yield from words
    found = evidence.values.get("boundary", ())
    if not boundaries and found:
        yield (
            "comma for a semicolon" if re.search(r",\s*boundary", evidence.line, re.IGNORECASE) else "missing semicolon"
        )
    elif len(found) > 1 and not words and not book.is_open:
        yield "boundary with several readings"


def _of_boundary(parameter: Parameter) -> Iterator[str]:
    """Yield what is odd about a boundary as it is written."""
    raw = parameter.raw
    if "*" in parameter.attribute:
        yield "boundary by RFC 2231"
    if parameter.attribute.lower().strip() != "boundary" and "*" not in parameter.attribute:
        yield "junk beside an attribute"
    if parameter.is_apart:
        yield "blank beside an equals sign"
    if "=?" in raw and decoded(raw) != raw:
        yield "encoded word in a boundary"
    if "\\" in raw:
        yield "backslash in a boundary"
    quoted = _QUOTED.match(raw)
    inner = unescaped(quoted[1]) if quoted else raw
    if not inner:
        yield "empty boundary"
    if ";" in inner:
        yield "semicolon in a boundary"
    if inner.strip(BLANKS) != inner:
        yield "blank at the edge of a boundary"
    if quoted and raw[quoted.end() :]:
        yield "text after a quoted boundary"
    elif not quoted and '"' in raw[1:]:
        yield "quote within a boundary"
    elif not quoted and any(blank in raw for blank in BLANKS):
        yield "blank in a boundary"
    elif not quoted and "," in raw:
        yield "comma in a boundary"


def _base(parameter: Parameter) -> str:
    """Return an attribute without what RFC 2231 appends, and without blanks and quotes."""
    return "".join(without_comments(parameter.attribute).lower().partition("*")[0].split()).strip("\"'")


def _is_swallowed(evidence: Evidence) -> bool:
    """Tell whether a quote that is not closed hides parameters from whoever honours it."""
    if not evidence.book.is_open:
        return False
    naive = cut(evidence.line, most=200, has_quotes=False)
    return len(naive.parameters) > len(evidence.book.parameters)


def _of_names(book: Cut) -> Iterator[str]:
    for attribute in ("filename", "name"):
        pieces = [
            extended.piece("".join(each.attribute.partition("*")[1:]), readings(each.raw))
            for each in book.parameters
            if _base(each) == attribute
        ]
        if len(pieces) > 1:
            yield from _of_pieces(pieces)


def _of_pieces(pieces: Sequence[extended.Piece]) -> Iterator[str]:
    """Yield what is odd about the several parameters of one name."""
    if extended.is_broken(pieces):
        yield "file name in pieces that do not fit"
    plains = dict.fromkeys(decoded(each.values[0]).strip(BLANKS) for each in pieces if each.is_plain)
    wholes = [each for each in pieces if each.number is None and not each.is_plain]
    if len(plains) > 1 or len({each.values[0] for each in wholes}) > 1:
        yield "two file names"
    whole = next(iter(extended.assembled(pieces, is_text=True)), None)
    # The plain form is the fallback for old programs: other letters, but the same kind of file.
    if whole is not None and any(_ending(plain) != _ending(whole) for plain in plains):
        yield "two file names"


def _ending(name: str) -> str:
    head, dot, ending = name.rstrip(" .").rpartition(".")
    return ending.lower() if dot and head else ""
