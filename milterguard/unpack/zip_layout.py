# SPDX-License-Identifier: GPL-3.0-or-later
"""What a zip's directory and its local headers say of the same members, and what is wrong between them.

*Source:* PKWARE APPNOTE 4.3 (overall format); nothing may stand between the members.

*Errors:* none; contradictions are listed in fixed words.
"""

from dataclasses import dataclass, field
from itertools import pairwise

from milterguard.unpack.zip_record import (
    DESCRIPTOR_BIT,
    END,
    LOCAL,
    NO_32,
    USUAL_BITS,
    End,
    Header,
    Octets,
    directory,
    end_at,
    local_at,
)

MAX_ENTRIES = 100_000
_MAX_CARVED = 1000
_DESCRIPTOR_SIZES = (0, 12, 16, 20, 24)
_SIGNING_BLOCK = b"APK Sig Block 42"


@dataclass(frozen=True, slots=True)
class Pair:
    """One member as the directory has it, and as its local header does; one of them at least."""

    central: Header | None
    local: Header | None
    stop: int
    """Where its octets end at the latest."""

    @property
    def headers(self) -> tuple[Header, ...]:
        return tuple(header for header in (self.central, self.local) if header is not None)

    @property
    def names(self) -> tuple[bytes, ...]:
        raw = [name for header in self.headers for name in (header.name, *header.unicode_names) if name]
        return tuple(dict.fromkeys(raw))

    @property
    def methods(self) -> frozenset[int]:
        return frozenset(header.method for header in self.headers)

    @property
    def sizes(self) -> frozenset[int]:
        """Declared sizes; a local header before a descriptor tells none."""
        found = {header.size for header in self.headers if header is self.central or not header.bits & DESCRIPTOR_BIT}
        return frozenset(found or {0})

    @property
    def is_encrypted(self) -> bool:
        return any(header.is_encrypted for header in self.headers)

    @property
    def is_unusual(self) -> bool:
        """Whether some programs may not read it at all, though nothing contradicts."""
        return any(header.is_wide or header.bits & ~USUAL_BITS for header in self.headers)

    @property
    def mode(self) -> int:
        return self.central.mode if self.central else 0

    @property
    def data(self) -> int:
        return self.local.data if self.local else self.stop

    def extents(self) -> list[tuple[int, int]]:
        """Method and end of the octets, for each way to read them."""
        found: dict[tuple[int, int], None] = {}
        for header in self.headers:
            is_told_later = not header.packed_size and bool(header.bits & DESCRIPTOR_BIT)
            if header.method == 0 and not is_told_later:
                found[0, min(self.stop, self.data + header.packed_size)] = None
            elif header.method or len(self.headers) == 1:
                found[header.method, self.stop] = None
        if (
            0 in self.methods
            and len(self.methods) == 1
            and self.stop - self.data - max(header.packed_size for header in self.headers) not in _DESCRIPTOR_SIZES
        ):
            found[0, self.stop] = None
        return list(found)


@dataclass(slots=True)
class Layout:
    """A zip as a whole."""

    pairs: list[Pair] = field(default_factory=list)
    contradictions: dict[str, None] = field(default_factory=dict)
    """In the order in which they were seen, each once."""
    is_split: bool = False
    is_wide: bool = False
    """It has an end record of 64 bits."""
    is_cut: bool = False
    """It has more entries than are read."""

    def contradict(self, words: str) -> None:
        self.contradictions[words] = None


def layout_of(octets: Octets, *, is_program: bool) -> Layout:
    """Read all records; ``is_program`` says that octets in front are a self-extractor's."""
    layout = Layout()
    end = _end(octets, layout)
    centrals, limit, base = _directory(octets, end, layout) if end else ([], len(octets), 0)
    if end is None:
        layout.contradict("no end record")
    elif base and not is_program:
        layout.contradict("data in front")
    locals_ = {header.offset + base: header for header in centrals}
    _pair(octets, layout, centrals, limit=limit, base=base)
    _carve(octets, layout, set(locals_), limit=limit, is_program=is_program)
    return layout


def _end(octets: Octets, layout: Layout) -> End | None:
    """The end record that most programs take: the last one, which should reach to the end of the file."""
    end = end_at(octets, octets.rfind(END))
    if end is None:
        return None
    other = _other_end(octets, end)
    if other is not None:
        layout.contradict("several end records")
        end = other if other.stop == len(octets) else end
    if octets[end.stop : end.stop + 65536].strip(b"\0\r\n\t ") or len(octets) > end.stop + 65536:
        layout.contradict("data behind the end")
    layout.is_split = end.disks > 0
    layout.is_wide = end.is_wide
    return end


