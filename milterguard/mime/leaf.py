# SPDX-License-Identifier: GPL-3.0-or-later
"""Leaves: in every encoding that is declared, in every way it can be decoded, and with what stands in them.

*Source:* RFC 2045 6, RFC 2046 4. *Errors:* none.
"""

from milterguard.core.part import Flag
from milterguard.mime import calendar, decode, delimiter, multipart
from milterguard.mime.ambiguity import Construct
from milterguard.mime.declaration import Declaration
from milterguard.mime.entity import Entity
from milterguard.mime.header import has_fields
from milterguard.mime.octets import Octets
from milterguard.mime.walk import Span, Task, Walk

_CARVED_OCTETS = 1 << 23
"""Of a leaf that is not said to be in base64: no program decodes it, and a message of which that is not sure is
ambiguous already."""
_SHOWN = frozenset({"text/plain", "text/html"})
_NOT_CARVED = ("text/", "application/pgp-")
"""Base64 in these is not content, or shown as it is."""
_OTHER_CONTAINERS = frozenset(
    {"application/macbinary", "application/x-macbinary", "x-sun-attachment", "text/x-sun-attachment"}
)
"""Files in forms of old that some programs still take apart, and nobody here."""
_CALENDARS = frozenset({"text/calendar", "application/ics"})
_COMMON_ENCODINGS = frozenset({"base64", "quoted-printable"})
_LESS_KNOWN = frozenset({"multipart/signed", "multipart/parallel"})
_HEAD = 4096
_MOST_FILES = 50
"""In one text."""
_SEARCHED_OCTETS = 1 << 20
"""Longer texts are not decoded to look for files in them."""


def flags(types: tuple[str, ...]) -> frozenset[Flag]:
    """Return what a declared type alone says of a part."""
    found = set()
    if "message/partial" in types:
        found.add(Flag.FRAGMENT)
    if "message/external-body" in types:
        found.add(Flag.EXTERNAL)
    if not _OTHER_CONTAINERS.isdisjoint(types):
        found.add(Flag.UNDECODABLE)
    return frozenset(found)


def add(state: Walk, task: Task, declared: Declaration, body: Span, *, is_suspect: bool) -> int:
    """Add a leaf in every encoding, and what else may stand in it."""
    is_shown = set(declared.types) <= _SHOWN and not declared.names and not declared.is_attachment
    index = -1
    for encoding in declared.encodings:
        found = decode.decodings(state.sources[body.source], body.start, body.end, encoding)
        for decoding in found:
            is_first = index < 0
            if not is_first and not state.room():
                state.note(Construct.TOO_MANY_PARTS, task.placement)
                break
            above = task.parent if task.parent >= 0 else index
            if decoding.is_ambiguous:
                state.note(Construct.ODD_CONTENT, task.placement)
            added = state.add(
                Entity(
                    task.placement if is_first else state.number(above),
                    above,
                    declared.types,
                    declared.names,
                    decoding.reading or (task.reading if is_first else encoding),
                    is_leaf=True,
                    is_text=is_shown and is_first,
                    is_suspect=is_suspect
                    or not is_first
                    or decoding.is_odd
                    or _is_unusual(state, task, declared, encoding=encoding),
                    flags=flags(declared.types),
                    source=body.source,
                    start=body.start,
                    end=body.end,
                    encoding=encoding,
                    decoding=decoding,
                )
            )
            index = added if is_first else index
    _inside(state, index, task, body, declared=declared)
    return index


def _is_unusual(state: Walk, task: Task, declared: Declaration, *, encoding: str) -> bool:
    """Return whether a leaf is such as clamd 1.4 does not decode, though everybody reads it the same way."""
    if encoding == "identity":
        return False
    if encoding not in _COMMON_ENCODINGS or declared.is_untyped:
        return True
    return any(kind.startswith("message/") for kind in declared.types) or state.is_within(task.parent, _LESS_KNOWN)


def _inside(state: Walk, index: int, task: Task, body: Span, *, declared: Declaration) -> None:
    """Look for parts and files in what is declared a leaf."""
    entity = state.entities[index]
    inner = Task(task.parent, task.placement, body, task.depth)
    multipart.undeclared(state, index, inner, declared)
    if not _CALENDARS.isdisjoint(entity.types) or any(name.lower().endswith(".ics") for name in entity.names):
        _calendar(state, index)
    if entity.encoding != "identity":
        _encoded(state, index, inner)
        return
    has_files = files(state, index, body)
    if declared.encodings == ("identity",) and not has_files:
        _guessed(state, index, body)
    if not entity.types[0].startswith(_NOT_CARVED) and not state.is_ambiguous:
        blocks(state, index, body)


