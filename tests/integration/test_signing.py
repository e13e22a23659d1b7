# SPDX-License-Identifier: GPL-3.0-or-later
"""Mail that we sign and seal, delivered by a real Postfix, verifies in implementations that are not ours."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

import dkim
from milterguard.keys.private import PrivateKey, generated
from tests.daemons import Postfix, Sink, private_folder, toml
from tests.integration.authentic import Post, posting

OURS, AUTHOR, FRIEND = "example.com", "author@example.com", "friend@elsewhere.example"
KEYS = {"rsa": generated("rsa"), "ed": generated("ed25519")}
RECORDS = {f"{name}._domainkey.{OURS}": [{"TXT": key.record}] for name, key in KEYS.items()}


def letter(
    *extra: str, author: str = AUTHOR, subject: str = "hello", body: bytes = b"Hi,\r\n\r\n world. \r\n\r\n"
) -> bytes:
    head = [
        f"From: The Author <{author}>",
        f"To: {FRIEND}",
        "Subject: hello",
        "Date: Sat, 28 Nov 2026 10:00:00 +0000",
        f"Message-ID: <{len(body)}@{OURS}>",
        "MIME-Version: 1.0",
        "Content-Type:  text/plain;  charset=utf-8",
    ]
    return "".join(f"{line}\r\n" for line in (*head, *extra)).encode() + b"\r\n" + body


def entries(folder: Path, keys: dict[str, PrivateKey] = KEYS, domain: str = OURS) -> list[toml.Table]:
    """Write key files; return their entries."""
    written: list[toml.Table] = []
    for name, key in keys.items():
        file = folder / f"{name}.pem"
        file.touch(mode=0o600)
        file.write_bytes(key.pem())
        written.append({"domain": domain, "selector": name, "file": str(file)})
    return written


@contextmanager
def signing(postfix: Postfix, sink: Sink, socket: str, settings: toml.Table) -> Iterator[Post]:
    with ExitStack() as stack:
        folder = stack.enter_context(private_folder())
        ours: toml.Table = {"dkim_key": entries(folder)}
        yield stack.enter_context(
            posting(folder, postfix, sink, socket, settings=toml.merged(ours, settings), zone=RECORDS)
        )


@pytest.fixture(scope="module")
def post(shared_postfix: Postfix, shared_sink: Sink, milter_socket: str) -> Iterator[Post]:
    sealing: toml.Table = {
        "signing": {"arc_domain": OURS},
        "recipient": [{"match": ["@fwd.example.com"], "arc_seal": True}],
    }
    with signing(shared_postfix, shared_sink, milter_socket, sealing) as post:
        yield post


def tags(value: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in value.split(";"))
    return {name.strip(): text.strip() for name, _, text in pairs}


def test_our_signatures_hold_elsewhere(post: Post) -> None:
    """RSA by Mail::DKIM and dkimpy, Ed25519 by dkimpy, and both by ourselves when the message comes back."""
    told = post.submit(letter("Cc: a@b.example", "X-Other: 1"))
    assert post.opinions(told.octets)[:1] != []
    assert f"pass {OURS} rsa-sha256" in post.opinions(told.octets)
    verifier = dkim.DKIM(told.octets)

    def key(name: bytes, timeout: int = 5) -> bytes:
        return str(RECORDS[name.decode().rstrip(".")][0]["TXT"]).encode()

    assert [verifier.verify(idx, key) for idx in (0, 1)] == [True, True]
    back = post.send(told.octets)
    assert back.result("dkim", header_s="rsa") == back.result("dkim", header_s="ed") == "pass"


def test_what_a_signature_says(post: Post) -> None:
    """No Received, no trace fields; what a reader sees once more than it stands."""
    told = post.submit(
        letter("Received: from a by b; Sat, 28 Nov 2026 10:00:00 +0000", "Authentication-Results: x; none")
    )
    said = [tags(value) for value in told.values("DKIM-Signature")]
    assert {each["s"] for each in said} == {"rsa", "ed"}
    for each in said:
        names = [name.strip() for name in each["h"].lower().split(":")]
        assert (each["d"], each["c"], each["v"]) == (OURS, "relaxed/relaxed", "1")
        assert {"received", "authentication-results", "return-path", "dkim-signature"}.isdisjoint(names)
        for name in ("from", "to", "subject", "date", "content-type"):
            assert names.count(name) == 2, name
        assert names.count("reply-to") == 1
    added = b"Subject: another\r\n" + told.octets
    assert not any(line.startswith("pass") for line in post.opinions(added))


@pytest.mark.parametrize(
    "body",
    [b"", b"\r\n", b"x", b"a \t b\r\n\t\r\n \r\n", b".\r\n..\r\n", b"z" * 900, "grüße ☃\r\n".encode()],
    ids=range(7),
)
def test_whatever_the_body(body: bytes, post: Post) -> None:
    """As Postfix delivers it."""
    assert f"pass {OURS} rsa-sha256" in post.opinions(post.submit(letter(body=body)).octets)


def test_who_is_signed_for(post: Post) -> None:
    """The author, else Sender, else the envelope; not strangers, not what another of ours has signed."""
    assert post.submit(letter(author=FRIEND), sender=FRIEND).values("DKIM-Signature") == ()
    assert len(post.submit(letter(author=FRIEND)).values("DKIM-Signature")) == 2
    assert len(post.submit(letter(f"Sender: {AUTHOR}", author=FRIEND), sender=FRIEND).values("DKIM-Signature")) == 2
    assert post.send(letter()).values("DKIM-Signature") == ()
    once = post.submit(letter())
    assert len(post.submit(once.octets).values("DKIM-Signature")) == 2
    broken = once.octets.replace(b"world", b"words")
    assert len(post.submit(broken).values("DKIM-Signature")) == 4


def test_a_sealed_chain_holds_elsewhere(post: Post) -> None:
    """By Mail::DKIM's ARC verifier: first alone, then on top of the first; and by ourselves."""
    first = post.send(letter(author="a@sender.example"), recipients=["list@fwd.example.com"])
    assert len(first.values("ARC-Seal")) == 1, first.fields
    assert tags(first.values("ARC-Seal")[0])["cv"] == "none"
    assert post.opinions(first.octets, "arc")[0].startswith("pass")
    second = post.send(first.octets, recipients=["list@fwd.example.com"])
    assert second.result("arc") == "pass"
    assert [tags(each)["cv"] for each in second.values("ARC-Seal")] == ["pass", "none"]
    assert post.opinions(second.octets, "arc")[0].startswith("pass")
    assert second.values("ARC-Authentication-Results")[0].startswith("i=2; mx.example.com; ")


def test_a_broken_chain_is_sealed_as_broken_and_then_no_more(post: Post) -> None:
    """cv=fail over the own set only; who comes later adds nothing."""
    first = post.send(letter(author="a@sender.example"), recipients=["list@fwd.example.com"])
    broken = post.send(first.octets.replace(b"world", b"words"), recipients=["list@fwd.example.com"])
    assert broken.result("arc") == "fail"
    assert tags(broken.values("ARC-Seal")[0])["cv"] == "fail"
    again = post.send(broken.octets, recipients=["list@fwd.example.com"])
    assert len(again.values("ARC-Seal")) == 2
    assert post.send(letter(author="a@sender.example")).values("ARC-Seal") == ()
