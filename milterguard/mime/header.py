# SPDX-License-Identifier: GPL-3.0-or-later
"""The header section of a message or part, split as different programs would split it.

Only the fields that say what the body is are kept. Where programs disagree whether a line is such a field, it is
taken for one and the construct is named; where they disagree where the header ends, both ends are told.

*Source:* RFC 5322 2.2 and 4.5 (obsolete folding, blanks before the colon). *Errors:* none; every octet string is read.
"""

import re
from dataclasses import dataclass

from milterguard.mime.ambiguity import Construct

_END = re.compile(rb"(?:\A|\n)\r?\n")
_REGULAR = re.compile(rb"(?:[!-9;-~]++:[^\r\n\0]*+(?:\r?\n[ \t]++[^\r\n\0 \t][^\r\n\0]*+)*+(?:\r?\n|\Z))*+")
_NAME = re.compile(rb"(?m)^([!-9;-~]+):")
_CONTENT = re.compile(
    rb"(?mi)^(content-(?:type|transfer-encoding|disposition|description|name|id|location)):([^\n]*(?:\n[ \t][^\n]*)*)"
)
_FOLD = re.compile(rb"\r?\n(?=[ \t])")
_FOLDED_FIELD = re.compile(rb"\n[ \t]++[^a-zA-Z\r\n:]{0,8}+(?i:content)[^\r\n]{0,60}?:")
_ENCODED_WORD = re.compile(rb"=\?[^?]*\?[bBqQ]\?|\?=")
_LINE = re.compile(rb"([^\r\n]*)(\r\n|\n|\r|\Z)")
_COMMENT = re.compile(rb"\([^()]*\)?")
_LETTERS = bytes(octet for octet in range(256) if not (65 <= octet <= 90 or 97 <= octet <= 122))
_LETTERS_OF_LINES = _LETTERS.replace(b"\n", b"")
_WITHOUT_COLON = re.compile(rb"(?i)[^a-z]{0,8}content[-_ ](type|transfer-encoding|disposition)[^a-z:]+(.*)", re.DOTALL)
_MBOX = re.compile(rb">?From ")

_EMPTY_LINE = re.compile(rb"\n[ \t\r]*\n")
_BARE = re.compile(rb"content(?:type|transferencoding|disposition)")
_LIKE_VALUE = re.compile(rb"(?i)\A[^a-z]{0,8}(?:[a-z]{1,20}/|base|quoted|x-|attachment|inline)")

_NAMES = {
    b"contenttype": b"content-type",
    b"contenttransferencoding": b"content-transfer-encoding",
    b"contentdisposition": b"content-disposition",
    b"contentdescription": b"content-description",
    b"contentname": b"content-name",
    b"contentid": b"content-id",
    b"contentlocation": b"content-location",
}
_MAX_LINES = 24
_MAX_NAME = 100
_STRUCTURAL = (b"content-type", b"content-transfer-encoding", b"content-disposition")


@dataclass(frozen=True, slots=True)
class Field:
    """A field that says what the body is."""

    name: bytes
    """``content-type`` and so on: lower case, without whatever stood in it."""
    value: bytes
    """Unfolded."""


@dataclass(frozen=True, slots=True)
class Header:
    """A header section as read."""

    fields: tuple[Field, ...] = ()
    end: int = 0
    """Where the body begins, counted from the first octet of the header."""
    other_end: int = -1
    """Where it begins for other programs; -1 when all agree."""
    oddities: tuple[str, ...] = ()
    is_ended: bool = True
    """The line that ends it was found."""


def read(octets: bytes, *, is_whole: bool = False) -> Header:
    """Read the header section at the start of some octets; ``is_whole``: they are nothing else. Never raises."""
    if is_whole:
        block, end, is_ended = octets[:-2] if octets.endswith(b"\n\r\n") else octets, len(octets), True
    else:
        found = _END.search(octets)
        end = found.end() if found else len(octets)
        block = octets[: found.start() + 1] if found and found.start() else octets[:end] if not found else b""
        is_ended = found is not None
    if is_ended and _is_regular(block):
        return Header(_content(block), end)
    return _Reader(octets, is_whole=is_whole).read()


def has_fields(octets: bytes) -> bool:
    """Return whether a field that says what a body is stands in the first paragraph of some octets."""
    paragraph = _EMPTY_LINE.split(octets.lstrip(b"\r\n \t"), 1)[0]
    bare = _COMMENT.sub(b"", paragraph) if b"(" in paragraph else paragraph
    if not _BARE.search(bare.translate(None, _LETTERS).lower()):
        return False
    lines = paragraph.split(b"\n", _MAX_LINES)[:_MAX_LINES]
    unfolded = _FOLD.sub(b"", paragraph).split(b"\n", _MAX_LINES)[:_MAX_LINES] if b"\n " in paragraph else []
    for line in (*lines, *unfolded):
        if line[:2] == b"--" or line[:1] == b">":
            return False
        name, colon, _ = line.partition(b":")
        if colon and len(name) <= _MAX_NAME and _canonical(name) in _STRUCTURAL:
            return True
        loose = _WITHOUT_COLON.match(line)
        if loose and _LIKE_VALUE.search(loose[2]):
            return True
    return False


def _is_regular(block: bytes) -> bool:
    """Return whether every program splits a header section into the same fields."""
    if not _REGULAR.fullmatch(block) or _FOLDED_FIELD.search(block):
        return False
    names = b"\n".join(_NAME.findall(block)).lower()
    if b"(" in names or b"=?" in names:
        return not any(_canonical(name) not in (b"", name) for name in names.split(b"\n"))
    letters = names.translate(None, _LETTERS_OF_LINES).split(b"\n")
    return not any(_NAMES.get(bare, name) != name for bare, name in zip(letters, names.split(b"\n"), strict=True))


