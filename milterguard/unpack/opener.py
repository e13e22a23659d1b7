# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes a message apart: the MIME structure here, archives and documents in the sealed child.

Each leaf is decoded once for its digest and its kind. Only what is worth opening is written to a
file of its own, whose descriptor is all that the sealed child gets (D6). Every limit ends in a flag
of a part, never in an exception: the rest of the message is looked into all the same.

Time is a limit like the others when the message itself takes too much, for it would do so again whenever it
is retried. When most of it went by waiting for processes that others had, that is our failure: a retry helps.

*Errors:* ContentError when the message's octets are gone; CheckUnavailable when no sealed child can be had.
"""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property, partial
from itertools import chain, islice

from milterguard.config.settings import Parts
from milterguard.core.message import Message
from milterguard.core.part import UNCHECKED_FLAGS, Flag, Part
from milterguard.core.text import decoded
from milterguard.errors import CheckUnavailable
from milterguard.mime.structure import Entity, Limits, Walked, walk
from milterguard.unpack import wire
from milterguard.unpack.box import Box, BoxBusy, BoxError, Report
from milterguard.unpack.heap import Heap
from milterguard.unpack.kind import is_locked
from milterguard.unpack.member import Member, Request
from milterguard.unpack.misnamed import DETAIL, is_misnamed
from milterguard.unpack.opened import Leaf, Opened
from milterguard.unpack.survey import Survey, survey
from milterguard.unpack.told import Told, merged
from milterguard.unpack.words import password_candidates

_NAME = "parts"
"""Under which a failure is told."""
_SHARE = 0.6
"""Of the time that is left: the scanners need the rest for what was found inside."""
_TEXT_BYTES = 65536
"""Of each text, searched for passwords."""
_LEAST = 8
"""The last of many archives may still take an eighth of the limits."""
_WAITING_SHARE = 0.5
"""Of the time for opening: a message that waited longer for others than that was not given its chance."""
_TROUBLES = {wire.TIME: Flag.OVER_LIMITS, wire.MEMORY: Flag.OVER_LIMITS, wire.LIMIT: Flag.OVER_LIMITS}
"""What a sealed child may die of that is a limit; everything else is UNDECODABLE."""
Octets = Callable[[], Iterator[bytes]]


class Opener:
    """Takes messages apart. Shared by all messages of a worker; several threads may use it at once."""

    def __init__(self, settings: Parts, box: Box, *, gives_all: bool = False, directory: str = "") -> None:
        """``gives_all``: the octets of every member are wanted; ``directory``: where unnamed files live."""
        self._settings = settings
        self._box = box
        self._gives_all = gives_all
        self._directory = directory
        self._limits = Limits(
            depth=settings.max_depth, parts=settings.max_parts, header_bytes=settings.max_part_header_bytes
        )

    def begin(self, message: Message, *, deadline: float) -> "Work":
        """Begin to take a message apart, waiting until its content has arrived.

        ``deadline`` is on the monotonic clock. Raises ContentError.
        """
        body = message.content.whole(deadline=deadline)
        walked = walk(message.header, body, self._limits)
        seconds = max(0.0, deadline - time.monotonic()) * _SHARE
        return Work(
            self._settings,
            self._box,
            walked,
            gives_all=self._gives_all,
            directory=self._directory,
            seconds=seconds,
        )

    def close(self) -> None:
        """Give back the sealed processes."""
        self._box.close()


class Unopened:
    """In place of an ``Opener`` where nobody wants to know what is inside."""

    def begin(self, message: Message, *, deadline: float) -> "Unopened":
        del message, deadline
        return self

    def opened(self, *, may_wait: bool) -> Opened:
        del may_wait
        return Opened()

    def close(self) -> None:
        """Nothing to give back."""


class Work:
    """One message in work. Has a dictionary: what is computed once is kept there."""

    def __init__(
        self, settings: Parts, box: Box, walked: Walked, *, gives_all: bool, directory: str, seconds: float
    ) -> None:
        self._settings = settings
        self._box = box
        self._walked = walked
        self._directory = directory
        self._deadline = time.monotonic() + seconds
        self._patience = seconds * _WAITING_SHARE
        """Seconds that it may still wait for others before a lack of time is our failure."""
        self._heap = Heap(directory)
        self._members_left = settings.max_members
        self._octets_left = settings.max_unpacked_bytes
        self._parts = [_part(entity) for entity in walked.entities]
        self._leaves: dict[str, Leaf] = {}
        self._children = Counter(entity.parent for entity in walked.entities)
        self._next = 0
        self._surveyed: Survey | None = None
        """Of the next leaf, which has to be looked into."""
        self._gives_all = gives_all

    def opened(self, *, may_wait: bool) -> Opened | None:
        """Return the parts; None when a sealed child has to be waited for and may not. Raises CheckUnavailable."""
        try:
            while self._next < len(self._walked.entities):
                entity = self._walked.entities[self._next]
                if entity.is_leaf and not self._looked_into(self._next, entity, may_wait=may_wait):
                    return None
                self._next += 1
        except BoxError as error:
            raise CheckUnavailable(_NAME, str(error)) from error
        return Opened(tuple(self._parts), self._walked.problems, tuple(self._leaves.values()))

    def close(self) -> None:
        """Give up the leaf that has still to be looked into."""
        seen, self._surveyed = self._surveyed, None
        if seen is not None and seen.file is not None:
            os.close(seen.file)

    def _looked_into(self, index: int, entity: Entity, *, may_wait: bool) -> bool:
        """Look into a leaf; False when that takes a sealed child, and nobody may be waited for."""
        octets = partial(self._walked.octets, index)
        seen, self._surveyed = self._surveyed or survey(octets, self._directory), None
        if seen.file is not None and not may_wait:
            self._surveyed = seen
            return False
        is_misled = is_misnamed(entity.names, seen.kinds)
        self._parts[index] = replace(
            self._parts[index],
            size=seen.size,
            digest=seen.digest,
            kinds=seen.kinds,
            flags=entity.flags | _locked(seen.kinds) | ({Flag.UNDECODABLE} if is_misled else frozenset()),
            detail=DETAIL if is_misled else "",
        )
        if seen.file is not None:
            try:
                self._open(index, seen.file, gives_all=self._gives_all or entity.is_suspect)
            finally:
                os.close(seen.file)
        is_flagged = not self._parts[index].flags.isdisjoint(UNCHECKED_FLAGS)
        self._add(index, octets, is_suspect=entity.is_suspect or is_flagged, is_attachment=not entity.is_text)
        return True

    def _add(self, index: int, octets: Octets, *, is_suspect: bool, is_attachment: bool = True) -> None:
        """Remember a leaf's octets for the scanner; the same octets once, and the graver of two opinions."""
        part = self._parts[index]
        if not part.size:
            return
        known = self._leaves.get(part.digest)
        if known is None:
            self._leaves[part.digest] = Leaf(index, is_suspect, is_attachment, octets)
        elif is_suspect > known.is_suspect or is_attachment > known.is_attachment:
            self._leaves[part.digest] = replace(
                known,
                is_suspect=is_suspect or known.is_suspect,
                is_attachment=is_attachment or known.is_attachment,
            )

    def _open(self, index: int, file: int, *, gives_all: bool) -> None:
        """Have a leaf looked into, and take over what was found as parts below it."""
        part = self._parts[index]
        request = Request(
            names=part.names,
            kinds=part.kinds,
            give_all=gives_all,
            max_depth=self._settings.max_archive_depth,
            max_members=max(self._members_left, self._settings.max_members // _LEAST),
            max_bytes=max(self._octets_left, self._settings.max_unpacked_bytes // _LEAST),
            passwords=self._passwords,
        )
        told = self._asked(file, request)
        if not gives_all and any(Flag.OVER_LIMITS in each.flags for each in told.members.values()):
            # A scanner may give up on it as we did: it gets what we could reach, piece by piece.
            earlier, told = told, self._asked(file, replace(request, give_all=True))
            told.complete(earlier)
        self._take_over(index, told)

    def _asked(self, descriptor: int, request: Request) -> Told:
        told = Told(self._heap)
        told.trouble = wire.TIME if self._is_late else self._report(descriptor, request, told).trouble
        if told.trouble == wire.TIME and self._is_late and self._patience < 0:
            raise BoxBusy("others had the sealed processes until it was too late")
        return told

    def _report(self, descriptor: int, request: Request, told: Told) -> Report:
        """Have a leaf looked into; that nobody had time for it is a report as well."""
        began = time.monotonic()
        try:
            report = self._box.open(descriptor, request, deadline=self._deadline, sink=told)
        except BoxBusy:
            report = Report(trouble=wire.TIME, waited_seconds=time.monotonic() - began)
        self._patience -= report.waited_seconds
        return report

    @property
    def _is_late(self) -> bool:
        return time.monotonic() >= self._deadline

    def _take_over(self, index: int, told: Told) -> None:
        """Add what stands in a leaf as parts below it; what is wrong with the opening is a flag of the leaf."""
        leaf = self._parts[index]
        before = self._children[index]
        indexes: dict[tuple[int, ...], int] = {(): index}
        for path, member in told.members.items():
            if not path:
                kinds, detail = merged(leaf.kinds, member.kinds), leaf.detail or member.detail
                leaf = replace(leaf, kinds=kinds, flags=leaf.flags | member.flags, detail=detail)
                continue
            parent = indexes[path[:-1]]
            number = path[-1] + (before if len(path) == 1 else 0)
            indexes[path] = len(self._parts)
            self._parts.append(_member(member, parent, f"{self._parts[parent].placement}/{number}"))
            self._members_left -= 1
            self._octets_left -= member.size or 0
            if path in told.octets:
                self._add(indexes[path], told.octets[path], is_suspect=True)
        flag = _TROUBLES.get(told.trouble, Flag.UNDECODABLE) if told.trouble else None
        if flag is not None:
            leaf = replace(leaf, flags=leaf.flags | {flag}, detail=leaf.detail or told.trouble)
        self._parts[index] = leaf

    @cached_property
    def _passwords(self) -> tuple[str, ...]:
        """What is tried on encrypted attachments: the operator's passwords, then words of the texts of the mail."""
        attempts = self._settings.password_attempts
        if not attempts:
            return ()
        words = chain(self._settings.passwords, *(self._words(index) for index in self._texts()))
        return tuple(dict.fromkeys(islice(words, attempts)))

    def _texts(self) -> Iterator[int]:
        return (index for index, entity in enumerate(self._walked.entities) if entity.is_leaf and entity.is_text)

    def _words(self, index: int) -> Iterator[str]:
        text = b"".join(islice(self._walked.octets(index), 1))[:_TEXT_BYTES]
        return iter(password_candidates(decoded(text), self._settings.password_attempts))


def _part(entity: Entity) -> Part:
    return Part(
        entity.placement,
        entity.parent,
        types=entity.types,
        names=entity.names,
        flags=entity.flags,
        reading=entity.reading,
    )


def _locked(kinds: tuple[str, ...]) -> frozenset[Flag]:
    return frozenset({Flag.ENCRYPTED}) if is_locked(kinds) else frozenset()


def _member(member: Member, parent: int, placement: str) -> Part:
    return Part(
        placement,
        parent,
        names=member.names,
        kinds=member.kinds,
        size=member.size,
        digest=member.digest,
        flags=member.flags | _locked(member.kinds),
        detail=member.detail,
        is_member=True,
    )
