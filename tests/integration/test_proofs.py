# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done with the proofs of who sent a message: banks, lists, our own edits, spamd; and when the DNS fails."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from milterguard.core.message import Field
from milterguard.dkim.body import body_digests
from milterguard.dkim.compose import Manner, SigningKey, dkim_signature
from milterguard.keys.private import generated
from tests.core.build import Octets
from tests.daemons import Postfix, Sink, Spamd, private_folder, toml, wait_until
from tests.daemons.sample import points_phrase
from tests.integration.authentic import STRANGER, Post, Told, posting

KEY = generated("rsa")
AUTHOR, PARTNER = "sender.example", "partner.example"
ZONE: dict[str, list[Any]] = {
    AUTHOR: [{"TXT": f"v=spf1 ip4:{STRANGER['ADDR']} -all"}],
    f"test._domainkey.{AUTHOR}": [{"TXT": KEY.record}],
    f"test._domainkey.{PARTNER}": [{"TXT": KEY.record}],
    f"_dmarc.{AUTHOR}": [{"TXT": "v=DMARC1; p=reject"}],
}
SETTINGS: toml.Table = {
    "policy": {"spam_tag2_level": 5.0, "spam_kill_level": 50.0},
    "bank": {
        "PROVEN": {"when": {"aligned_author": "@sender.example"}, "dmarc_reject_destiny": "pass"},
        "SIGNED": {"when": {"dkim_author": "boss@sender.example"}, "spam_tag2_level": 99.0},
        "PARTNER": {"when": {"dkim_signer": PARTNER}, "protect_signatures": "prefer_fields"},
        "CAREFUL": {"when": {"sender": "careful@sender.example"}, "protect_signatures": "never_break"},
    },
    "field": [{"action": "remove", "name": "Reply-To", "breaks_signatures": True}],
    "headers": {"received_spf": True},
    "recipient": [
        {"match": ["picky@example.com"], "allow_senders": ["@sender.example"], "allow_only_authenticated": True},
    ],
}


def letter(*, author: str = f"a@{AUTHOR}", signer: str = "", body: bytes = b"Hello.\r\n") -> bytes:
    fields = [Field(b"From", f" {author}".encode()), Field(b"Subject", b" hello"), Field(b"Reply-To", b" r@x.example")]
    if signer:
        manner = Manner(names=frozenset((b"from", b"subject", b"reply-to")))
        (digest,) = body_digests(Octets(body), [manner.body]).values()
        key = SigningKey(signer, "test", "rsa-sha256")
        value = dkim_signature(fields, digest, key, lambda _, each: KEY.sign(each), manner=manner, now=int(time.time()))
        fields.insert(0, Field(b"DKIM-Signature", b" " + value.encode()))
    return b"".join(field.octets() for field in fields) + b"\r\n" + body


SPAMMY = f"Please read: {points_phrase('6-5')} is all.\r\n".encode()


@pytest.fixture(scope="module")
def post(shared_postfix: Postfix, shared_sink: Sink, shared_spamd: Spamd, milter_socket: str) -> Iterator[Post]:
    checks: toml.Table = {"checks": {"spamd": {"enabled": True, "sockets": [shared_spamd.socket]}}}
    settings = toml.merged(SETTINGS, checks)
    with (
        private_folder() as folder,
        posting(folder, shared_postfix, shared_sink, milter_socket, settings=settings, zone=ZONE) as post,
    ):
        yield post


def banks(post: Post, told: Told) -> str:
    """The banks in the log line of the last message."""
    return logged(post, told).partition("}, ")[2]


def logged(post: Post, told: Told) -> str:
    """The line of the log about a message."""
    assert told.fields, told.dialogue.last
    queue_id = f"Queue-ID: {str(told.dialogue.last).rpartition(' ')[2]}"
    wait_until(lambda: queue_id in post.milterguard.log(), seconds=10, what="a line in the log")
    return next(line for line in post.milterguard.log().splitlines() if queue_id in line)


def test_banks_by_author(post: Post) -> None:
    """Proven by SPF or DKIM, by DKIM alone, by a signer; and not by somebody who merely says so."""
    assert banks(post, post.send(letter(), sender=f"x@{AUTHOR}")).startswith("PROVEN ")
    signed = post.send(letter(author=f"boss@{AUTHOR}", signer=AUTHOR, body=SPAMMY), sender="x@elsewhere.example")
    assert banks(post, signed).startswith("PROVEN/SIGNED ")
    assert signed.values("X-Spam-Flag") == ("NO",)
    by_spf = post.send(letter(author=f"boss@{AUTHOR}", body=SPAMMY), sender=f"x@{AUTHOR}")
    assert banks(post, by_spf).startswith("PROVEN ")
    assert by_spf.values("X-Spam-Flag") == ("YES",)
    assert banks(post, post.send(letter(author="a@other.example", signer=PARTNER))).startswith("PARTNER ")
    forged = post.send(letter(author=f"boss@{AUTHOR}"), sender="x@elsewhere.example")
    assert forged.dialogue.last.code == 550
    assert AUTHOR in str(forged.dialogue.last)


