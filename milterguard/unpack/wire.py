# SPDX-License-Identifier: GPL-3.0-or-later
"""The packets between the worker, the nursery and the sealed children: one letter, then JSON or octets.

A child has read hostile octets before it speaks, so what it says is hostile too. ``parse`` checks the form
of one packet, ``Hearing`` what may follow on what and how much may come in all. What we send is cut to
fit: of a long name the end is kept, for there the extension stands.

*Errors:* Garbled for what no child of ours says, Excess when it says too much. Nothing else is raised.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from milterguard.core.part import Flag
from milterguard.errors import MilterguardError
from milterguard.unpack.member import Member, Request
from milterguard.unpack.quota import LIST_FACTOR

BLOCK_BYTES = 65536
PACKET_BYTES = BLOCK_BYTES + 1
"""No packet is longer."""
TIME, MEMORY, LIMIT, GARBLED, REFUSED = "out of time", "out of memory", "limit", "garbled", "refused"
"""What may be wrong with a child, beside ``crashed (signal N)``, ``exited (status N)`` and ``failed (Error)``."""

_MEMBER, _OCTETS, _END, _REQUEST, _HELLO, _ORDER = b"M", b"O", b"E", b"R", b"H", b"T"
_TROUBLE = re.compile(
    r"|out of time|out of memory|refused|crashed \(signal [0-9]{1,3}\)|exited \(status [0-9]{1,3}\)"
    r"|failed \([A-Za-z_][A-Za-z0-9_]{0,63}\)"
)
_DIGEST = re.compile(r"|[0-9a-f]{64}")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_-]{0,31}")
_NAMES, _NAME_CHARS, _WORDS, _DETAIL_CHARS = 8, 1024, 32, 512
_PASSWORD_BYTES, _PASSWORD_CHARS = 32768, 256
_PATH_LENGTH = 256
_TEXT_BYTES = 16 * 1024 * 1024
"""All members of one leaf together are told in so many octets."""
_HUGE = 1 << 62


class Garbled(MilterguardError):  # noqa: N818
    """No packet of this protocol, or one out of place."""


class Excess(MilterguardError):  # noqa: N818
    """More than the request allows."""


@dataclass(frozen=True, slots=True)
class Octets:
    """The next octets of the member that was told last."""

    block: bytes


@dataclass(frozen=True, slots=True)
class End:
    """Nothing follows."""

    trouble: str = ""
    """Empty: all was looked into. Fixed words of ours, whoever says them."""


Told = Member | Octets | End


class Hearing:
    """What a worker makes of all packets of one child."""

    def __init__(self, request: Request) -> None:
        # What stands beside a bomb comes on top of the request's limits, and so do names that are only listed.
        self._members_left = request.max_members * (LIST_FACTOR + 2) + 2
        self._octets_left = request.max_bytes + request.max_bytes // 8 + BLOCK_BYTES
        self._text_left = _TEXT_BYTES
        self._max_length = request.max_depth + 2
        self._told: set[tuple[int, ...]] = {()}
        self._with_octets: set[tuple[int, ...]] = set()
        self._awaited = 0

    def take(self, packet: bytes) -> Told:
        """Return what a packet says. Raises Garbled and Excess; nothing is to be taken after that."""
        told = parse(packet)
        match told:
            case Member():
                self._take_member(told, len(packet))
            case Octets():
                self._take_octets(len(told.block))
            case End() if self._awaited and not told.trouble:
                raise Garbled("octets are missing")
        return told

    def _take_member(self, member: Member, length: int) -> None:
        path = member.path
        if self._awaited:
            raise Garbled("octets are missing")
        if path[:-1] not in self._told:
            raise Garbled("a member before its parent")
        if len(path) > self._max_length:
            raise Excess("depth")
        self._members_left -= 1
        self._text_left -= length
        if self._members_left < 0 or self._text_left < 0:
            raise Excess("members")
        self._told.add(path)
        if member.has_octets:
            self._await_octets(path, member.size or 0)

    def _await_octets(self, path: tuple[int, ...], size: int) -> None:
        if path in self._with_octets:
            raise Garbled("octets twice")
        if size > self._octets_left:
            raise Excess("octets")
        self._with_octets.add(path)
        self._awaited = size
        self._octets_left -= size

    def _take_octets(self, number: int) -> None:
        if number > self._awaited:
            raise Garbled("more octets than announced")
        self._awaited -= number


def parse(packet: bytes) -> Told:
    """Return what one packet of a child says. Raises Garbled."""
    letter, rest = packet[:1], packet[1:]
    if len(packet) > PACKET_BYTES:
        raise Garbled("too long")
    if letter == _OCTETS and rest:
        return Octets(rest)
    if letter == _MEMBER:
        return _member(_record(rest))
    if letter == _END:
        return End(_matching(_TROUBLE, _record(rest).get("trouble")))
    raise Garbled("unknown letter")


def member_packet(member: Member) -> bytes:
    """Pack a member; what is too long is cut, and a member with too many names is over limits."""
    flags = member.flags | ({Flag.OVER_LIMITS} if len(member.names) > _NAMES else frozenset())
    record = {
        "path": member.path,
        "names": _cut(member.names),
        "kinds": member.kinds[:_WORDS],
        "size": None if member.size is None else max(0, min(member.size, _HUGE - 1)),
        "digest": member.digest,
        "flags": sorted(flags),
        "detail": member.detail[:_DETAIL_CHARS],
        "has_octets": member.has_octets,
    }
    return _MEMBER + _json(record)


def octets_packets(block: bytes | memoryview) -> list[tuple[bytes, memoryview]]:
    """Return a block as packets, each in two pieces for writev(2)."""
    view = memoryview(block).cast("B")
    return [(_OCTETS, view[start : start + BLOCK_BYTES]) for start in range(0, len(view), BLOCK_BYTES)]


def end_packet(trouble: str = "") -> bytes:
    return _END + _json({"trouble": trouble})


def failure(error: BaseException) -> str:
    """Say in our words that the examiner raised something."""
    return f"failed ({re.sub('[^A-Za-z0-9_]', '_', type(error).__name__)[:60] or 'Exception'})"


def request_packet(request: Request) -> bytes:
    """Pack a request; names that are too long and passwords that are too many are cut."""
    left, passwords = _PASSWORD_BYTES, []
    for word in request.passwords:
        # What JSON makes of one character is six octets at most.
        left -= 6 * len(word) + 3
        if left < 0:
            break
        if len(word) <= _PASSWORD_CHARS:
            passwords.append(word)
    names, kinds = tuple(_cut(request.names, share=2)), request.kinds[:_WORDS]
    cut = replace(request, names=names, kinds=kinds, passwords=tuple(passwords))
    return _REQUEST + _json({name: getattr(cut, name) for name in Request.__slots__})


def parse_request(packet: bytes) -> Request:
    """Return the request in a packet of the worker, who is trusted. Raises Garbled."""
    if packet[:1] != _REQUEST:
        raise Garbled("no request")
    record = _record(packet[1:])
    values: dict[str, Any] = {name: tuple(each) if isinstance(each, list) else each for name, each in record.items()}
    try:
        return Request(**values)
    except TypeError as error:
        raise Garbled("no request") from error


def hello_packet(seals: Sequence[str]) -> bytes:
    """Pack the nursery's first word: it is ready, and these seals hold."""
    return _HELLO + _json({"seals": list(seals)})


