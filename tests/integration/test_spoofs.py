# SPDX-License-Identifier: GPL-3.0-or-later
"""What forged mail comes to: nothing of it is taken for our word, and nobody's address is shown as proven."""

import time
from collections.abc import Iterator

import pytest

from milterguard.core.message import Field
from milterguard.dkim.body import body_digests
from milterguard.dkim.canonical import Canonical
from milterguard.dkim.compose import Manner, SigningKey, arc_set, dkim_signature
from milterguard.keys.private import generated
from tests.core.build import Octets
from tests.daemons import Postfix, Sink, private_folder
from tests.fakes.mta import Mail
from tests.integration.authentic import STRANGER, Post, Told, by_wire, posting
from tests.integration.spoofs import EVIL, OURS, SPOOFS, VICTIM, Spoof

KEY = generated("rsa", bits=1024)
MANNER = Manner(names=frozenset((b"from",)))
BODY = b"Send money.\r\n"
SPF = {"TXT": f"v=spf1 ip4:{STRANGER['ADDR']} -all"}
ZONE = {
    EVIL: [SPF],
    "mx.evil.example": [SPF],
    f"test._domainkey.{EVIL}": [{"TXT": KEY.record}],
    f"_dmarc.{EVIL}": [{"TXT": "v=DMARC1; p=reject"}],
    VICTIM: [{"TXT": "v=spf1 -all"}],
    f"_dmarc.{VICTIM}": [{"TXT": "v=DMARC1; p=quarantine"}],
}
"""The victim asks for quarantine, so that the message is delivered, marked, and can be looked at."""


def fields_of(spoof: Spoof) -> list[Field]:
    pairs = (each.partition(":") for each in spoof.fields)
    return [Field(name.encode(), value.encode()) for name, _, value in pairs]


def signed(fields: list[Field]) -> list[Field]:
    (body,) = body_digests(Octets(BODY), [MANNER.body]).values()
    key = SigningKey(EVIL, "test", "rsa-sha256")
    value = dkim_signature(fields, body, key, lambda _, digest: KEY.sign(digest), manner=MANNER, now=int(time.time()))
    return [Field(b"DKIM-Signature", b" " + value.encode()), *fields]


def written(fields: list[Field]) -> bytes:
    return b"".join(field.octets() for field in fields) + b"\r\n" + BODY


@pytest.fixture(scope="module")
def post(shared_postfix: Postfix, shared_sink: Sink, milter_socket: str) -> Iterator[Post]:
    with private_folder() as folder, posting(folder, shared_postfix, shared_sink, milter_socket, zone=ZONE) as post:
        yield post


def sent(spoof: Spoof, post: Post) -> Told:
    octets = written(signed(fields_of(spoof)) if spoof.signs else fields_of(spoof))
    return post.send(octets, sender=spoof.sender, helo=spoof.helo)


@pytest.mark.parametrize("spoof", SPOOFS, ids=[each.name for each in SPOOFS])
def test_nothing_forged_survives(spoof: Spoof, post: Post) -> None:
    """One word of ours, above all, and no dmarc=pass in it; no pass for the victim at all."""
    told = sent(spoof, post)
    if not told.fields:
        assert told.dialogue.last.code >= 500
        return
    ours = [value for value in told.values("Authentication-Results") if OURS in value.lower()]
    assert len(ours) == 1, ours
    assert told.value == ours[0]
    assert told.values("Received-SPF") == ()
    passed = {each.of("header.from") for each in told.results if each.method == "dmarc" and each.result == "pass"}
    assert passed == set()
    assert VICTIM not in {each.of("smtp.mailfrom").rpartition("@")[2] for each in told.results if each.result == "pass"}
    dmarc = [each for each in told.results if each.method == "dmarc"]
    assert len(dmarc) == 1


def test_the_attacker_is_himself(post: Post) -> None:
    """In his own name all is proven: the table above does not hold for want of proofs."""
    told = sent(Spoof("himself", (f"From: a@{EVIL}",)), post)
    assert told.result("dmarc", header_from=EVIL) == "pass"
    assert told.result("dkim", header_d=EVIL) == "pass"
    assert told.result("spf", smtp_mailfrom=f"a@{EVIL}") == "pass"


def test_other_peoples_results_stay(post: Post) -> None:
    """Under their own ids they are nobody's word but theirs."""
    theirs = "Authentication-Results: mx.example.com.evil.example; dmarc=pass"
    assert len(sent(Spoof("theirs", (f"From: a@{EVIL}", theirs)), post).values("Authentication-Results")) == 2


def sealed_by_evil(author: str) -> bytes:
    """A chain that holds, by the attacker."""
    fields = [Field(b"From", b" " + author.encode())]
    manner = Manner(names=frozenset((b"from",)), body_way=Canonical.RELAXED)
    (body,) = body_digests(Octets(BODY), [manner.body]).values()
    added = arc_set(
        fields,
        body,
        SigningKey(EVIL, "test", "rsa-sha256"),
        lambda _, digest: KEY.sign(digest),
        manner=manner,
        results=f"lists.{EVIL}; dmarc=pass header.from={VICTIM}",
        chain=(),
        instance=1,
        cv="none",
        now=int(time.time()),
    )
    return written([*(Field(name.encode(), b" " + value.encode()) for name, value in reversed(added)), *fields])


def test_a_chain_that_holds_is_worth_what_its_sealer_is(post: Post, shared_postfix: Postfix) -> None:
    """Of an unknown sealer nothing; of one whom the operator trusts that DMARC asks for nothing, and it is told why."""
    told = post.send(sealed_by_evil(f"ceo@{VICTIM}"), sender="list@lists.example")
    assert (told.result("arc"), told.result("dmarc")) == ("pass", "fail")
    assert told.values("X-Amavis-Alert") != ()
    post.milterguard.write_settings({"checks": {"authentication": {"trusted_sealers": [EVIL]}}})
    post.milterguard.reload()
    told = post.send(sealed_by_evil(f"ceo@{VICTIM}"), sender="list@lists.example")
    assert told.result("dmarc", header_from=VICTIM) == "fail"
    assert "trusted ARC chain of evil.example" in told.value
    assert told.values("X-Amavis-Alert") == ()
    other = post.send(sealed_by_evil("ceo@other.example"), sender="list@lists.example")
    assert "trusted" not in other.value


def test_a_helo_that_no_mta_lets_through(post: Post) -> None:
    """Blanks and quotes in it stay data all the same."""
    told = by_wire(post.milterguard, Mail(sender="<>"), address="192.0.2.25", helo='a; dmarc=pass (x) "y\\')
    assert [each.result for each in told.results if each.method == "dmarc"] == ["none"]