def test_an_allowed_sender_has_to_prove_himself(post: Post) -> None:
    """By SPF of the envelope, as we have found ourselves."""
    proven = post.send(letter(body=SPAMMY), sender=f"x@{AUTHOR}", recipients=["picky@example.com"])
    assert proven.values("X-Spam-Flag") == ("NO",)
    client = {"ADDR": "192.0.2.99", "NAME": "x.example"}
    signed = letter(author="a@other.example", body=SPAMMY)
    unproven = post.send(signed, sender=f"x@{AUTHOR}", recipients=["picky@example.com"], client=client)
    assert unproven.result("spf", smtp_mailfrom=f"x@{AUTHOR}") == "fail"
    assert unproven.values("X-Spam-Flag") == ("YES",)


def evidence(post: Post, told: Told) -> str:
    """What explain says of the last message."""
    mail_id = logged(post, told).partition("mail_id: ")[2].partition(",")[0]
    wait_until(lambda: post.milterguard.cli("explain", mail_id).returncode == 0, seconds=20, what="a record")
    return post.milterguard.cli("explain", mail_id).stdout


def test_our_edits_and_their_signatures(post: Post) -> None:
    """Off: the tag is put before the Subject and it is told whose signature that broke; else it is spared."""
    octets = letter(author="a@other.example", signer=AUTHOR, body=SPAMMY)
    broken = post.send(octets, sender="x@other.example")
    assert broken.values("Subject") == ("***SPAM*** hello",)
    assert broken.values("Reply-To") == ()
    assert not any(each.startswith("pass") for each in post.opinions(broken.octets))
    assert f"the DKIM signature of {AUTHOR}" in evidence(post, broken)

    careful = post.send(octets, sender=f"careful@{AUTHOR}")
    assert careful.values("Subject") == ("hello",)
    assert careful.values("X-Subject-Tag") == ("***SPAM***",)
    assert careful.values("Reply-To") == ("r@x.example",)
    assert any(each.startswith("pass") for each in post.opinions(careful.octets))
    assert f"spared the DKIM signature of {AUTHOR}" in " ".join(evidence(post, careful).split())

    fields = post.send(letter(author="a@other.example", signer=PARTNER, body=SPAMMY), sender="x@other.example")
    assert fields.values("Subject") == ("hello",)
    assert fields.values("X-Subject-Tag") == ("***SPAM***",)
    assert fields.values("Reply-To") == ()


def test_one_word_of_ours(post: Post) -> None:
    """Received-SPF where it is wanted, and no foreign field that claims our name."""
    told = post.send(b"Authentication-Results: mx.example.com; dmarc=pass\r\n" + letter(), sender=f"x@{AUTHOR}")
    assert told.values("Received-SPF")[-1].startswith("pass receiver=mx.example.com; identity=mailfrom;")
    assert len(told.values("Authentication-Results")) == 1


@pytest.mark.parametrize("fault", ["SERVFAIL", "TIMEOUT", "REFUSED", "GARBAGE"])
def test_when_the_dns_fails(fault: str, post: Post) -> None:
    """The message is answered in time, nothing is proven, and nothing is refused because of it."""
    post.serve(ZONE)
    post.dns.fault = fault
    try:
        began = time.monotonic()
        told = post.send(letter(signer=AUTHOR), sender=f"x@{AUTHOR}")
        assert time.monotonic() - began < 8.0
    finally:
        post.dns.fault = ""
    assert told.dialogue.last.code == 250
    assert {told.result("dmarc"), told.result("dkim"), told.result("spf", smtp_mailfrom=f"x@{AUTHOR}")} == {"temperror"}
    assert told.values("X-Amavis-Alert") == ()


def test_when_every_answer_is_late(post: Post) -> None:
    """By two seconds each: what comes within the budget counts, the rest is a temporary error."""
    post.milterguard.write_settings({"dns": {"timeout_seconds": 3.0, "dns_budget_seconds": 6.0}})
    post.serve(ZONE)
    post.dns.delay_seconds = 2.0
    try:
        began = time.monotonic()
        told = post.send(letter(author=f"a@{AUTHOR}"), sender=f"x@{AUTHOR}")
        assert time.monotonic() - began < 12.0
    finally:
        post.dns.delay_seconds = 0.0
    assert told.dialogue.last.code == 250
    assert told.result("dmarc") in ("pass", "temperror")
    assert "temperror" in {each.result for each in told.results}


def test_when_there_is_no_resolver(post: Post) -> None:
    """Nobody at all at the address."""
    settings: toml.Table = {"servers": ["127.0.0.1:9"], "timeout_seconds": 0.5, "dns_budget_seconds": 2.0}
    before = post.milterguard.settings["dns"]
    post.milterguard.write_settings({"dns": settings})
    post.milterguard.reload()
    began = time.monotonic()
    told = post.send(letter(), sender=f"x@{AUTHOR}")
    assert time.monotonic() - began < 8.0
    assert (told.dialogue.last.code, told.result("dmarc")) == (250, "temperror")
    post.milterguard.write_settings({"dns": before})
    post.milterguard.reload()


def test_questions_are_counted(post: Post) -> None:
    """In the counters, by outcome."""
    file = post.milterguard.folder / "metrics.prom"
    post.milterguard.write_settings({"metrics": {"file": str(file), "seconds": 1}})
    post.milterguard.reload()
    post.send(letter(), sender=f"x@{AUTHOR}")
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        text = file.read_text() if file.exists() else ""
        if 'milterguard_dns_questions_total{outcome="answer"}' in text:
            return
        time.sleep(0.05)
    raise AssertionError(text)
