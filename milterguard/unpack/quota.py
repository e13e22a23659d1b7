# SPDX-License-Identifier: GPL-3.0-or-later
"""How much may still come out of one leaf: members, octets and depth, shared by everything inside it.

The limits are the request's, and an eighth of them comes on top for what stands beside a thing that was
cut short: without it a bomb in front would hide its neighbours. Of that eighth each thing gets a part only,
on each level anew, so that the whole stays bounded.

*Source:* amavis ``$MAXLEVELS``, ``$MAXFILES``, ``$MAX_EXPANSION_QUOTA``.

*Errors:* OverLimits; whoever looks into a container lets it pass, and what was told so far stands.
"""

import copy

LIST_FACTOR = 10
"""Names are listed, where that costs no decompression, up to this many times the members looked into."""


class OverLimits(Exception):  # noqa: N818
    """A limit of the request is reached; its text is the detail that the container is flagged with."""


class Quota:
    """What one container, or one member, may take; what it takes its ancestors have taken as well."""

    def __init__(self, *, max_depth: int, max_members: int, max_bytes: int) -> None:
        self.depth = max_depth
        """Levels that may still be opened below."""
        self._members: tuple[_Count, ...] = (
            _Count(max_members, f"more than {max_members} members", reserve=max_members // 8 + 1),
        )
        self._octets: tuple[_Count, ...] = (
            _Count(max_bytes, f"more than {max_bytes} octets", reserve=max_bytes // 8 + 1),
        )
        self._listed = _Count(max_members * LIST_FACTOR, f"more than {max_members * LIST_FACTOR} names", reserve=0)

    @property
    def room(self) -> int:
        """Octets that may still be taken here."""
        return min(count.room for count in self._octets)

    def share(self) -> "Quota":
        """Return what one thing inside may take; it is never all that is left to the others."""
        inner = copy.copy(self)
        inner._members = (*self._members, self._members[-1].share())  # noqa: SLF001  (its own kind)
        inner._octets = (*self._octets, self._octets[-1].share())  # noqa: SLF001
        return inner

    def deeper(self) -> "Quota":
        """Return the same one level down. Raises OverLimits when that is too deep."""
        if self.depth < 1:
            raise OverLimits("nested too deep")
        inner = copy.copy(self)
        inner.depth = self.depth - 1
        return inner

    def add_member(self) -> None:
        """Count one member that is looked into. Raises OverLimits."""
        _take(self._members, 1)

    def take(self, octets: int) -> None:
        """Count octets that came out. Raises OverLimits."""
        _take(self._octets, octets)

    def add_name(self) -> None:
        """Count one name that is only listed. Raises OverLimits."""
        _take((self._listed,), 1)


class _Count:
    """One limit, and what is taken of it."""

    def __init__(self, limit: int, complaint: str, *, reserve: int) -> None:
        self._limit = limit
        self._complaint = complaint
        self._reserve = reserve
        self._taken = 0

    @property
    def room(self) -> int:
        return max(0, self._limit + self._reserve - self._taken)

    def share(self) -> "_Count":
        """A count for one thing: the rest of the limit itself; once that is taken, an eighth of the reserve."""
        if (rest := self._limit - self._taken) > 0:
            return _Count(rest, self._complaint, reserve=self._reserve // 2)
        return _Count((self.room + 7) // 8, self._complaint, reserve=self.room // 8)

    def refuses(self, number: int) -> bool:
        return number > self.room

    def take(self, number: int) -> None:
        self._taken += number

    @property
    def complaint(self) -> str:
        return self._complaint


def _take(counts: tuple[_Count, ...], number: int) -> None:
    """Count it everywhere or, when one of them refuses, nowhere: what is cut off is nobody's loss."""
    for count in counts:
        if count.refuses(number):
            raise OverLimits(count.complaint)
    for count in counts:
        count.take(number)
