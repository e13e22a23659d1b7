# SPDX-License-Identifier: GPL-3.0-or-later
"""What a sealed child says about one leaf, put together while it comes.

The child has read hostile octets, and may lie. What it says of the leaf it was given harms no other
part: the digest of octets that it gives is computed here, and what comes again and again is bounded.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace

from milterguard.unpack.heap import Heap
from milterguard.unpack.member import Member

Octets = Callable[[], Iterator[bytes]]
_MAX_KINDS = 32
"""Of one member; each news on it may bring more."""


class Told:
    """What a sealed child said about one leaf. Implements ``box.Sink``."""

    def __init__(self, heap: Heap) -> None:
        self.members: dict[tuple[int, ...], Member] = {}
        """Parents before children. The digest of those that were given in full is ours, else the child's word."""
        self.octets: dict[tuple[int, ...], Octets] = {}
        """Of those that were given in full."""
        self.trouble = ""
        self._heap = heap
        self._path: tuple[int, ...] = ()
        self._start = 0
        self._left = 0
        self._hash = hashlib.sha256()

    def tell(self, member: Member) -> None:
        """Take a member, or what became known of it later."""
        if member.has_octets:
            self._path, self._start, self._left = member.path, self._heap.end, member.size or 0
            self._hash = hashlib.sha256()
        known = self.members.get(member.path)
        if known is not None:
            flags, kinds = known.flags | member.flags, merged(known.kinds, member.kinds)
            member = replace(known, flags=flags, kinds=kinds, detail=known.detail or member.detail)
        self.members[member.path] = member

    def give(self, block: bytes) -> None:
        """Keep octets of the member that was told last. Raises ContentError when they cannot be kept."""
        self._heap.put(block)
        self._hash.update(block)
        self._left -= len(block)
        if self._left == 0:
            size = self._heap.end - self._start
            member = replace(self.members[self._path], size=size, digest=self._hash.hexdigest())
            self.members[self._path] = member
            self.octets[self._path] = self._heap.blocks(self._start, self._heap.end)

    def complete(self, earlier: "Told") -> None:
        """Add the members that an earlier look at the same leaf came to, and this one did not."""
        for path, member in earlier.members.items():
            if path in self.members:
                self.members[path] = replace(self.members[path], flags=self.members[path].flags | member.flags)
            else:
                self.members[path] = member


def merged(known: tuple[str, ...], more: tuple[str, ...]) -> tuple[str, ...]:
    """Return both, each once, as many as one thing may be."""
    return tuple(dict.fromkeys((*known, *more)))[:_MAX_KINDS]
