# SPDX-License-Identifier: GPL-3.0-or-later
"""What it costs to verify a signature and to make one, in processor time of one core, the DNS cached.

    python -m tests.bench.proofs

Beside each figure stands what OpenSSL alone needs for the same key, in the same run.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from milterguard.checks.authentication import AuthenticationCheck
from milterguard.checks.base import Budget, NothingInside
from milterguard.config.authentication import Authentication
from milterguard.config.dns import Dns
from milterguard.config.signing import Signing
from milterguard.core.destiny import Destiny
from milterguard.core.envelope import Client, Recipient, Traffic
from milterguard.core.finding import Category
from milterguard.core.given import Given
from milterguard.core.message import Message
from milterguard.core.policy import Policy
from milterguard.core.verdict import Decision, Outcome
from milterguard.dkim.compose import SigningKey
from milterguard.dns import Resolver
from milterguard.effects.sign import Signer
from milterguard.keys.private import PrivateKey, generated
from tests.core.build import Octets, envelope
from tests.dkim.build import RSA, signed, split
from tests.fakes.dns import DnsServer

ROUNDS = 7
LINE = b"This is one of the lines of a message that somebody has written, 74 octets.\r\n"


@dataclass(frozen=True, slots=True)
class Cost:
    """One figure."""

    name: str
    milliseconds: float
    limit: float
    """What it may be."""


class OneKey:
    """A ring with one key."""

    def __init__(self, key: PrivateKey) -> None:
        self._key = key

    def keys(self, domain: str) -> tuple[SigningKey, ...]:
        return (SigningKey(domain, "test", self._key.algorithm),)

    def sign(self, key: SigningKey, digest: bytes) -> bytes:
        return self._key.sign(digest)

    def close(self) -> None: ...


def letter(size: int) -> bytes:
    head = (
        b"From: a@example.com\r\nTo: b@example.net\r\nSubject: figures\r\nDate: Sat, 28 Nov 2026 10:00:00 +0000\r\n\r\n"
    )
    return head + LINE * (size // len(LINE))


def message(octets: bytes, traffic: Traffic = Traffic.INBOUND) -> Message:
    fields, body = split(octets)
    whom = replace(
        envelope("u@example.com", sender="a@example.com", client=Client("192.0.2.7", port=1, helo="x.y")),
        traffic=traffic,
    )
    return Message("Abcdefghij12", "1-1", time.time(), whom, tuple(fields), Octets(body))


def costs() -> Iterator[Cost]:
    """Yield every figure."""
    zone = {"test._domainkey.example.com": [{"TXT": RSA.record}]}
    with DnsServer(zone) as server:
        check = AuthenticationCheck(
            Authentication(iprev=False, spf=False, dmarc=False), Resolver(Dns(servers=(server.address,)))
        )

        def verify(of: Message) -> None:
            found = check.run(of, Budget(time.monotonic() + 60), NothingInside())
            assert [each.result for each in found if each.check == "dkim"] == ["pass"], found

        for size, name, limit in ((5_000, "5 KB", 3.0), (2_000_000, "2 MB", 40.0)):
            with_signature = message(signed(letter(size), now=int(time.time())))
            yield Cost(f"verify RSA-2048, {name}", best(lambda of=with_signature: verify(of)), limit)  # type: ignore[misc]
    signer = Signer(Signing(), OneKey(RSA))
    for size, name in ((5_000, "5 KB"), (50_000, "50 KB")):
        given = _given(message(letter(size), Traffic.ORIGINATING))
        yield Cost(f"sign RSA-2048, {name}", best(lambda of=given: signer.edits(of)), 5.0)  # type: ignore[misc]
    ed25519 = Signer(Signing(), OneKey(generated("ed25519")))
    given = _given(message(letter(5_000), Traffic.ORIGINATING))
    yield Cost("sign Ed25519, 5 KB", best(lambda: ed25519.edits(given)), 5.0)
    yield Cost("OpenSSL alone, sign RSA-2048", best(lambda: RSA.sign(bytes(32))), 5.0)


def best(work: Callable[[], object]) -> float:
    """Return the least milliseconds of processor time of this thread, of several rounds; the first one warms up."""
    work()
    return min(_milliseconds(work) for _ in range(ROUNDS))


def _milliseconds(work: Callable[[], object]) -> float:
    began = time.thread_time()
    work()
    return (time.thread_time() - began) * 1000


def _given(of: Message) -> Given:
    outcome = Outcome(
        recipient=Recipient("u@example.com"),
        policy=Policy(),
        destiny=Destiny.PASS,
        category=Category.CLEAN,
        blocking=None,
        categories=frozenset((Category.CLEAN,)),
        score=None,
    )
    decision = Decision(Destiny.PASS, (outcome,), Category.CLEAN)
    return Given(of, decision, (), (), "", time.monotonic() + 60)


def main(arguments: Sequence[str] = ()) -> int:
    del arguments
    for cost in costs():
        print(f"{cost.name:32} {cost.milliseconds:8.2f} ms   (at most {cost.limit:g})")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
