# SPDX-License-Identifier: GPL-3.0-or-later
"""The walk through a message: an iterative one, bounded in everything, that follows every reading.

The parts of all readings stand in one tree: what only some programs see is a child, with a ``reading``, of the part
in which they see it. Offsets go into the octets handed in, which need not lie in memory.

*Source:* RFC 2045, 2046. *Errors:* none; limits and oddities are ``Problem``s.
"""

from milterguard.mime import encoded, leaf, multipart
from milterguard.mime.ambiguity import Construct
from milterguard.mime.declaration import Declaration, declare
from milterguard.mime.entity import Entity, Limits, Walked
from milterguard.mime.header import Header, has_fields, read
from milterguard.mime.octets import Octets
from milterguard.mime.walk import Span, Task, Walk

__all__ = ["Entity", "Limits", "Walked", "walk"]

_FIRST_LOOK = 4096
"""Octets in which the end of a part's header is expected."""
_LEAF_MESSAGES = frozenset(
    f"message/{name}"
    for name in (
        "delivery-status",
        "disposition-notification",
        "feedback-report",
        "tracking-status",
        "global-delivery-status",
        "global-disposition-notification",
        "global-headers",
        "imdn+xml",
        "http",
        "sip",
        "sipfrag",
    )
)


def walk(header: bytes, body: Octets, limits: Limits = Limits()) -> Walked:  # noqa: B008 - frozen
    """Return everything that a mail program may find in a message. Never raises.

    ``header`` is the message's own header section with CRLF line ends, ``body`` what follows its blank line.
    """
    state = Walk(body, limits)
    _message(state, header)
    while state.tasks:
        _task(state, state.tasks.pop())
    if state.is_ambiguous or state.is_over_limits:
        _carve(state)
    return state.result()


def _carve(state: Walk) -> None:
    """Add every base64 block of a message that nobody can divide for certain as a leaf of its own."""
    leaf.blocks(state, 0, Span(0, 0, len(state.sources[0])))


def _message(state: Walk, header: bytes) -> None:
    limit = state.limits.header_bytes
    task = Task(-1, state.number(-1), Span(0, 0, len(state.sources[0])), 0)
    if len(header) > limit:
        state.note(Construct.TOO_LONG_HEADER, task.placement)
    found = read(header[:limit], is_whole=True)
    _part(state, task, found, task.span)


def _task(state: Walk, task: Task) -> None:
    if task.is_undivided:
        _undivided(state, task, "")
    elif task.depth > state.limits.depth:
        _undivided(state, task, Construct.TOO_DEEP)
    elif task.boundaries:
        index = state.add(Entity(task.placement, task.parent, reading=task.reading, is_suspect=True))
        multipart.divide(state, index, task, Declaration(boundaries=task.boundaries))
    else:
        header = _header(state, task.span)
        if header is None:
            _undivided(state, task, Construct.TOO_LONG_HEADER)
        else:
            _part(state, task, header, Span(task.span.source, task.span.start + header.end, task.span.end))


def _undivided(state: Walk, task: Task, limit: str) -> None:
    if limit:
        state.note(limit, task.placement)
    span = task.span
    index = state.add(
        Entity(
            task.placement,
            task.parent,
            reading=task.reading,
            is_leaf=True,
            is_suspect=True,
            source=span.source,
            start=span.start,
            end=span.end,
        )
    )
    if task.is_undivided:
        leaf.files(state, index, span)


def _header(state: Walk, span: Span) -> Header | None:
    """Return the header at the start of a range, None when it is too long."""
    octets = state.sources[span.source]
    limit = state.limits.header_bytes
    found = read(octets[span.start : min(span.end, span.start + _FIRST_LOOK)])
    if not found.is_ended and span.end - span.start > _FIRST_LOOK:
        found = read(octets[span.start : min(span.end, span.start + limit)])
        if not found.is_ended and span.end - span.start > limit:
            return None
    return found


def _part(state: Walk, task: Task, header: Header, body: Span) -> None:
    """Look at a part of which the header is read."""
    declared = declare(header.fields, task.default)
    state.declared.update(declared.boundaries)
    for word in (*header.oddities, *declared.oddities):
        state.note(word, task.placement)
    is_suspect = task.is_suspect or bool(header.oddities or declared.oddities)
    has_multipart = any(kind.startswith("multipart/") for kind in declared.types)
    has_message = any(_is_message(kind) for kind in declared.types)
    has_other_message = has_message and "message/rfc822" not in declared.types
    if not (has_multipart or has_message):
        index = leaf.add(state, task, declared, body, is_suspect=is_suspect)
        _alternatives(state, index, task, header, body)
        return
    has_leaf = not all(kind.startswith("multipart/") or _is_message(kind) for kind in declared.types)
    index = state.add(
        Entity(
            task.placement,
            task.parent,
            declared.types,
            declared.names,
            task.reading,
            is_leaf=has_leaf,
            is_suspect=is_suspect,
            flags=leaf.flags(declared.types),
            source=body.source,
            start=body.start,
            end=body.end,
        )
    )
    _alternatives(state, index, task, header, body)
    for span in encoded.spans(state, index, declared, body):
        is_odd = is_suspect or span is not body or has_other_message
        inner = Task(index, task.placement, span, task.depth, is_suspect=is_odd, reading=task.reading)
        if has_message:
            _nested(state, index, inner)
        if has_multipart:
            multipart.divide(state, index, inner, declared)
        elif declared.boundaries:
            multipart.undeclared(state, index, inner, declared)


def _is_message(kind: str) -> bool:
    return kind.startswith("message/") and kind not in _LEAF_MESSAGES


def _alternatives(state: Walk, index: int, task: Task, header: Header, body: Span) -> None:
    """Push what the body is for programs that let it begin elsewhere, or the header go on."""
    octets = state.sources[body.source]
    entity = state.entities[index]
    if header.other_end >= 0 and task.parent >= 0 and state.room():
        start = body.start - header.end + header.other_end
        span = Span(body.source, start, body.end)
        words = "header cut short"
        state.tasks.append(
            Task(index, state.number(index), span, task.depth + 1, reading=words, is_suspect=True, is_undivided=True)
        )
    if not any(_is_message(kind) for kind in entity.types) and "text/rfc822-headers" not in entity.types:
        first = octets[body.start : min(body.end, body.start + _FIRST_LOOK)]
        if has_fields(first) and state.room():
            state.note(Construct.FIELDS_AFTER_HEADER, entity.placement)
            start = body.start + len(first) - len(first.lstrip(b"\r\n"))
            span = Span(body.source, start, body.end)
            words = "fields after the header"
            state.tasks.append(Task(index, state.number(index), span, task.depth + 1, reading=words, is_suspect=True))


def _nested(state: Walk, index: int, inner: Task) -> None:
    """Push the message that a message part carries."""
    if inner.span.start < inner.span.end:
        depth, is_suspect = inner.depth + 1, inner.is_suspect
        task = Task(index, state.number(index), inner.span, depth, reading=inner.reading, is_suspect=is_suspect)
        state.tasks.append(task)
