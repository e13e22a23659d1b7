# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose signatures and seals a message gets, and when none; verified by dkimpy."""

import time
from collections.abc import Sequence
from dataclasses import replace

import pytest

import dkim
from milterguard.config.signing import Signing
from milterguard.core.decide import decide
from milterguard.core.destiny import Mixed
from milterguard.core.envelope import Traffic
from milterguard.core.finding import Category, Finding
from milterguard.core.given import Given
from milterguard.core.message import Field, Message
from milterguard.core.policy import Policy, Sign
from milterguard.core.verdict import InsertField
from milterguard.dkim.compose import SigningKey
from milterguard.effects.sign import Signer
from milterguard.errors import ContentError, SignError
from milterguard.keys.private import PrivateKey, generated
from tests.core.build import CLEAN, VIRUS, Octets, OctetsReader, judged, message, points

RSA, SMALL = generated("rsa", bits=1024), generated("ed25519")
RESULTS = "mail.example.com; spf=pass smtp.mailfrom=a@sender.example"
ALIGNED = Finding(
    "dmarc", Category.CLEAN, result="pass", properties=(("header.from", "ours.example"), ("policy.aligned", "spf"))
)
LOVER = Policy(spam_lover=True, virus_lover=True)
SEALS = Policy(arc_seal=True, dkim_sign=Sign.NEVER)


class Ring:
    """Keys in memory."""

    def __init__(self, keys: dict[tuple[str, str], PrivateKey]) -> None:
        self._keys = keys
        self.asked: list[str] = []

    def keys(self, domain: str) -> tuple[SigningKey, ...]:
        self.asked.append(domain)
        return tuple(
            SigningKey(name, selector, key.algorithm)
            for (name, selector), key in self._keys.items()
            if domain == name or domain.endswith(f".{name}")
        )

    def sign(self, key: SigningKey, digest: bytes) -> bytes:
        return self._keys[key.domain, key.selector].sign(digest)

    def record(self, name: bytes, timeout: float = 0) -> bytes | None:
        """Return what the DNS would say: dkimpy asks."""
        del timeout
        selector, _, domain = name.decode().removesuffix(".").partition("._domainkey.")
        found = self._keys.get((domain, selector))
        return None if found is None else found.record.encode()

    def close(self) -> None:
        """Nothing to give back."""


class Gone(Octets):
    """A content that did not arrive."""

    def open(self, *, deadline: float | None = None) -> OctetsReader:
        raise ContentError("the message has not arrived")


def ring() -> Ring:
    return Ring({("ours.example", "s1"): RSA})


def mail(*lines: str, sender: str = "a@ours.example", traffic: Traffic = Traffic.ORIGINATING) -> Message:
    made = message(*(lines or ("From: a@ours.example", "Subject: hello")), sender=sender)
    return replace(made, envelope=replace(made.envelope, traffic=traffic))


def given(
    about: Message, *findings: Finding, policy: Policy | None = None, results: str = RESULTS, seconds: float = 60
) -> Given:
    decision = decide(findings or (CLEAN,), (judged(policy=policy),), mixed=Mixed.REMOVE)
    return Given(about, decision, findings, (), results, time.monotonic() + seconds)


def signed(keys: Ring, about: Given, **settings: object) -> tuple[InsertField, ...]:
    return Signer(Signing(**settings), keys).edits(about)  # type: ignore[arg-type]


def with_edits(about: Message, added: Sequence[InsertField]) -> Message:
    """Return the message as the MTA has it then: each field is put above all others."""
    above = [Field(each.name.encode(), b" " + each.value.replace("\n", "\r\n").encode()) for each in reversed(added)]
    return replace(about, fields=(*above, *about.fields))


def sent(about: Message, added: Sequence[InsertField]) -> bytes:
    """Return the message as the MTA sends it."""
    lines = [field.name + b":" + field.value + b"\r\n" for field in with_edits(about, added).fields]
    return b"".join(lines) + b"\r\n" + about.content.whole()


def arc_state(octets: bytes, keys: Ring) -> bytes:
    """Return what dkimpy says about the chain."""
    state: bytes = dkim.ARC(octets).verify(dnsfunc=keys.record)[0]
    return state


def signers(added: Sequence[InsertField]) -> list[str]:
    """Return ``d=`` of each signature."""
    tags = (dict(tag.strip().split("=", 1) for tag in edit.value.split(";") if tag.strip()) for edit in added)
    return [each["d"] for each in tags]


