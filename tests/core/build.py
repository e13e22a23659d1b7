# SPDX-License-Identifier: GPL-3.0-or-later
"""Values for tests, with only what a test is about said."""

from milterguard.core.envelope import Client, Envelope, Recipient, Traffic
from milterguard.core.finding import Category, Finding
from milterguard.core.message import Field, Message
from milterguard.core.policy import Policy
from milterguard.core.verdict import Judged


class Octets:
    """A content that has arrived in full."""

    def __init__(self, octets: bytes = b"Hello.\r\n") -> None:
        self._octets = octets

    @property
    def size(self) -> int:
        return len(self._octets)

    def open(self, *, deadline: float | None = None) -> "OctetsReader":
        return OctetsReader(self._octets)

    def whole(self, *, deadline: float | None = None) -> bytes:
        return self._octets


class OctetsReader:
    def __init__(self, octets: bytes) -> None:
        self._left = octets

    def read(self, size: int, /) -> bytes:
        block, self._left = self._left[:size], self._left[size:]
        return block

    def close(self) -> None:
        self._left = b""


CLIENT = Client(address="192.0.2.7", port=4711, name="mx.sender.example", helo="mx.sender.example")


def envelope(
    *recipients: str,
    sender: str = "sender@sender.example",
    client: Client = CLIENT,
    traffic: Traffic = Traffic.INBOUND,
) -> Envelope:
    return Envelope(
        sender=sender,
        recipients=tuple(Recipient(address, is_local=True) for address in recipients or ("user@example.com",)),
        client=client,
        traffic=traffic,
        mta="mail.example.com",
        queue_id="4QUEUEID",
    )


def fields(*lines: str) -> tuple[Field, ...]:
    """Return fields from ``Name: value`` lines."""
    parted = (line.encode().partition(b":") for line in lines)
    return tuple(Field(name, value) for name, _, value in parted)


def message(
    *lines: str,
    body: bytes = b"Hello.\r\n",
    to: tuple[str, ...] = ("user@example.com",),
    sender: str = "sender@sender.example",
) -> Message:
    return Message(
        mail_id="Abcdefghij12",
        log_id="00042-01",
        received_at=1_800_000_000.0,
        envelope=envelope(*to, sender=sender),
        fields=fields(*(lines or ("From: a@sender.example", "Subject: hello"))),
        content=Octets(body),
    )


def judged(address: str = "user@example.com", *, policy: Policy | None = None, is_local: bool = True) -> Judged:
    return Judged(Recipient(address, is_local=is_local), policy or Policy())


CLEAN = Finding("clamd", Category.CLEAN)
VIRUS = Finding("clamd", Category.VIRUS, detail="Eicar-Test-Signature")
ENCRYPTED = Finding("clamd", Category.UNCHECKED, "encrypted", "Heuristics.Encrypted.Zip")
NO_CLAMD = Finding("clamd", Category.FAILED, "unavailable", "nobody answers")


def points(score: float, *tests: tuple[str, float | None]) -> Finding:
    return Finding("spamd", Category.CLEAN, score=score, tests=tests, autolearn="no")
