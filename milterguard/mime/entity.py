# SPDX-License-Identifier: GPL-3.0-or-later
"""What a walk through a message yields: entities, problems, and the octets of each leaf."""

from collections.abc import Iterator
from dataclasses import dataclass

from milterguard.core.part import Flag, Problem
from milterguard.mime import decode
from milterguard.mime.decoding import Decoding
from milterguard.mime.octets import Octets


@dataclass(frozen=True, slots=True)
class Limits:
    """How far a message is looked into; beyond, the rest stands as one undivided leaf."""

    depth: int = 40
    """Multiparts and messages in each other."""
    parts: int = 1000
    header_bytes: int = 262_144
    """Of the header section of one part."""
    decoded_bytes: int = 33_554_432
    """Octets of encoded messages and multiparts that are decoded in memory, all together."""
    delimiters: int = 20_000
    """Places that begin like a delimiter line, all together."""
    rescans: int = 64
    """How often the octets are gone through, as a multiple of their number."""
    scanned_bytes: int = 402_653_184
    """Octets gone through, all together, however large the message."""


@dataclass(frozen=True, slots=True)
class Entity:
    """One node. All text is hostile."""

    placement: str
    """``1``, ``1/2``; unique."""
    parent: int
    """Index of the entity that it stands in; -1 for the message."""
    types: tuple[str, ...] = ()
    """Declared, lower case; several when programs may take different ones."""
    names: tuple[str, ...] = ()
    reading: str = ""
    """Empty when by the book, else how it was come by."""
    is_leaf: bool = False
    """It has octets of its own; a leaf may yet have children, such as a file in a text."""
    is_text: bool = False
    """A mail program shows it as the text of the mail."""
    is_suspect: bool = False
    """A scanner that is given the raw message may not see these octets."""
    flags: frozenset[Flag] = frozenset()
    source: int = 0
    """Index into ``Walked.sources``; 0 is the body handed in."""
    start: int = 0
    end: int = 0
    encoding: str = "identity"
    decoding: Decoding | None = None
    """Which of the ways to decode it; None: what most programs make of the range."""


@dataclass(frozen=True, slots=True)
class Walked:
    """A message looked into."""

    entities: tuple[Entity, ...]
    """Every parent before its children."""
    problems: tuple[Problem, ...]
    sources: tuple[Octets, ...]

    def octets(self, index: int) -> Iterator[bytes]:
        """Yield the decoded octets of a leaf in bounded blocks; may be asked again. Never raises."""
        entity = self.entities[index]
        octets = self.sources[entity.source]
        way = entity.decoding or decode.decodings(octets, entity.start, entity.end, entity.encoding)[0]
        return way.blocks()
