# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages handed to the walker as the milter hands them, and trees written so that a postmaster can read them."""

import re

from milterguard.core.part import Problem
from milterguard.mime.entity import Entity, Limits, Walked
from milterguard.mime.structure import walk

_LINE = re.compile(rb"[^\n]*\n?")
_SHOWN_OCTETS = 48


def cut(raw: bytes) -> tuple[bytes, bytes]:
    """Return header, with CRLF line ends, and body of a message, cut where an MTA does: at what is no field."""
    end = 0
    for match in _LINE.finditer(raw):
        line = match[0].rstrip(b"\r\n")
        if not line:
            return _crlf(raw[:end]), raw[match.end() :]
        if b":" not in line and line[:1] not in (b" ", b"\t"):
            break
        end = match.end()
    return _crlf(raw[:end]), raw[end:]


def _crlf(header: bytes) -> bytes:
    return re.sub(rb"\r?\n", b"\r\n", header)


def walked(raw: bytes, limits: Limits = Limits()) -> Walked:  # noqa: B008 - frozen
    """Walk a whole message."""
    return walk(*cut(raw), limits)


def ambiguities(found: Walked) -> list[str]:
    """Return the constructs for which a message is ambiguous."""
    return [problem.detail for problem in found.problems if problem.flag == "ambiguous"]


def leaves(found: Walked) -> list[tuple[Entity, bytes]]:
    """Return every leaf with its decoded octets."""
    whole = [b"".join(found.octets(index)) if one.is_leaf else b"" for index, one in enumerate(found.entities)]
    return [(one, octets) for one, octets in zip(found.entities, whole, strict=True) if one.is_leaf]


def rendered(found: Walked) -> str:
    """Return a tree as text: a line for each entity in the order of the walk, then a line for each problem."""
    lines = [_line(found, index) for index in range(len(found.entities))]
    return "\n".join([*lines, *(_complaint(problem) for problem in found.problems)]) + "\n"


def _line(found: Walked, index: int) -> str:
    entity = found.entities[index]
    words = [entity.placement.ljust(10), (", ".join(entity.types) or "-").ljust(26)]
    words += [f"name {name!a}" for name in entity.names]
    words += [f"[{entity.reading}]"] if entity.reading else []
    words += [word for word, is_so in (("text", entity.is_text), ("suspect", entity.is_suspect)) if is_so]
    words += sorted(entity.flags)
    if entity.is_leaf:
        octets = b"".join(found.octets(index))
        encoding = "" if entity.encoding == "identity" else f"{entity.encoding}: "
        words.append(f"{encoding}{len(octets)} octets {octets[:_SHOWN_OCTETS]!a}")
    return " ".join(words).rstrip()


def _complaint(problem: Problem) -> str:
    return f"{problem.flag or 'untidy'}: {problem.detail} ({problem.placement})"
