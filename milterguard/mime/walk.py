# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of one walk: what was found, what is still to be looked at, and what may yet be spent."""

from dataclasses import dataclass, replace

from milterguard.core.part import Flag, Problem
from milterguard.mime.ambiguity import Construct, problem
from milterguard.mime.decoding import Decoding, held
from milterguard.mime.entity import Entity, Limits, Walked
from milterguard.mime.octets import Octets

_MAX_PROBLEMS = 100
_HELD_OCTETS = 1 << 22
"""Of decoded texts, kept for whoever reads the leaves after the walk; what is beyond is decoded again."""
_FREE_OCTETS = 1 << 20
"""Scanned beyond the multiple of the message's size: small messages may be gone through often."""


@dataclass(frozen=True, slots=True)
class Span:
    """A range of octets of one source."""

    source: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Task:
    """A range to be looked into."""

    parent: int
    placement: str
    span: Span
    depth: int
    default: str = "text/plain"
    reading: str = ""
    is_suspect: bool = False
    is_undivided: bool = False
    """It stands as a leaf as it is: over the limits, or a text outside of the parts."""
    boundaries: tuple[bytes, ...] = ()
    """It is no part with a header, but the body of a multipart with these boundaries."""


class Walk:
    """Collects entities and problems, and grants what the limits allow."""

    def __init__(self, body: Octets, limits: Limits) -> None:
        self.limits = limits
        self.sources: list[Octets] = [body]
        self.tasks: list[Task] = []
        self.entities: list[Entity] = []
        self._counts: list[int] = []
        self._problems: dict[tuple[Flag | None, str], Problem] = {}
        self._promised = 0
        self._scannable = min(limits.rescans * (len(body) + _FREE_OCTETS), limits.scanned_bytes)
        self._decodable = limits.decoded_bytes
        self._holdable = _HELD_OCTETS
        self.delimiters = limits.delimiters
        self.is_ambiguous = self.is_over_limits = False
        self.quiet: tuple[str, ...] = ()
        """Beginnings of placements below which nothing is noted: parts that stand in a text shown as it is."""
        self.declared: set[bytes] = set()
        """Boundaries that some part declares."""
        self.dividing: dict[int, frozenset[bytes]] = {}
        """Boundaries of multiparts, by their indexes."""

    def note(self, word: str, placement: str) -> None:
        """Keep a construct, the first place where it was seen only."""
        if any(placement.startswith(quiet) for quiet in self.quiet):
            return
        found = problem(word, placement)
        if len(self._problems) < _MAX_PROBLEMS:
            self._problems.setdefault((found.flag, found.detail), found)
        self.is_ambiguous |= found.flag is Flag.AMBIGUOUS
        self.is_over_limits |= found.flag is Flag.OVER_LIMITS

    def above(self, index: int) -> set[bytes]:
        """Return the boundaries of the multiparts that an entity stands in."""
        found: set[bytes] = set()
        while (index := self.entities[index].parent) >= 0:
            found |= self.dividing.get(index, frozenset())
        return found

    def is_within(self, index: int, types: frozenset[str]) -> bool:
        """Return whether an entity is, or stands in one, of these types."""
        while index >= 0:
            if not types.isdisjoint(self.entities[index].types):
                return True
            index = self.entities[index].parent
        return False

    def room(self) -> int:
        """Return how many more parts may stand in the tree."""
        return max(0, self.limits.parts - self._promised)

    def may_scan(self, span: Span) -> bool:
        """Return whether a range may be gone through once more, and count it."""
        self._scannable -= span.end - span.start
        if self._scannable < 0:
            self.note(Construct.TOO_OFTEN, "1")
        return self._scannable >= 0

    def may_decode(self) -> int:
        """Return how many more octets may be decoded into memory."""
        return self._decodable

    def decoded(self, index: int) -> bytes:
        """Return the octets of a leaf in its first reading, and hold them if they are few."""
        entity = self.entities[index]
        assert entity.decoding is not None
        octets = b"".join(entity.decoding.blocks())
        if len(octets) <= self._holdable:
            self._holdable -= len(octets)
            self.entities[index] = replace(entity, decoding=held(entity.decoding, octets))
        return octets

    def keep(self, octets: bytes) -> Span:
        """Take decoded octets as a new source."""
        self._decodable -= len(octets)
        self._scannable += 2 * len(octets)
        self.sources.append(octets)
        return Span(len(self.sources) - 1, 0, len(octets))

    def number(self, parent: int) -> str:
        """Return the placement of the next child."""
        self._promised += 1
        if parent < 0:
            return "1"
        self._counts[parent] += 1
        return f"{self.entities[parent].placement}/{self._counts[parent]}"

    def add(self, entity: Entity) -> int:
        """Put an entity into the tree and return its index."""
        self.entities.append(entity)
        self._counts.append(0)
        return len(self.entities) - 1

    def leaf(
        self,
        parent: int,
        span: Span,
        *,
        reading: str,
        encoding: str = "identity",
        name: str = "",
        decoding: Decoding | None = None,
    ) -> int:
        """Add a leaf that only some programs see; beyond the limit of parts it is left out and -1 returned."""
        if not self.room():
            self.note(Construct.TOO_MANY_PARTS, self.entities[parent].placement)
            return -1
        return self.add(
            Entity(
                self.number(parent),
                parent,
                names=(name,) if name else (),
                reading=reading,
                is_leaf=True,
                is_suspect=True,
                source=span.source,
                start=span.start,
                end=span.end,
                encoding=encoding,
                decoding=decoding,
            )
        )

    def flag(self, index: int, *flags: Flag) -> None:
        """Add flags to an entity."""
        self.entities[index] = replace(self.entities[index], flags=self.entities[index].flags | frozenset(flags))

    def result(self) -> Walked:
        """Return what was found."""
        return Walked(tuple(self.entities), tuple(self._problems.values()), tuple(self.sources))