def _other_end(octets: Octets, end: End) -> End | None:
    """An end record before the last one, from its directory on: in a comment, or between the two."""
    position = end.directory_stop - min(end.directory_size, end.directory_stop)
    for _ in range(_MAX_CARVED):
        position = octets.find(END, position, end.position)
        other = end_at(octets, position)
        if position < 0 or (other is not None and other.stop <= len(octets)):
            return other
        position += 1
    return None


def _directory(octets: Octets, end: End, layout: Layout) -> tuple[list[Header], int, int]:
    """The entries, where the members end, and how much stands in front that offsets do not count."""
    start = end.directory_stop - end.directory_size
    base = start - end.directory_offset
    headers = _entries(octets, start, end.directory_stop, layout)
    if len(headers) != end.entries and len(headers) & 0xFFFF != end.entries and not layout.is_cut:
        layout.contradict("number of entries")
    if base:
        others = _entries(octets, end.directory_offset, end.directory_stop, layout)
        if others and headers:
            layout.contradict("two directories")
        if others and not headers:
            return others, end.directory_offset, 0
    if not headers:
        return [], end.directory_stop, 0
    if headers and base and octets[headers[0].offset : headers[0].offset + 4] == LOCAL and base > 0:
        shifted = octets[headers[0].offset + base : headers[0].offset + base + 4]
        if shifted != LOCAL:
            base = 0
    return headers, max(start, 0), base


def _entries(octets: Octets, start: int, stop: int, layout: Layout) -> list[Header]:
    found: list[Header] = []
    for header in directory(octets, start, stop):
        if len(found) >= MAX_ENTRIES:
            layout.is_cut = True
            break
        found.append(header)
    return found


def _pair(octets: Octets, layout: Layout, centrals: list[Header], *, limit: int, base: int) -> None:
    offsets = sorted({header.offset + base for header in centrals})
    following = dict(pairwise([*offsets, limit]))
    seen: dict[int, Header | None] = {}
    read = 0
    for central in centrals:
        offset = central.offset + base
        if offset in seen:
            layout.contradict("overlapping members")
        else:
            seen[offset] = local_at(octets, offset)
        local = seen[offset]
        read += local.data - local.offset if local else 0
        if read > 2 * len(octets):
            layout.is_cut = True
            return
        stop = following[offset]
        if local is None:
            layout.contradict("a member without local header")
        else:
            if local.data + central.packed_size > stop:
                layout.contradict("overlapping members")
                stop = limit
            _compare(layout, central, local)
            if octets.find(LOCAL, local.offset + 4, local.data) >= 0:
                layout.contradict("a member in the header of another one")
        layout.pairs.append(Pair(central, local, stop))


def _compare(layout: Layout, central: Header, local: Header) -> None:
    if central.name != local.name:
        layout.contradict("names differ")
    if len({*central.unicode_names, *local.unicode_names}) > 1:
        layout.contradict("names differ")
    if central.is_encrypted != local.is_encrypted:
        layout.contradict("one header says encrypted")
    if central.method != local.method:
        layout.contradict("methods differ")
    has_descriptor = bool(local.bits & DESCRIPTOR_BIT)
    if (local.size, local.packed_size) != (central.size, central.packed_size) and not (
        has_descriptor and local.packed_size in (0, NO_32, central.packed_size)
    ):
        layout.contradict("sizes differ")


def _carve(octets: Octets, layout: Layout, known: set[int], *, limit: int, is_program: bool) -> None:
    """Look for members between the members."""
    position = 0
    spans = sorted(
        (pair.local.offset, pair.local.data + _packed(pair)) for pair in layout.pairs if pair.local is not None
    )
    for start, stop in [*spans, (limit, limit)]:
        if start - position > 24 and not _is_signing_block(octets, start):
            _carve_gap(octets, layout, known, start=position, stop=start, is_program=is_program and not position)
        position = max(position, stop)


def _packed(pair: Pair) -> int:
    """How far its octets reach as declared."""
    return max((header.packed_size for header in pair.headers if header.packed_size != NO_32), default=0)


def _is_signing_block(octets: Octets, stop: int) -> bool:
    return octets[max(0, stop - 16) : stop] == _SIGNING_BLOCK


def _carve_gap(octets: Octets, layout: Layout, known: set[int], *, start: int, stop: int, is_program: bool) -> None:
    if not is_program and octets[start : min(stop, start + 65536)].strip(b"\0"):
        layout.contradict("data between members" if start else "data in front")
    if octets.find(END, start, stop) >= 0:
        layout.contradict("several end records")
    found = octets.find(LOCAL, start, stop)
    for _ in range(_MAX_CARVED):
        if found < 0:
            return
        local = local_at(octets, found)
        following = octets.find(LOCAL, found + 4, stop)
        if local is not None and found not in known and local.name:
            layout.contradict("a member that the directory does not have")
            layout.pairs.append(Pair(None, local, stop if following < 0 or local.method else following))
        found = following
    layout.is_cut = layout.is_cut or found >= 0
