# SPDX-License-Identifier: GPL-3.0-or-later
"""The two ways to write a field and a body before they are hashed, octet for octet and in linear time.

A body is taken in blocks as it arrives and never held: of blank lines at its end only the number is kept.

*Source:* RFC 6376 section 3.4, with erratum 5839 (no body). *Errors:* none.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from milterguard.core.message import Field

_BLANKS = re.compile(rb"  +")
_LINES_AT_ONCE = 4096


class Canonical(StrEnum):
    SIMPLE = "simple"
    RELAXED = "relaxed"


def simple_field(field: Field) -> bytes:
    """Return a field as it stands on the wire, with CRLF."""
    return field.octets()


def relaxed_field(field: Field) -> bytes:
    """Return a field with its name in small letters, on one line, each run of blanks as one, with CRLF."""
    value = field.value.replace(b"\r\n", b"").replace(b"\n", b"")
    return field.key + b":" + _single_blanks(value).strip(b" ") + b"\r\n"


def canonical_field(field: Field, way: Canonical) -> bytes:
    return relaxed_field(field) if way is Canonical.RELAXED else simple_field(field)


def selected(fields: Sequence[Field], names: Iterable[bytes]) -> list[Field]:
    """Return the fields that a list of names stands for, of each name from the lowest upward.

    A name without a field (left) stands for none. *Source:* RFC 6376 section 5.4.2.
    """
    wanted = [name.lower() for name in names]
    known = frozenset(wanted)
    stacks: dict[bytes, list[Field]] = {}
    for field in fields:
        name = field.key
        if name in known:
            stacks.setdefault(name, []).append(field)
    return [stack.pop() for name in wanted if (stack := stacks.get(name))]


@dataclass(frozen=True, slots=True)
class BodyKind:
    """What of a body is hashed."""

    way: Canonical
    length: int | None = None
    """Octets of the canonical body (``l=``); None: all."""


@dataclass(frozen=True, slots=True)
class BodyDigest:
    """What came of it."""

    sha256: bytes
    size: int
    """Octets of the whole canonical body."""


class BodyHasher:
    """Hashes a body for several signatures at the same time, each way to write it done once."""

    def __init__(self, kinds: Iterable[BodyKind]) -> None:
        self._streams: dict[Canonical, _Stream] = {}
        self._kinds = tuple(dict.fromkeys(kinds))
        for kind in self._kinds:
            stream = self._streams.setdefault(kind.way, _Stream(kind.way))
            stream.want(kind.length)

    def update(self, block: bytes) -> None:
        """Take the next octets of the body, however they are cut."""
        for stream in self._streams.values():
            stream.update(block)

    def finish(self) -> dict[BodyKind, BodyDigest]:
        """Return the digests. Call it once."""
        for stream in self._streams.values():
            stream.finish()
        return {kind: self._streams[kind.way].digest(kind.length) for kind in self._kinds}


class _Stream:
    """One way to write a body."""

    def __init__(self, way: Canonical) -> None:
        self._is_relaxed = way is Canonical.RELAXED
        self._digests: dict[int | None, hashlib._Hash] = {}
        self._size = 0
        self._open_lines = 0
        """CRLFs that count only if something follows."""
        self._held = b""
        """The end of a block whose meaning the next one tells: one blank, CR, or both."""

    def want(self, length: int | None) -> None:
        self._digests.setdefault(length, hashlib.sha256())

    def update(self, block: bytes) -> None:
        text = self._held + block
        end = len(text) - text.endswith(b"\r")
        if self._is_relaxed:
            end = len(text[:end].rstrip(b" \t"))
        # A CRLF may be cut in two, and blanks count only before something else.
        text, self._held = text[:end], text[end:]
        if self._is_relaxed:
            text = _single_blanks(text).replace(b" \r\n", b"\r\n")
            self._held = _single_blanks(self._held)
        self._take(text)

    def finish(self) -> None:
        rest = self._held.rstrip(b" \t") if self._is_relaxed else self._held
        self._take(rest)
        is_empty = not self._size
        # A body that is not empty ends with one CRLF; an empty one is a CRLF when simple, nothing when relaxed.
        if not is_empty or not self._is_relaxed:
            self._feed(b"\r\n")

    def digest(self, length: int | None) -> BodyDigest:
        return BodyDigest(self._digests[length].digest(), self._size)

    def _take(self, text: bytes) -> None:
        count = _line_ends(text)
        written = text[: len(text) - 2 * count]
        if written:
            while self._open_lines:
                some = min(self._open_lines, _LINES_AT_ONCE)
                self._feed(b"\r\n" * some)
                self._open_lines -= some
            self._feed(written)
        self._open_lines += count

    def _feed(self, octets: bytes) -> None:
        for length, digest in self._digests.items():
            digest.update(octets if length is None else octets[: max(0, length - self._size)])
        self._size += len(octets)


def _line_ends(text: bytes) -> int:
    """Return how many CRLFs stand at the end, by halving: a body may be nothing else."""
    if not text.endswith(b"\r\n\r\n"):
        return int(text.endswith(b"\r\n"))
    low, high = 2, (len(text) - len(text.rstrip(b"\r\n"))) // 2
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if text.endswith(b"\r\n" * middle) else (low, middle - 1)
    return low


def _single_blanks(text: bytes) -> bytes:
    """Return a text with each run of blanks as one; one octet is searched before an expression is asked."""
    if b"\t" in text:
        text = text.replace(b"\t", b" ")
    return _BLANKS.sub(b" ", text) if b"  " in text else text
