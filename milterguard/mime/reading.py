# SPDX-License-Identifier: GPL-3.0-or-later
"""What the octets after an attribute's ``=`` mean: every value that some program makes of them.

*Source:* RFC 2045 section 5.1, RFC 2822 section 3.2.5, and the habits of mail programs. *Errors:* none.
"""

import re
from collections.abc import Iterator

from milterguard.mime.dialect import BLANKS, without_comments

MAX_CHARACTERS = 8192
"""Of a longer value the head and the tail of half that length are read: what a name ends in is seen."""
_PLAIN = re.compile(
    r"[^\s\"'\\(),;<\x00-\x1f\x7f]++|\"(?!<)(?:[^\s\"\\;\x00-\x1f\x7f]++|\x20++(?!\"))++\"",
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_CLOSED_ESCAPING = re.compile(r'"((?:[^"\\]|\\.)*+)(?:"|\\?\Z)', re.DOTALL)
_CLOSED_PLAIN = re.compile(r'"([^"]*+)(?:"|\Z)')
_FIRST_WORD = re.compile(r"[^\s,;]+")
_UNSEEN = re.compile(r"[\x00-\x1f\x7f]")


def readings(raw: str) -> tuple[str, ...]:
    """Return every reading of a value, the one by the book first; one only where all programs agree."""
    if len(raw) > MAX_CHARACTERS:
        raw = raw[: MAX_CHARACTERS // 2] + raw[-MAX_CHARACTERS // 2 :]
    if _PLAIN.fullmatch(raw):
        return tuple(dict.fromkeys((raw.strip('"'), raw.strip('"').strip(BLANKS))))
    found = dict.fromkeys(_quoted(raw) if raw.startswith('"') else _bare(raw))
    for value in tuple(found):
        found.update(dict.fromkeys(_clipped(value)))
    return tuple(found)


def unescaped(text: str) -> str:
    """Return text with its quoted-pairs resolved."""
    return _ESCAPED.sub(r"\1", text)


def _quoted(raw: str) -> Iterator[str]:
    """Yield what a value that begins with a quote may be."""
    closed = _CLOSED_ESCAPING.match(raw)
    inner = closed[1] if closed else raw[1:]
    yield unescaped(inner)
    yield inner
    plain = _CLOSED_PLAIN.match(raw)
    if plain:
        yield plain[1]
    rest = raw[closed.end() :] if closed else ""
    if rest:
        # Concatenated, or the first of two strings, or all with quotes and comments left out.
        bare = without_comments(rest).strip(BLANKS)
        yield unescaped(inner) + bare.replace('"', "")
        yield unescaped(raw.replace('"', ""))
        yield without_comments(raw).replace('"', "").strip(BLANKS)
        yield bare.strip('"')
        yield raw[1:].removesuffix('"')
    if not rest and not raw[1:].endswith('"'):
        yield from _bare(raw[1:])
    if rest or not raw[1:].endswith('"'):
        # Python's email takes off a pair of quotes or none.
        yield raw


def _bare(raw: str) -> Iterator[str]:
    """Yield what a value that does not begin with a quote may be."""
    cleaned = without_comments(raw).strip(BLANKS)
    if cleaned.startswith('"') and cleaned != raw:
        yield from _quoted(cleaned)
    yield cleaned
    yield without_comments(raw, filler=" ").strip(BLANKS)
    yield raw
    word = _FIRST_WORD.search(cleaned)
    yield word[0] if word else ""
    word = _FIRST_WORD.search(raw)
    yield word[0] if word else ""
    if "," in raw:
        yield raw.partition(",")[0].strip(BLANKS)
    if "(" in raw:
        yield raw.partition("(")[0].strip(BLANKS)
    if ")" in raw:
        yield raw.partition(")")[0].strip(BLANKS)
    if '"' in raw:
        yield raw.replace('"', "")
        yield raw.partition('"')[0].strip(BLANKS)
        yield raw.partition('"')[2].partition('"')[0]
    if "\\" in raw:
        yield unescaped(raw)
    if raw[:1] == "'":
        yield raw[1:].partition("'")[0]
        yield raw.strip("'")


def _clipped(value: str) -> Iterator[str]:
    """Yield what is left of a value where a semicolon, a control or an outer blank ends it or is left out."""
    if ";" in value:
        yield value.partition(";")[0]
    if value[-1:] in BLANKS or value[:1] in BLANKS:
        yield value.rstrip(BLANKS)
        yield value.strip(BLANKS)
    if value[:1] == "<" and value[-1:] == ">":
        yield value[1:-1]
    unseen = _UNSEEN.search(value)
    if unseen:
        yield value[: unseen.start()]
        yield _UNSEEN.sub("", value)
        yield _UNSEEN.sub(" ", value)
        yield value.partition("\0")[0]
        yield value.replace("\0", "")