def test_a_signature_verifies() -> None:
    """By the author's key, over what is sent."""
    keys, about = ring(), mail()
    added = signed(keys, given(about))
    assert signers(added) == ["ours.example"]
    assert dkim.DKIM(sent(about, added)).verify(dnsfunc=keys.record)


def test_every_key_of_a_domain_signs() -> None:
    """RSA and Ed25519 side by side."""
    keys = Ring({("ours.example", "s1"): RSA, ("ours.example", "e1"): SMALL})
    about = mail()
    added = signed(keys, given(about))
    assert signers(added) == ["ours.example", "ours.example"]
    octets = sent(about, added)
    verifier = dkim.DKIM(octets)
    assert [verifier.verify(index, dnsfunc=keys.record) for index in range(2)] == [True, True]


@pytest.mark.parametrize(
    ("lines", "sender", "domains"),
    [
        (("From: a@ours.example",), "b@else.example", ["ours.example"]),
        (("From: a@else.example", "Sender: b@ours.example"), "c@third.example", ["ours.example"]),
        (("From: a@else.example",), "c@ours.example", ["ours.example"]),
        (("From: a@ours.example, b@else.example", "Sender: c@third.example"), "", []),
        (("From: a@else.example", "Sender: b@ours.example, c@third.example"), "", []),
        (("From: a@below.ours.example",), "", ["ours.example"]),
        (("From: nonsense",), "", []),
    ],
)
def test_whose_key(lines: tuple[str, ...], sender: str, domains: list[str]) -> None:
    """The author's, else Sender's, else the envelope sender's; of several nobody knows whose."""
    assert signers(signed(ring(), given(mail(*lines, sender=sender)))) == domains


@pytest.mark.parametrize(
    ("findings", "policy"),
    [
        ((VIRUS,), LOVER),
        ((points(9.0),), LOVER),
        ((points(6.5),), None),
        ((Finding("dmarc", Category.FORGED, "reject", result="fail"),), Policy()),
        ((CLEAN,), Policy(dkim_sign=Sign.NEVER)),
    ],
)
def test_what_we_do_not_answer_for_is_not_signed(findings: tuple[Finding, ...], policy: Policy | None) -> None:
    """Infected, spam, forged; and where a bank says so."""
    keys = ring()
    assert signed(keys, given(mail(), *findings, policy=policy)) == ()
    assert keys.asked == []


def test_mail_from_outside_is_signed_only_for_a_proven_author() -> None:
    """Even where a bank says always: anybody can say that he is one of ours."""
    always = Policy(dkim_sign=Sign.ALWAYS)
    about = mail(traffic=Traffic.INBOUND)
    assert signed(ring(), given(about)) == ()
    assert signed(ring(), given(about, policy=always)) == ()
    assert signers(signed(ring(), given(about, ALIGNED, policy=always))) == ["ours.example"]
    other = mail("From: a@else.example", sender="b@ours.example", traffic=Traffic.INBOUND)
    assert signed(ring(), given(other, ALIGNED, policy=always)) != ()  # the envelope's domain is the proven one
    assert signed(ring(), given(other, policy=always)) == ()


def test_what_the_domain_has_signed_is_not_signed_again() -> None:
    """A signature that holds; one that nobody has looked at counts as well, a broken one does not."""
    holds = Finding("dkim", Category.CLEAN, result="pass", properties=(("header.d", "ours.example"),))
    about = mail("DKIM-Signature: v=1; a=rsa-sha256; d=Ours.example; s=x; b=", "From: a@ours.example")
    assert signed(ring(), given(about)) == ()
    assert signed(ring(), given(about, holds)) == ()
    assert len(signed(ring(), given(about, replace(holds, result="fail")))) == 1
    other = replace(holds, properties=(("header.d", "else.example"),))
    assert len(signed(ring(), given(about, other))) == 1


def test_switched_off_nothing_is_signed() -> None:
    """And nobody is asked for keys."""
    keys = ring()
    assert signed(keys, given(mail()), enabled=False) == ()
    assert keys.asked == []


def test_what_cannot_be_signed_is_told() -> None:
    """A content that did not arrive, and no time left: never a signature over something else."""
    gone = replace(mail(), content=Gone())
    with pytest.raises(SignError, match="content: the message has not arrived"):
        signed(ring(), given(gone))
    with pytest.raises(SignError, match="no time left"):
        signed(ring(), given(mail(), seconds=0.1))


