# SPDX-License-Identifier: GPL-3.0-or-later
"""The fields that stand before a quarantined message: written by us, and the only ones believed.

They come in amavis' order. The last one, ``X-Envelope-Record``, ends them: no line of ours can look
like it, so its first occurrence is ours, whatever the message behind it says. amavis' own release
strips it together with the other ``X-Envelope-`` fields.

*Source:* amavis' quarantine file; RFC 5322 section 2.2.3 (folding).
*Errors:* StoreError for a file that was not written by us, or is damaged.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from milterguard.core.finding import Category
from milterguard.errors import StoreError
from milterguard.store.escape import escaped, unescaped

PREFIX_LIMIT_OCTETS = 16 * 1024 * 1024
"""Longer ones are neither written nor read; a thousand recipients make half a megabyte."""
_BLOCK_OCTETS = 16384
_MARK = b"\r\nX-Envelope-Record: "
_SUBJECT_LIMIT = 1000
_FIELD_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]*\Z")
_RECORD = re.compile(
    r"v=1; received=(?P<received>[0-9.e+-]{1,32}); size=(?P<size>[0-9]{1,19}); category=(?P<category>[a-z_]{1,20}); "
    r'key=(?P<key>[0-9a-f]{64}); subject="(?P<subject>[^"]*)"\Z'
)
_ADDRESS = re.compile(r"<([^<>]*)>")


@dataclass(frozen=True, slots=True)
class Prefix:
    """What we know of a quarantined message without its content."""

    mail_id: str
    sender: str
    recipients: tuple[str, ...]
    """All of the envelope."""
    blocked: tuple[str, ...]
    """Those the copy is kept for."""
    received_at: float
    """Seconds since the epoch."""
    size_bytes: int
    """Octets of the message's own header and body."""
    category: Category
    key: str
    """What makes a retry recognisable: digest of message, sender, blocked recipients and category."""
    subject: str
    """Unfolded, at most 1000 characters; hostile."""


class Source(Protocol):
    """Something to read octets from."""

    def read(self, size: int, /) -> bytes: ...


def rendered(prefix: Prefix, fields: Iterable[tuple[str, str]] = ()) -> bytes:
    """Return the fields as octets with CRLF. ``fields`` stand between the envelope and the last one.

    Raises StoreError when they are too long to be read back.
    """
    lines = [
        f"Return-Path: <{escaped(prefix.sender)}>",
        f"Delivered-To: {prefix.category.word.replace('_', '-')}-quarantine",
        f"X-Envelope-From: <{escaped(prefix.sender)}>",
        f"X-Envelope-To: {_addresses(prefix.recipients)}",
        f"X-Envelope-To-Blocked: {_addresses(prefix.blocked)}",
        f"X-Quarantine-ID: <{prefix.mail_id}>",
        *(_field(name, value) for name, value in fields),
        f"X-Envelope-Record: {_record(prefix)}",
    ]
    octets = "".join(line + "\r\n" for line in lines).encode("utf-8", "replace")
    if len(octets) > PREFIX_LIMIT_OCTETS:
        raise StoreError("the envelope is too long for the quarantine")
    return octets


def _record(prefix: Prefix) -> str:
    facts = (
        f"received={prefix.received_at!r}; size={prefix.size_bytes}; category={prefix.category.word}; key={prefix.key}"
    )
    return f'v=1; {facts}; subject="{escaped(prefix.subject[:_SUBJECT_LIMIT])}"'


def _addresses(addresses: Iterable[str]) -> str:
    return ",\r\n ".join(f"<{escaped(address)}>" for address in addresses)


def _field(name: str, value: str) -> str:
    """Return one field, its line ends turned into folds."""
    if not _FIELD_NAME.match(name) or name.lower() == "x-envelope-record":
        raise StoreError(f"no name for a field of the quarantine: {escaped(name)[:80]}")
    lines = (line.strip("\r\n") for line in value.split("\n"))
    return f"{name}: " + "\r\n ".join(_without_controls(line).strip() for line in lines if line.strip())


def _without_controls(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)


def read(source: Source) -> tuple[Prefix, bytes]:
    """Return the prefix and the first octets of the message behind it, which were read with it."""
    octets = bytearray()
    mark, end = -1, -1
    while end < 0:
        block = source.read(_BLOCK_OCTETS)
        if not block or len(octets) > PREFIX_LIMIT_OCTETS:
            raise StoreError("not a file of the quarantine, or a damaged one")
        # Mark and line end may lie across two blocks; what was searched is not searched again.
        overlap = max(0, len(octets) - len(_MARK))
        octets += block
        mark = octets.find(_MARK, overlap) if mark < 0 else mark
        end = -1 if mark < 0 else octets.find(b"\r\n", max(mark + len(_MARK), overlap))
    return _parsed(bytes(octets[:end])), bytes(octets[end + 2 :])


def _parsed(octets: bytes) -> Prefix:
    lines = octets.decode("utf-8", "replace").replace("\r\n ", " ").split("\r\n")
    values = dict(reversed([_named(line) for line in lines]))
    record = _RECORD.match(values.get("x-envelope-record", ""))
    if record is None:
        raise StoreError("not a file of the quarantine, or a damaged one")
    try:
        return Prefix(
            mail_id=values["x-quarantine-id"].strip("<>"),
            sender=_parsed_addresses(values["x-envelope-from"])[0],
            recipients=_parsed_addresses(values["x-envelope-to"]),
            blocked=_parsed_addresses(values["x-envelope-to-blocked"]),
            received_at=float(record["received"]),
            size_bytes=int(record["size"]),
            category=Category[record["category"].upper()],
            key=record["key"],
            subject=unescaped(record["subject"]),
        )
    except (KeyError, ValueError, IndexError) as error:
        raise StoreError("not a file of the quarantine, or a damaged one") from error


def _named(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.lower(), value.strip()


def _parsed_addresses(value: str) -> tuple[str, ...]:
    return tuple(unescaped(address) for address in _ADDRESS.findall(value))