def parse_hello(packet: bytes) -> tuple[str, ...]:
    """Return the names of the seals. Raises Garbled."""
    if packet[:1] != _HELLO:
        raise Garbled("no hello")
    return _words(_record(packet[1:]).get("seals"))


def order_packet(seconds: float) -> bytes:
    """Pack what the nursery must know of a request: how long the child may live."""
    return _ORDER + _json({"seconds": seconds})


def parse_order(packet: bytes) -> float:
    """Return the seconds to live. Raises Garbled."""
    seconds = _record(packet[1:]).get("seconds") if packet[:1] == _ORDER else None
    if not isinstance(seconds, int | float) or not math.isfinite(seconds):
        raise Garbled("no order")
    return float(seconds)


def _member(record: dict[str, object]) -> Member:
    if record.keys() != set(Member.__slots__):
        raise Garbled("wrong keys")
    size, has_octets, detail = record["size"], record["has_octets"], record["detail"]
    if not isinstance(has_octets, bool) or not isinstance(detail, str) or len(detail) > _DETAIL_CHARS:
        raise Garbled("wrong type")
    if (size is None and has_octets) or not (size is None or _is_count(size)):
        raise Garbled("no size")
    assert size is None or isinstance(size, int)
    return Member(
        path=_path(record["path"]),
        names=_names(record["names"]),
        kinds=_words(record["kinds"]),
        size=size,
        digest=_matching(_DIGEST, record["digest"]),
        flags=_flags(record["flags"]),
        detail=detail,
        has_octets=has_octets,
    )


def _path(value: object) -> tuple[int, ...]:
    if not isinstance(value, list) or len(value) > _PATH_LENGTH or not all(_is_count(each) and each for each in value):
        raise Garbled("no path")
    return tuple(value)


def _names(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > _NAMES:
        raise Garbled("no names")
    if not all(isinstance(each, str) and len(each) <= _NAME_CHARS for each in value):
        raise Garbled("no names")
    return tuple(value)


def _words(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > _WORDS:
        raise Garbled("no words")
    return tuple(_matching(_WORD, each) for each in value)


def _flags(value: object) -> frozenset[Flag]:
    if not isinstance(value, list):
        raise Garbled("no flags")
    try:
        return frozenset(Flag(each) for each in value)
    except (ValueError, TypeError) as error:
        raise Garbled("unknown flag") from error


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < _HUGE


def _matching(pattern: re.Pattern[str], value: object) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise Garbled("wrong word")
    return value


def _cut(names: Sequence[str], *, share: int = 1) -> list[str]:
    return [name[-_NAME_CHARS // share :] for name in names[:_NAMES]]


def _json(record: Mapping[str, object]) -> bytes:
    # Not as ASCII: half a surrogate pair after the other would come back as one character.
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def _record(octets: bytes) -> dict[str, Any]:
    try:
        record = json.loads(octets.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError) as error:
        raise Garbled("no JSON") from error
    if not isinstance(record, dict):
        raise Garbled("no record")
    return record