def _content(block: bytes) -> tuple[Field, ...]:
    return tuple(Field(name.lower(), _FOLD.sub(b"", value).strip()) for name, value in _CONTENT.findall(block))


def _canonical(name: bytes) -> bytes:
    if b"(" in name:
        name = _COMMENT.sub(b"", name)
    if b"=?" in name:
        name = _ENCODED_WORD.sub(b"", name)
    return _NAMES.get(name.translate(None, _LETTERS).lower(), b"")


def _disguise(name: bytes) -> str:
    """Return what is odd in the name of a field that some program would still know."""
    if name.rstrip(b" \t").lower() in _NAMES.values():
        return Construct.BLANK_IN_NAME
    if b"\0" in name:
        return Construct.NUL_IN_NAME
    if b"(" in name:
        return Construct.COMMENT_IN_NAME
    return Construct.JUNK_IN_NAME if name.isascii() else Construct.EIGHT_BIT_IN_NAME


class _Reader:
    """Reads line by line what is not by the book."""

    def __init__(self, octets: bytes, *, is_whole: bool) -> None:
        self._octets = octets
        self._is_whole = is_whole
        self._fields: list[tuple[bytes, list[bytes]]] = []
        self._current: list[bytes] | None = None
        self._oddities: dict[str, None] = {}
        self._cut = -1
        """Where a program that is strict about lines lets the body begin."""
        self._cut_oddity = ""
        self._has_fields_after_cut = False
        self._has_any = False
        self._pending = b""
        """A line without a colon that may go on in a folded one."""
        self._is_after_cr = False

    def read(self) -> Header:
        position, is_ended = 0, self._is_whole
        while position < len(self._octets):
            match = _LINE.match(self._octets, position)
            if match is None:
                break
            text, ending = match.groups()
            if not text and self._is_end(ending, match.end()):
                position, is_ended = match.end(), True
                break
            if text:
                self._line(text, position, match.end())
            self._is_after_cr = ending == b"\r"
            position = match.end()
        return self._result(position, is_ended=is_ended)

    def _is_end(self, ending: bytes, after: int) -> bool:
        if self._is_after_cr:
            self._oddities.setdefault(Construct.BARE_CR_IN_HEADER)
        if ending != b"\r":
            return True
        self._oddities.setdefault(Construct.BARE_CR_IN_HEADER)
        if b"\n" not in self._octets:
            return True
        self._note_cut(after, "")
        return False

    def _note_cut(self, position: int, oddity: str) -> None:
        if self._cut < 0:
            self._cut, self._cut_oddity = position, oddity

    def _line(self, text: bytes, start: int, after: int) -> None:
        if not text.strip(b" \t\0\v\f"):
            self._note_cut(after, Construct.BLANK_LINE)
        elif text[:1] in b" \t" and self._has_any:
            self._fold(text)
        else:
            self._pending = b""
            self._field(text, start)

    def _fold(self, text: bytes) -> None:
        name, colon, value = text.lstrip().partition(b":")
        joined = self._pending + text
        if colon and len(name) <= _MAX_NAME and _canonical(name) in _STRUCTURAL:
            self._add(name, value, Construct.FIELD_IN_FOLD)
        elif self._pending and _canonical(joined.partition(b":")[0]):
            name, _, value = joined.partition(b":")
            self._add(name, value, Construct.FIELD_IN_FOLD)
        elif self._current is not None:
            if self._is_after_cr:
                self._oddities.setdefault(Construct.BARE_CR_IN_HEADER)
            self._has_fields_after_cut |= self._cut >= 0
            self._current.append(text)
        self._pending = b""

    def _field(self, text: bytes, start: int) -> None:
        if text[:1] in b" \t":
            self._oddities.setdefault(Construct.FIRST_LINE_FOLDED)
        text = text.lstrip(b" \t:")
        if start == 0 and _MBOX.match(text):
            return
        self._has_any = True
        name, colon, value = text.partition(b":")
        canonical = _canonical(name) if colon and len(name) <= _MAX_NAME else b""
        loose = None if canonical else _WITHOUT_COLON.match(text)
        if canonical:
            is_plain = name.lower() == canonical and not (start and self._octets[start : start + 1] == b":")
            self._add(name, value, "" if is_plain else _disguise(name))
        elif loose:
            self._add(b"content-" + loose[1], loose[2], Construct.NO_COLON)
        else:
            self._current = None
            if not colon or not name.strip():
                self._note_cut(start, Construct.NO_HEADER_END if self._fields else "")
                self._pending = text if len(text) <= _MAX_NAME else b""

    def _add(self, name: bytes, value: bytes, oddity: str) -> None:
        canonical = _canonical(name)
        if oddity:
            self._oddities.setdefault(oddity)
        if self._is_after_cr:
            self._oddities.setdefault(Construct.BARE_CR_IN_HEADER)
        if canonical in _STRUCTURAL and self._cut >= 0:
            self._has_fields_after_cut = True
        if b"\0" in value:
            self._oddities.setdefault(Construct.NUL_IN_FIELD)
        self._current = [value]
        self._fields.append((canonical, self._current))

    def _result(self, position: int, *, is_ended: bool) -> Header:
        end, other = position, -1
        if self._has_fields_after_cut:
            other = self._cut
            self._oddities.setdefault(Construct.CUT_SHORT)
        elif self._cut >= 0 and not self._is_whole:
            end = self._cut
            if self._cut_oddity:
                self._oddities.setdefault(self._cut_oddity)
        fields = tuple(Field(name, b"".join(lines).strip()) for name, lines in self._fields)
        return Header(fields, end, other, tuple(self._oddities), is_ended)
