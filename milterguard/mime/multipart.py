# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of a multipart under every boundary that some program may take, and what stands outside of them.

*Source:* RFC 2046 5.1. *Errors:* none; beyond the limits the rest stands as one undivided leaf.
"""

from milterguard.mime import decode, delimiter
from milterguard.mime.ambiguity import Construct
from milterguard.mime.declaration import Declaration
from milterguard.mime.delimiter import Split
from milterguard.mime.header import has_fields
from milterguard.mime.octets import Octets
from milterguard.mime.walk import Span, Task, Walk

_MAX_READINGS = 4
"""Boundaries of one multipart that are followed."""
_SHORT_OCTETS = 240
"""A preamble or epilogue below is a remark to the reader of an old program, or a line of a list."""
_SHORT_LINES = 4


def divide(state: Walk, index: int, task: Task, declared: Declaration) -> None:
    """Push the parts of a multipart, of which ``task.span`` is the body."""
    span = task.span
    splits = _splits(state, index, declared.boundaries, span)
    reading = task.reading
    if not splits:
        boundaries = _guess(state, index, span)
        splits = _splits(state, index, boundaries, span)
        reading = "undeclared delimiter"
    placement = state.entities[index].placement
    if not state.above(index).isdisjoint(declared.boundaries):
        state.note(Construct.SAME_BOUNDARY, placement)
    state.dividing[index] = frozenset(boundary for boundary, _ in splits) | frozenset(declared.boundaries)
    default = "message/rfc822" if "multipart/digest" in declared.types else "text/plain"
    if not splits:
        if not declared.boundaries:
            state.note(Construct.NO_BOUNDARY, placement)
        else:
            state.note(Construct.NO_DELIMITER, placement)
        _undivided(state, index, task, span)
        return
    if len(splits) > 1:
        state.note(Construct.TWO_BOUNDARIES, placement)
    tasks: list[Task] = []
    for number, (boundary, split) in enumerate(splits):
        for word in split.oddities:
            state.note(word, placement)
        is_suspect = task.is_suspect or number > 0 or bool(reading) or _is_odd(split)
        words = reading or (f"boundary {number + 1}" if number else "")
        inner = Task(index, "", span, task.depth + 1, default, words, is_suspect)
        tasks += _parts(state, inner, split)
        tasks += _longer(state, inner, boundary, split)
    tasks += _outside(state, index, task, span, splits)
    state.tasks += reversed(tasks)


def _is_odd(split: Split) -> bool:
    return any(word != Construct.NOT_CLOSED for word in split.oddities)


def _splits(state: Walk, index: int, boundaries: tuple[bytes, ...], span: Span) -> list[tuple[bytes, Split]]:
    """Return how each boundary divides a range, leaving out those that do not."""
    found: list[tuple[bytes, Split]] = []
    for boundary in boundaries:
        if len(found) == _MAX_READINGS or not state.may_scan(span):
            state.note(Construct.TOO_MANY_DELIMITERS, state.entities[index].placement)
            break
        octets = state.sources[span.source]
        allowance = state.delimiters
        split = delimiter.split(octets, boundary, span.start, end=span.end, allowance=allowance)
        state.delimiters -= split.looked_at
        if split.parts or split.epilogue >= 0:
            found.append((boundary, split))
    return found


def _guess(state: Walk, index: int, span: Span) -> tuple[bytes, ...]:
    """Return the boundaries that a multipart seems to have, where none that it declares is in use."""
    octets = state.sources[span.source]
    found = _undeclared(state, index, span)
    if found:
        state.note(Construct.UNDECLARED, state.entities[index].placement)
        return found
    dashed = delimiter.dashed(octets, span.start, span.end)
    return (dashed,) if dashed else ()


def _undeclared(state: Walk, index: int, span: Span) -> tuple[bytes, ...]:
    """Return the boundaries of lines like a delimiter that fields of a part follow."""
    if not state.may_scan(span):
        return ()
    found = delimiter.undeclared(state.sources[span.source], span.start, span.end, most=_MAX_READINGS)
    if not found.is_whole:
        state.note(Construct.TOO_MANY_DELIMITERS, state.entities[index].placement)
    return found.boundaries


def _parts(state: Walk, inner: Task, split: Split) -> list[Task]:
    """Return the tasks for the parts; where the limit is reached, the rest as one leaf."""
    tasks: list[Task] = []
    for number, (start, end) in enumerate(split.parts):
        is_late = 0 <= split.late <= number
        reading = "after the closing delimiter" if is_late else inner.reading
        is_last = state.room() < 2
        if is_last:
            state.note(Construct.TOO_MANY_PARTS, state.entities[inner.parent].placement)
            end = inner.span.end
        span = Span(inner.span.source, start, end)
        tasks.append(
            Task(
                inner.parent,
                state.number(inner.parent),
                span,
                inner.depth,
                inner.default,
                reading,
                inner.is_suspect or is_late,
                is_undivided=is_last,
            )
        )
        if is_last:
            break
    return tasks


def _longer(state: Walk, inner: Task, boundary: bytes, split: Split) -> list[Task]:
    """Return tasks for the lines of which the boundary is only the beginning, unless they are declared elsewhere."""
    octets = state.sources[inner.span.source]
    for longer, place in list(split.longer.items())[:_MAX_READINGS]:
        if _is_declared(state, longer, octets, inner.span):
            continue
        state.note(Construct.NEAR_DELIMITER, state.entities[inner.parent].placement)
        if not state.room():
            break
        newline = octets.find(b"\n", place, inner.span.end)
        span = Span(inner.span.source, newline + 1 if newline >= 0 else inner.span.end, inner.span.end)
        return [_other(state, inner.parent, span, inner.depth, boundaries=(boundary, longer))]
    return []


def _other(state: Walk, parent: int, span: Span, depth: int, boundaries: tuple[bytes, ...] = ()) -> Task:
    return Task(
        parent,
        state.number(parent),
        span,
        depth,
        reading="undeclared delimiter",
        is_suspect=True,
        boundaries=boundaries,
    )


def _is_declared(state: Walk, boundary: bytes, octets: Octets, span: Span) -> bool:
    """Return whether a boundary stands in the octets as the value of a parameter."""
    if boundary in state.declared:
        return True
    for sign in (b'="', b"="):
        if (
            state.may_scan(span)
            and next(delimiter.occurrences(octets, sign + boundary, span.start, end=span.end), -1) >= 0
        ):
            return True
    return False


def _outside(state: Walk, index: int, task: Task, span: Span, splits: list[tuple[bytes, Split]]) -> list[Task]:
    """Return tasks for what stands before the first delimiter and after the last."""
    ends = [split.epilogue for _, split in splits]
    epilogue = max(ends) if min(ends) >= 0 else span.end
    preamble_end = min(split.preamble_end for _, split in splits)
    tasks = []
    for start, end, reading in ((span.start, preamble_end, "preamble"), (epilogue, span.end, "epilogue")):
        tasks += _remark(state, index, task, Span(span.source, start, max(start, end)), reading=reading)
    return tasks


def _remark(state: Walk, index: int, task: Task, span: Span, *, reading: str) -> list[Task]:
    octets = state.sources[span.source]
    size = span.end - span.start
    if size < _SHORT_OCTETS and octets[span.start : span.end].strip().count(b"\n") < _SHORT_LINES:
        return []
    placement = state.entities[index].placement
    if state.room() < 3:
        state.note(Construct.TOO_MANY_PARTS, placement)
        return []
    found = _undeclared(state, index, span)
    found = tuple(one for one in found if not _is_declared(state, one, octets, span))
    if found:
        state.note(Construct.UNDECLARED, placement)
        return [_other(state, index, span, task.depth + 1, boundaries=found)]
    if next(iter(decode.carved(octets, span.start, span.end)), None):
        state.note(Construct.OUTSIDE, placement)
    if reading == "epilogue" and has_fields(octets[span.start : min(span.end, span.start + 1000)]):
        state.note(Construct.AFTER_CLOSING, placement)
        return [Task(index, state.number(index), span, task.depth + 1, reading=reading, is_suspect=True)]
    if not octets[span.start : min(span.end, span.start + _SHORT_OCTETS)].strip() and size < _SHORT_OCTETS:
        return []
    return [Task(index, state.number(index), span, task.depth + 1, reading=reading, is_suspect=True, is_undivided=True)]


def _undivided(state: Walk, index: int, task: Task, span: Span) -> None:
    """Push what was declared a multipart and has no parts as one leaf."""
    if span.start < span.end:
        state.tasks.append(
            Task(
                index,
                state.number(index),
                span,
                task.depth + 1,
                reading="not divided",
                is_suspect=True,
                is_undivided=True,
            )
        )


def undeclared(state: Walk, index: int, task: Task, declared: Declaration) -> None:
    """Push the parts that a body seems to have though its type is no multipart."""
    span = task.span
    octets = state.sources[span.source]
    entity = state.entities[index]
    if declared.boundaries and _splits(state, index, declared.boundaries, span):
        state.note(Construct.BOUNDARY_IN_LEAF, entity.placement)
        state.tasks.append(_other(state, index, span, task.depth + 1, boundaries=declared.boundaries))
        return
    if not state.room():
        return
    found = _undeclared(state, index, span)
    hidden = tuple(one for one in found if not _is_declared(state, one, octets, span))
    is_first = _begins(octets, span, found)
    if not found or (entity.is_text and not hidden and not is_first):
        return
    other = _other(state, index, span, task.depth + 1, boundaries=found)
    if is_first or (hidden and not entity.is_text):
        state.note(Construct.UNDECLARED, entity.placement)
    else:
        state.note(Construct.UNDECLARED_IN_TEXT, entity.placement)
        state.quiet += (other.placement,)
    state.tasks.append(other)


def _begins(octets: Octets, span: Span, boundaries: tuple[bytes, ...]) -> bool:
    """Return whether a delimiter is among the first lines of a body: a text like that is hardly meant to be read."""
    first = octets[span.start : min(span.end, span.start + _SHORT_OCTETS)].lstrip()
    lines = [line.strip() for line in first.split(b"\n", 3)[:3]]
    return any(line == b"--" + boundary for line in lines for boundary in boundaries)