def _calendar(state: Walk, index: int) -> None:
    """Add the files that stand in a calendar."""
    entity = state.entities[index]
    if entity.end - entity.start > state.may_decode():
        state.note(Construct.TOO_MUCH, entity.placement)
        return
    for count, (name, encoded) in enumerate(calendar.attached(state.decoded(index))):
        if count == _MOST_FILES:
            state.note(Construct.TOO_MANY_PARTS, entity.placement)
        if count >= _MOST_FILES:
            break
        state.leaf(index, state.keep(encoded), reading="in a calendar", encoding="base64", name=name)


def _guessed(state: Walk, index: int, body: Span) -> None:
    """Add what a leaf is in the encodings that it seems to be in and does not say."""
    octets = state.sources[body.source]
    for encoding in decode.guessed(octets, body.start, body.end):
        for decoding in decode.decodings(octets, body.start, body.end, encoding):
            reading = decoding.reading or f"{encoding}, not declared"
            state.leaf(index, body, reading=reading, encoding=encoding, decoding=decoding)


def _encoded(state: Walk, index: int, task: Task) -> None:
    """Look for parts and files in a leaf that is encoded itself: a text, or what begins like a message."""
    entity, span = state.entities[index], task.span
    size = span.end - span.start
    is_searched = entity.is_text and size <= _SEARCHED_OCTETS
    may_decode = size <= state.may_decode()
    octets = state.decoded(index) if is_searched and may_decode else b""
    head = octets[:_HEAD] or _head(state.sources[span.source], span, entity.encoding)
    begins = has_fields(head) or head.lstrip()[:2] == b"--"
    if not (is_searched or begins) or not may_decode:
        return
    octets = octets or state.decoded(index)
    is_divided = bool(delimiter.undeclared(octets, 0, len(octets), most=1).boundaries)
    if not (is_divided or begins or decode.embedded(octets, 0, len(octets), at_most=1)):
        return
    kept = state.keep(octets)
    files(state, index, kept)
    if begins or is_divided:
        _message(state, index, kept, task.depth)


def _head(octets: Octets, span: Span, encoding: str) -> bytes:
    end = min(span.end, span.start + _HEAD)
    return b"".join(decode.decodings(octets, span.start, end, encoding)[0].blocks())


def _message(state: Walk, index: int, span: Span, depth: int) -> None:
    """Push what decoded octets are if they are a message, or the body of one; mail programs show them as they are."""
    if state.room():
        placement = state.number(index)
        state.quiet += (placement,)
        words = "message in an encoded part"
        state.tasks.append(Task(index, placement, span, depth + 1, reading=words, is_suspect=True))


def files(state: Walk, index: int, span: Span) -> bool:
    """Add the files that stand in a text: uuencode, yEnc, BinHex. Tells whether there are any."""
    octets = state.sources[span.source]
    found = decode.embedded(octets, span.start, span.end, at_most=_MOST_FILES + 1) if state.may_scan(span) else ()
    if len(found) > _MOST_FILES:
        state.note(Construct.TOO_MANY_PARTS, state.entities[index].placement)
    for file in found[:_MOST_FILES]:
        _file(state, index, Span(span.source, file.start, file.end), file)
    return bool(found)


def _file(state: Walk, index: int, place: Span, file: decode.Embedded) -> None:
    for one in decode.decodings(state.sources[place.source], place.start, place.end, file.encoding):
        reading = one.reading or "in a text"
        if state.leaf(index, place, reading=reading, encoding=file.encoding, name=file.name, decoding=one) < 0:
            break


def blocks(state: Walk, index: int, span: Span) -> None:
    """Add the base64 blocks of a leaf that is not said to be in base64."""
    if not state.may_scan(span):
        return
    for start, end in decode.carved(state.sources[span.source], span.start, min(span.end, span.start + _CARVED_OCTETS)):
        if state.leaf(index, Span(span.source, start, end), reading="carved", encoding="base64") < 0:
            break
