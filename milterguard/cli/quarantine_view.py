# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``quarantine`` shows: withheld messages, their releases, and the message itself as harmless text."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from milterguard.cli import show
from milterguard.core.text import decoded
from milterguard.errors import StoreError

if TYPE_CHECKING:
    from milterguard.effects.release import Released
    from milterguard.store.quarantine import Entry, FileQuarantine

_BLOCK = 65536
HEADS = ("Mail id", "Received", "Category", "Status", "Size", "Sender", "Recipients", "Subject")


def facts(entry: "Entry") -> dict[str, Any]:
    return {
        "mail_id": entry.mail_id,
        "category": entry.category.word,
        "sender": entry.sender,
        "recipients": list(entry.recipients),
        "withheld_from": list(entry.blocked),
        "subject": entry.subject,
        "size_bytes": entry.size_bytes,
        "received_at": entry.received_at,
        "status": entry.status,
        "location": entry.location,
    }


def row(entry: "Entry") -> list[str]:
    return [
        entry.mail_id,
        show.moment(entry.received_at),
        entry.category.word,
        entry.status,
        show.octets(entry.size_bytes),
        f"<{entry.sender}>",
        ", ".join(f"<{address}>" for address in entry.blocked or entry.recipients),
        entry.subject,
    ]


def tell(quarantine: "FileQuarantine", entry: "Entry") -> None:
    show.pairs(
        [
            ("mail id", entry.mail_id),
            ("received", show.moment(entry.received_at)),
            ("category", entry.category.word),
            ("status", entry.status),
            ("size", show.octets(entry.size_bytes)),
            ("sender", f"<{entry.sender}>"),
            ("recipients", ", ".join(f"<{address}>" for address in entry.recipients)),
            ("withheld from", ", ".join(f"<{address}>" for address in entry.blocked)),
            ("subject", entry.subject),
            ("location", entry.location),
            *(("released", line) for line in releases(quarantine, entry)),
        ]
    )


def releases(quarantine: "FileQuarantine", entry: "Entry") -> list[str]:
    """Return what the receipt says."""
    try:
        with quarantine.begin_release(entry.mail_id, wait_seconds=0.0) as state:
            if state.is_uncertain and state.previous is not None:
                return [f"perhaps, at {show.moment(state.previous.at)}: that release broke off"]
            return list(state.previous.lines) if state.previous is not None else []
    except StoreError as error:
        return [str(error)]


def octets(quarantine: "FileQuarantine", entry: "Entry") -> Iterator[bytes]:
    with quarantine.open(entry) as original:
        while block := original.read(_BLOCK):
            yield block


def lines(quarantine: "FileQuarantine", entry: "Entry", *, header_only: bool) -> Iterator[str]:
    """Yield the message's lines as text; a line without end comes in pieces."""
    rest = b""
    for block in octets(quarantine, entry):
        *lines, rest = (rest + block).split(b"\n")
        for line in lines:
            text = line.rstrip(b"\r")
            if header_only and not text:
                return
            yield decoded(text)
        if len(rest) > _BLOCK:
            yield decoded(rest)
            rest = b""
    if rest:
        yield decoded(rest)


def release_facts(released: "Released") -> dict[str, Any]:
    return {
        "mail_id": released.entry.mail_id,
        "status": "released",
        "is_new": released.is_new,
        "released_at": released.at,
        "recipients": list(released.recipients),
        "refused": [{"recipient": recipient, "reply": reply} for recipient, reply in released.refused],
        "receipt": list(released.lines),
    }


def tell_release(released: "Released") -> None:
    if released.is_new:
        show.say(f"released {released.entry.mail_id}")
    else:
        show.say(
            f"message {released.entry.mail_id} was released before, at {show.moment(released.at)}; "
            "nothing was sent now (--again sends it once more)"
        )
    for line in released.lines:
        show.say(f"  {line}", limit=1000)
