# SPDX-License-Identifier: GPL-3.0-or-later
"""Where one parameter ends and the next begins, in the dialects of MIME that mail programs speak.

They differ in whether a quote, a backslash, a comment or a fold means anything. One dialect is by the book; what
the others make of the same octets is what an attacker counts on. Each is one pass over the octets.

*Source:* RFC 2045 section 5.1, RFC 5322 sections 2.2.3 and 3.2. *Errors:* none.
"""

import re
from dataclasses import dataclass

BLANKS = " \t\r\n\f\v"
_FOLD = re.compile(r"\r?\n(?=[ \t])")
_FOLD_AND_BLANKS = re.compile(r"\r?\n[ \t]++")
_COMMENT_MARKS = re.compile(r'\\.|["()]', re.DOTALL)
_ESCAPING_MARKS = re.compile(r'\\.|[";]', re.DOTALL)
_PLAIN_MARKS = re.compile(r'[";]')
_KNOWN = re.compile(
    r"(?<![^\s;,\"'()<>\x00-\x1f\x7f-\xff])"
    r"(boundary|filename|name|file|charset|access-type|type)(\*[0-9*]{0,12})?\s*+=",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One attribute and the octets after its ``=``, as one dialect cuts them."""

    attribute: str
    raw: str
    is_apart: bool = False
    """A blank stands between the attribute and its ``=``, or after that."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A value as one dialect cuts it."""

    main: str
    parameters: tuple[Parameter, ...]
    is_open: bool
    """It ends within a quoted string."""
    is_over: bool
    """There are more parameters than are looked at."""


def unfolded(text: str) -> str:
    """Return a value on one line; the blanks that begin a line stay."""
    return _FOLD.sub("", text) if "\n" in text else text


def tightened(text: str) -> str:
    """Return a value on one line without the blanks that begin its lines."""
    return _FOLD_AND_BLANKS.sub("", text)


def without_comments(text: str, *, filler: str = "") -> str:
    """Return text with ``filler`` in place of each comment; one that is not closed reaches to the end."""
    if "(" not in text:
        return text
    pieces: list[str] = []
    depth = start = 0
    is_quoted = False
    for found in _COMMENT_MARKS.finditer(text):
        mark = found[0]
        if mark == '"' and not depth:
            is_quoted = not is_quoted
        elif mark == "(" and not is_quoted:
            if not depth:
                pieces.append(text[start : found.start()])
            depth += 1
        elif mark == ")" and depth:
            depth -= 1
            if not depth:
                pieces.append(filler)
                start = found.end()
    return "".join(pieces) if depth else "".join(pieces) + text[start:]


def cut(text: str, *, most: int, has_quotes: bool = True, has_escapes: bool = True) -> Cut:
    """Cut a value at its semicolons: all of them, or those outside of quoted strings."""
    segments, is_open, is_over = _segments(text, most, has_quotes, has_escapes)
    parameters = [_parameter(segment) for segment in segments[1:] if "=" in segment]
    return Cut(segments[0], tuple(parameters), is_open, is_over)


def _segments(text: str, most: int, has_quotes: bool, has_escapes: bool) -> tuple[list[str], bool, bool]:
    """Return the segments, whether the last is open, and whether there would be more."""
    if not has_quotes or '"' not in text:
        first, *others = text.split(";")
        segments = [first, *(each for each in others if each.strip(BLANKS))]
        return segments[: most + 1], False, len(segments) > most + 1
    segments = []
    start = 0
    is_quoted = False
    for found in (_ESCAPING_MARKS if has_escapes else _PLAIN_MARKS).finditer(text):
        if found[0] == '"':
            is_quoted = not is_quoted
        elif found[0] == ";" and not is_quoted:
            segment = text[start : found.start()]
            start = found.end()
            if segment.strip(BLANKS) or not segments:
                segments.append(segment)
            if len(segments) > most:
                return segments, False, bool(text[start:].strip(BLANKS))
    return [*segments, text[start:]], is_quoted, False


def _parameter(segment: str) -> Parameter:
    attribute, _, raw = segment.partition("=")
    is_apart = attribute[-1:] in BLANKS or raw[:1] in BLANKS
    return Parameter(attribute.strip(BLANKS), raw.strip(BLANKS), is_apart and bool(raw))


def found_anywhere(text: str, *, most: int) -> tuple[Parameter, ...]:
    """Return the attributes that matter, wherever they stand: behind a comma, in a comment, in a quoted string."""
    found = []
    for each in _KNOWN.finditer(text):
        found.append(Parameter(each[1] + (each[2] or ""), _raw(text, each.end())))
        if len(found) == most:
            break
    return tuple(found)


def _raw(text: str, start: int) -> str:
    """Return what may be the value that begins at an offset, its quotes with it."""
    while start < len(text) and text[start] in BLANKS:
        start += 1
    quote = text[start : start + 1]
    ends = [text.find(quote, start + 1) + 1] if quote in ("'", '"') else []
    ends.append(text.find(";", start))
    usable = [end for end in ends if end > 0]
    stop = usable[0] if usable else len(text)
    return text[start:stop].strip(BLANKS)
