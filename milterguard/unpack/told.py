# SPDX-License-Identifier: GPL-3.0-or-later
"""What a sealed child says about one leaf, put together while it comes."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from milterguard.unpack.heap import Heap
from milterguard.unpack.member import Member

Octets = Callable[[], Iterator[bytes]]


class Told:
    """What a sealed child said about one leaf. Implements ``box.Sink``."""

    def __init__(self, heap: Heap) -> None:
        self.members: dict[tuple[int, ...], Member] = {}
        self.octets: dict[tuple[int, ...], Octets] = {}
        """Of those that were given in full."""
        self.trouble = ""
        self._heap = heap
        self._path: tuple[int, ...] = ()
        self._start = 0
        self._end = -1

    def tell(self, member: Member) -> None:
        """Take a member, or what became known of it later."""
        known = self.members.get(member.path)
        if known is not None:
            flags, kinds = known.flags | member.flags, merged(known.kinds, member.kinds)
            member = replace(known, flags=flags, kinds=kinds, detail=known.detail or member.detail)
        self.members[member.path] = member
        if known is None and member.has_octets:
            self._path, self._start = member.path, self._heap.end
            self._end = self._start + (member.size or 0)

    def give(self, block: bytes) -> None:
        """Keep octets of the member that was told last."""
        self._heap.put(block)
        if self._heap.end == self._end:
            self.octets[self._path] = self._heap.blocks(self._start, self._end)


def merged(known: tuple[str, ...], more: tuple[str, ...]) -> tuple[str, ...]:
    """Return both, each once."""
    return tuple(dict.fromkeys((*known, *more)))
