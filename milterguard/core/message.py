# SPDX-License-Identifier: GPL-3.0-or-later
"""A message at the end of its header section: envelope and fields final, content perhaps still arriving.

*Source:* RFC 5322 section 2; the milter protocol's view of a field (name, value with its leading
space, folds as LF).
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from mmap import mmap
from typing import Protocol

from milterguard.core.envelope import Envelope


class Reader(Protocol):
    """An independent reading position in a content. Close it when done."""

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` octets, waiting while none have arrived; empty at the end.

        Raises ContentError when the content is gone (session aborted, disk full) or the
        reader's deadline has passed.
        """
        ...

    def close(self) -> None: ...


class Content(Protocol):
    """The body of a message: octets with CRLF line ends, readable more than once."""

    @property
    def size(self) -> int:
        """Octets that have arrived so far."""
        ...

    def open(self, *, deadline: float | None = None) -> Reader:
        """Return a reader at octet 0; ``deadline`` is on the monotonic clock."""
        ...

    def whole(self, *, deadline: float | None = None) -> bytes | mmap:
        """Return all octets, once they have arrived: in memory when few, else as a map of the file.

        Stays valid after the content itself is given up. Raises ContentError like ``Reader.read``.
        """
        ...


@dataclass(frozen=True, slots=True)
class Field:
    """One header field as the MTA showed it."""

    name: bytes
    value: bytes
    """Everything after the colon, leading space and folds included, without the final line end."""

    def octets(self) -> bytes:
        """Return the field as it stands on the wire, with CRLF."""
        value = self.value.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        return self.name + b":" + value + b"\r\n"

    @property
    def key(self) -> bytes:
        """The name in small letters, without the blanks that may stand between it and the colon."""
        return self.name.rstrip(b" \t").lower()

    def is_named(self, name: bytes) -> bool:
        return self.key == name.lower()


def header_octets(fields: Iterable[Field]) -> bytes:
    """Return the header section with the empty line that ends it."""
    return b"".join(field.octets() for field in fields) + b"\r\n"


@dataclass(frozen=True, slots=True)
class Message:
    """One message and everything that is known before it is checked."""

    mail_id: str
    """Our id, 12 characters, safe in file names and URLs (amavis: ``mail_id``)."""
    log_id: str
    """``pid-count``, for finding the process that handled it (amavis: ``am_id``)."""
    received_at: float
    """Seconds since the epoch when its header section was complete."""
    envelope: Envelope
    fields: tuple[Field, ...]
    content: Content

    @property
    def header(self) -> bytes:
        """The header section's octets, with the empty line."""
        return header_octets(self.fields)

    def size(self) -> int:
        """Octets of header and body that have arrived so far."""
        return len(self.header) + self.content.size

    def first(self, name: bytes) -> bytes:
        """Return the unfolded, stripped value of the first field of that name, or empty."""
        for field in self.fields:
            if field.is_named(name):
                return b" ".join(field.value.split())
        return b""


def blocks(
    message: Message,
    prefix: bytes = b"",
    *,
    deadline: float | None = None,
    size: int = 65536,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[bytes]:
    """Yield prefix, header and body in blocks, waiting for what has not arrived.

    ``stop`` is asked between blocks; once it says yes the iteration ends early.
    Raises ContentError like ``Reader.read``.
    """
    yield prefix + message.header
    reader = message.content.open(deadline=deadline)
    try:
        while not stop() and (block := reader.read(size)):
            yield block
    finally:
        reader.close()