# --- seals -----------------------------------------------------------------------------------------


def sealed(keys: Ring, about: Message, *, found: str = "none", results: str = RESULTS) -> tuple[InsertField, ...]:
    arc = (Finding("arc", Category.CLEAN, result=found),) if found else ()
    return signed(keys, given(about, *arc, policy=SEALS, results=results), arc_domain="ours.example")


def test_a_chain_is_begun_and_goes_on() -> None:
    """Each set one higher, on top; dkimpy finds that it holds."""
    keys = ring()
    about = mail(traffic=Traffic.INBOUND)
    for instance in (1, 2, 3):
        added = sealed(keys, about, found="pass" if instance > 1 else "none")
        assert [edit.name for edit in added] == ["ARC-Authentication-Results", "ARC-Message-Signature", "ARC-Seal"]
        assert all(f"i={instance};" in edit.value for edit in added)
        octets = sent(about, added)
        assert arc_state(octets, keys) == b"pass"
        about = with_edits(about, added)


def test_signatures_are_sealed_as_well() -> None:
    """RFC 8617 section 4.1.2: those of others and our own; of very many the lowest."""
    keys = ring()
    theirs = ["DKIM-Signature: v=1; d=x.example"] * 2
    lines = (*theirs, "From: a@ours.example")
    policy = Policy(arc_seal=True, dkim_sign=Sign.ALWAYS)
    added = signed(keys, given(mail(*lines), policy=policy), arc_domain="ours.example")
    assert [edit.name for edit in added][:2] == ["DKIM-Signature", "ARC-Authentication-Results"]
    assert added[2].value.count("dkim-signature") == 3
    assert arc_state(sent(mail(*lines), added), keys) == b"pass"
    many = mail(*theirs * 100, "From: a@ours.example", traffic=Traffic.INBOUND)
    added = sealed(keys, many)
    assert added[1].value.count("dkim-signature") == 20
    assert arc_state(sent(many, added), keys) == b"pass"


def test_a_broken_chain_is_sealed_as_broken_once() -> None:
    """RFC 8617 section 5.1: cv=fail, over its own set; then nobody adds one."""
    keys = ring()
    about = mail(traffic=Traffic.INBOUND)
    about = replace(with_edits(about, sealed(keys, about)), content=Octets(b"Changed.\r\n"))
    added = sealed(keys, about, found="fail")
    assert "cv=fail" in added[-1].value
    assert arc_state(sent(about, added), keys) != b"pass"
    assert sealed(keys, with_edits(about, added), found="fail") == ()


def test_nobody_knows_whether_the_chain_holds() -> None:
    """A temporary error, or nobody has looked: then nothing is said about it."""
    keys = ring()
    assert sealed(keys, mail(), found="temperror") == ()
    chained = mail("ARC-Seal: i=1; cv=none", "From: a@ours.example")
    assert sealed(keys, chained, found="") == ()
    assert len(sealed(keys, mail(), found="")) == 3
    assert sealed(keys, mail(), results="") == ()


def test_a_chain_that_is_none_is_broken() -> None:
    """Sets that lack fields, numbers twice; a chain of fifty sets has no room for one more."""
    keys = ring()
    odd = mail("ARC-Seal: i=1; cv=none", "ARC-Seal: i=1; cv=none", "From: a@ours.example")
    added = sealed(keys, odd, found="fail")
    assert "cv=fail" in added[-1].value
    assert sealed(keys, with_edits(odd, added), found="fail") == ()
    ended = mail("ARC-Seal: i=2; cv=fail", "ARC-Seal: i=1; cv=none", "From: a@ours.example")
    assert sealed(keys, ended, found="fail") == ()
    split = mail("ARC-Seal: i=2; cv=fail", "ARC-Seal: i=2; cv=pass", "ARC-Seal: odd", "From: a@ours.example")
    assert sealed(keys, split, found="fail") == ()
    full = mail("ARC-Seal: i=50; cv=pass", "From: a@ours.example")
    assert sealed(keys, full, found="fail") == ()


def test_only_rsa_seals() -> None:
    """And without such a key there is no seal, but an error."""
    with pytest.raises(SignError, match=r"no RSA key of ours\.example"):
        sealed(Ring({("ours.example", "e1"): SMALL}), mail())
    keys = Ring({("ours.example", "e1"): SMALL, ("ours.example", "s1"): RSA})
    assert len(sealed(keys, mail())) == 3
