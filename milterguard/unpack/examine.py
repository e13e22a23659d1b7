# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks into one leaf of a message, and into what is in it, without recursion and within shared limits.

Runs in the sealed child. Parents are told before their children, each just before its first child, so
that what was found out by then is told with it. What becomes known later is told under the same path once
more, as a ``Member`` without names, kinds, digest and octets: its flags and its detail count in addition.
News on the leaf itself (path ``()``) are told once, at the end.

*Errors:* none on account of what is in the leaf: that is told as flags. OSError where there is no memory.
"""

from collections.abc import Callable
from dataclasses import replace

from milterguard.core.part import Flag
from milterguard.unpack import document, libarchive_door, magic_kind
from milterguard.unpack.content import Content
from milterguard.unpack.frame import Frame, failure
from milterguard.unpack.kind import HEAD_BYTES, TAIL_BYTES, kinds_of
from milterguard.unpack.looks import looks_for
from milterguard.unpack.member import Member, Request
from milterguard.unpack.misnamed import DETAIL, is_misnamed
from milterguard.unpack.quota import OverLimits, Quota
from milterguard.unpack.reach import UNREACHED
from milterguard.unpack.source import Child, Source

Tell = Callable[[Member], None]
Give = Callable[[bytes], None]


def preload() -> None:
    """Get libraries ready while files can still be opened. Raises OSError, magic.MagicException."""
    libarchive_door.preload()
    magic_kind.preload()
    document.preload()


def examine(descriptor: int, request: Request, tell: Tell, give: Give) -> None:
    """Tell every member of the leaf behind ``descriptor``, and give the octets that clamd has to be given."""
    _Examination(request, tell, give).run(descriptor)


class _Examination:
    """One leaf."""

    def __init__(self, request: Request, tell: Tell, give: Give) -> None:
        self._request = request
        self._tell = tell
        self._give = give

    def run(self, descriptor: int) -> None:
        stack = [self._leaf(descriptor)]
        try:
            while stack:
                frame = stack[-1]
                child = frame.next_child()
                if child is None:
                    self._finish(stack.pop())
                elif (inner := self._take(frame, child)) is not None:
                    stack.append(inner)
        finally:
            for frame in stack:
                frame.close()

    def _leaf(self, descriptor: int) -> Frame:
        request = self._request
        source = Source(descriptor, names=request.names, passwords=request.passwords)
        head, tail = source.read(0, HEAD_BYTES), source.read(max(0, source.size - TAIL_BYTES), TAIL_BYTES)
        found = _kinds(head, tail, source.size)
        source.kinds = tuple(dict.fromkeys([*found, *request.kinds]))
        quota = Quota(
            max_depth=request.max_depth, max_members=request.max_members, max_bytes=request.max_bytes
        ).deeper()
        return Frame(
            Member((), kinds=source.kinds),
            source,
            looks_for(source.kinds),
            quota=quota,
            is_hidden=not UNREACHED.isdisjoint(source.kinds),
        )

    def _take(self, frame: Frame, child: Child) -> Frame | None:
        """Tell one member, or return it as a frame that tells it in time."""
        self._tell_frame(frame)
        member = Member(frame.next_path(), child.names, size=child.size, flags=child.flags, detail=child.detail)
        if frame.is_full or not self._is_within(frame):
            self._list(frame, member)
            return None
        if child.blocks is None:
            self._tell(member)
            return None
        content = Content()
        quota = frame.quota.share()
        member = _read(member, child, content, quota)
        if is_misnamed(member.names, member.kinds):
            member = replace(member, flags=member.flags | {Flag.UNDECODABLE}, detail=member.detail or DETAIL)
        if Flag.OVER_LIMITS in member.flags:
            frame.flag(Flag.OVER_LIMITS, "a member is cut short")
        is_hidden = frame.is_hidden or child.is_hidden
        member = replace(member, has_octets=bool(content.size and (is_hidden or self._request.give_all)))
        inner = self._open(member, content, quota, is_hidden=is_hidden)
        if inner is None:
            self._tell_with_octets(member, content)
            content.close()
        return inner

    def _is_within(self, frame: Frame) -> bool:
        try:
            frame.quota.add_member()
        except OverLimits as error:
            frame.is_full = True
            frame.flag(Flag.OVER_LIMITS, str(error))
        return not frame.is_full

    def _list(self, frame: Frame, member: Member) -> None:
        """Tell no more than a name: a banned one may stand behind a thousand others."""
        try:
            frame.quota.add_name()
        except OverLimits as error:
            frame.flag(Flag.OVER_LIMITS, str(error))
            frame.stop()
        else:
            self._tell(replace(member, flags=member.flags | {Flag.OVER_LIMITS}))

    def _open(self, member: Member, content: Content, quota: Quota, *, is_hidden: bool) -> Frame | None:
        looks = looks_for(member.kinds)
        if not looks or not content.size:
            return None
        source = Source(content.descriptor(), names=member.names, kinds=member.kinds, passwords=self._request.passwords)
        frame = Frame(
            member,
            source,
            looks,
            quota=quota,
            is_hidden=is_hidden or not UNREACHED.isdisjoint(member.kinds),
            content=content,
        )
        try:
            frame.quota = quota.deeper()
        except OverLimits as error:
            frame.flag(Flag.OVER_LIMITS, str(error))
            frame.stop()
        return frame

    def _finish(self, frame: Frame) -> None:
        self._tell_frame(frame)
        report = frame.report()
        if not frame.member.path:
            self._tell(report)
        elif report.flags != frame.member.flags or report.detail != frame.member.detail:
            late = report.flags - frame.member.flags
            self._tell(Member(report.path, flags=late, detail=report.detail))
        frame.close()

    def _tell_frame(self, frame: Frame) -> None:
        """Tell a container with what is known by now, once; the leaf waits for the end."""
        if frame.is_told or not frame.member.path:
            return
        frame.is_told = True
        frame.member = frame.report()
        assert frame.content is not None
        self._tell_with_octets(frame.member, frame.content)

    def _tell_with_octets(self, member: Member, content: Content) -> None:
        self._tell(member)
        if member.has_octets:
            for block in content.blocks():
                self._give(block)


def _read(member: Member, child: Child, content: Content, quota: Quota) -> Member:
    """Return the member with what its octets say."""
    flags, detail, digest = child.flags, child.detail, ""
    try:
        content.fill(child.blocks or (), quota)
        digest = content.digest
    except Exception as error:  # noqa: BLE001  (hostile octets in other people's code)
        more, why = failure(error)
        flags, detail = flags | more, "; ".join(filter(None, (detail, why)))
    size = content.size if content.size or digest else child.size
    kinds = _kinds(content.head(), content.tail(), content.size) if content.size or digest else ()
    return replace(member, kinds=kinds, size=size, digest=digest, flags=flags, detail=detail)


def _kinds(head: bytes, tail: bytes, size: int) -> tuple[str, ...]:
    kinds = kinds_of(head, tail, size)
    return magic_kind.kinds_of(head) if kinds == ("dat",) else kinds
