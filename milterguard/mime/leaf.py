# SPDX-License-Identifier: GPL-3.0-or-later
"""Leaves: in every encoding that is declared, in every way it can be decoded, and with what stands in them.

*Source:* RFC 2045 6, RFC 2046 4. *Errors:* none.
"""

from milterguard.core.part import Flag
from milterguard.mime import decode, multipart
from milterguard.mime.ambiguity import Construct
from milterguard.mime.declaration import Declaration
from milterguard.mime.entity import Entity
from milterguard.mime.walk import Span, Task, Walk

_SHOWN = frozenset({"text/plain", "text/html"})
_NOT_CARVED = ("text/", "application/pgp-")
"""Base64 in these is not content, or shown as it is."""
_SEARCHED_OCTETS = 1 << 20
"""Longer texts are not decoded to look for files in them."""


def flags(types: tuple[str, ...]) -> frozenset[Flag]:
    """Return what a declared type alone says of a part."""
    found = set()
    if "message/partial" in types:
        found.add(Flag.FRAGMENT)
    if "message/external-body" in types:
        found.add(Flag.EXTERNAL)
    return frozenset(found)


def add(state: Walk, task: Task, declared: Declaration, body: Span, *, is_suspect: bool) -> int:
    """Add a leaf in every encoding, and what else may stand in it."""
    is_shown = set(declared.types) <= _SHOWN and not declared.names and not declared.is_attachment
    index = -1
    for encoding in declared.encodings:
        found = decode.decodings(state.sources[body.source], body.start, body.end, encoding)
        for number, decoding in enumerate(found):
            is_first = index < 0
            if not is_first and not state.room():
                state.note(Construct.TOO_MANY_PARTS, task.placement)
                break
            above = task.parent if task.parent >= 0 else index
            if decoding.is_odd and number and not is_shown:
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
                    is_suspect=is_suspect or not is_first or decoding.is_odd,
                    flags=flags(declared.types),
                    source=body.source,
                    start=body.start,
                    end=body.end,
                    encoding=encoding,
                    decoding=number,
                )
            )
            index = added if is_first else index
    _inside(state, index, task, declared, body)
    return index


def _inside(state: Walk, index: int, task: Task, declared: Declaration, body: Span) -> None:
    """Look for parts and files in what is declared a leaf."""
    entity = state.entities[index]
    inner = Task(task.parent, task.placement, body, task.depth)
    multipart.undeclared(state, index, inner, declared)
    if entity.encoding != "identity":
        if entity.is_text and body.end - body.start <= _SEARCHED_OCTETS:
            _encoded_files(state, index, body)
        return
    files(state, index, body)
    if not entity.types[0].startswith(_NOT_CARVED) and not state.is_ambiguous:
        blocks(state, index, body)


def _encoded_files(state: Walk, index: int, body: Span) -> None:
    """Add the files that stand in a text that is encoded itself."""
    entity = state.entities[index]
    raw = state.sources[body.source][body.start : body.end]
    if entity.encoding == "quoted-printable" and b"begin" not in raw and b"BinHex" not in raw:
        return
    octets = b"".join(decode.decodings(raw, 0, len(raw), entity.encoding)[0].blocks())
    if decode.embedded(octets, 0, len(octets)) and len(octets) <= state.may_decode():
        files(state, index, state.keep(octets))


def files(state: Walk, index: int, span: Span) -> None:
    """Add the files that stand in a text: uuencode, yEnc, BinHex."""
    for found in decode.embedded(state.sources[span.source], span.start, span.end):
        place = Span(span.source, found.start, found.end)
        if state.leaf(index, place, reading="in a text", encoding=found.encoding, name=found.name) < 0:
            break


def blocks(state: Walk, index: int, span: Span) -> None:
    """Add the base64 blocks of a leaf that is not said to be in base64."""
    for start, end in decode.carved(state.sources[span.source], span.start, span.end):
        if state.leaf(index, Span(span.source, start, end), reading="carved", encoding="base64") < 0:
            break
