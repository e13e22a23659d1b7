# SPDX-License-Identifier: GPL-3.0-or-later
"""One container while it is being looked into: who looks, what was found out, how many members it has had."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from milterguard.core.part import Flag
from milterguard.unpack.content import Content
from milterguard.unpack.member import Member
from milterguard.unpack.quota import OverLimits, Quota
from milterguard.unpack.source import Child, Find, Look, Note, Source, Undecodable

_MAX_DETAILS = 8
_MAX_DETAIL_CHARACTERS = 400


class Frame:
    """A place on the stack of ``examine``."""

    def __init__(
        self,
        member: Member,
        source: Source,
        looks: Sequence[Look],
        *,
        quota: Quota,
        is_hidden: bool,
        content: Content | None = None,
    ) -> None:
        """``content`` is closed with the frame; None for the leaf, whose descriptor is somebody else's."""
        self.member = member
        self.quota = quota
        self.is_hidden = is_hidden
        self.content = content
        self.is_told = False
        self.is_full = False
        """Members are only listed any more."""
        self._source = source
        self._looks = list(looks)
        self._finds: Iterator[Find] | None = None
        self._count = 0
        self._flags = set(member.flags)
        self._details = [member.detail] if member.detail else []
        self._kinds = list(member.kinds)

    def next_child(self) -> Child | None:
        """Return the next thing inside; None when there is no more, and none of the ones who look is left."""
        while self._looks:
            find = self._next_find()
            if isinstance(find, Child):
                return find
            if find is None:
                self._finds = None
                self._looks.pop(0)
            else:
                self._note(find)
        return None

    def next_path(self) -> tuple[int, ...]:
        self._count += 1
        return (*self.member.path, self._count)

    def flag(self, flag: Flag, detail: str) -> None:
        self._note(Note(frozenset({flag}), detail))

    def stop(self) -> None:
        """Ask nobody any more."""
        self._looks.clear()
        self._finds = None

    def report(self) -> Member:
        """Return what is known by now."""
        details = "; ".join(dict.fromkeys(self._details))[:_MAX_DETAIL_CHARACTERS]
        kinds = tuple(dict.fromkeys(self._kinds))
        return replace(self.member, flags=frozenset(self._flags), detail=details, kinds=kinds)

    def close(self) -> None:
        self.stop()
        if self.content is not None:
            self.content.close()

    def _next_find(self) -> Find | None:
        try:
            if self._finds is None:
                self._finds = self._looks[0](self._source, self.quota)
            return next(self._finds, None)
        except Exception as error:  # noqa: BLE001  (hostile octets in other people's code)
            self._note(Note(*failure(error)))
            return None

    def _note(self, note: Note) -> None:
        self._flags |= note.flags
        self._kinds += note.kinds
        self.is_hidden = self.is_hidden or note.is_hiding
        if note.detail and len(self._details) < _MAX_DETAILS:
            self._details.append(note.detail)


def failure(error: Exception) -> tuple[frozenset[Flag], str]:
    """Return the flags and the detail that an exception of whoever looked means."""
    if isinstance(error, OverLimits):
        return frozenset({Flag.OVER_LIMITS}), str(error)
    if isinstance(error, MemoryError):
        return frozenset({Flag.OVER_LIMITS}), "more memory than allowed"
    if isinstance(error, Undecodable):
        return frozenset({error.flag}), str(error)
    return frozenset({Flag.UNDECODABLE}), f"not as expected ({type(error).__name__})"
