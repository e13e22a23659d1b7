# SPDX-License-Identifier: GPL-3.0-or-later
"""Who sent a message, as a determined forger would have it: against a name server on loopback, without an MTA.

The forger owns evil.com, where everything passes. victim.com asks to reject what is not from there.
"""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from milterguard.checks.authentication import AuthenticationCheck
from milterguard.checks.base import Budget, NothingInside
from milterguard.config.authentication import Authentication
from milterguard.config.dns import Dns
from milterguard.core.authres import field_value
from milterguard.core.dmarc import record_of
from milterguard.core.envelope import Client, Traffic
from milterguard.core.finding import Category, Finding
from milterguard.core.message import Field, Message
from milterguard.core.proofs import proofs_of
from milterguard.dns import Resolver
from milterguard.errors import CheckError
from tests.core.build import Octets, envelope
from tests.dkim.build import RSA, signed, split
from tests.fakes.dns import DnsServer

ZONE: dict[str, Sequence[Any]] = {
    "_dmarc.victim.com": [{"TXT": "v=DMARC1; p=reject; np=reject"}],
    "victim.com": [{"TXT": "v=spf1 -all"}],
    "evil.com": [{"TXT": "v=spf1 +all"}],
    "_dmarc.evil.com": [{"TXT": "v=DMARC1; p=none"}],
    "slow.test": ["TIMEOUT"],
    "a._domainkey.slow.test": ["TIMEOUT"],
    "_dmarc.slow.test": ["TIMEOUT"],
    "_dmarc.broken.test": ["SERVFAIL"],
    "7.2.0.192.in-addr.arpa": ["TIMEOUT"],
    "test._domainkey.victim.com": [{"TXT": RSA.record}],
    "test._domainkey.evil.com": [{"TXT": RSA.record}],
}


@pytest.fixture(scope="module")
def server() -> Iterator[DnsServer]:
    with DnsServer(ZONE) as server:
        yield server


def mail(*fields: bytes, sender: str = "a@evil.com", helo: str = "evil.com", body: bytes = b"Hi.\r\n") -> Message:
    pairs = (each.partition(b":") for each in fields)
    client = Client("192.0.2.7", port=4711, helo=helo)
    whom = envelope("u@example.com", sender=sender, client=client)
    made = tuple(Field(name, value) for name, _, value in pairs)
    return Message("Abcdefghij12", "1-1", time.time(), whom, made, Octets(body))


def run(
    message: Message, server: DnsServer, *, seconds: float = 30.0, dns: Mapping[str, float] | None = None, **of: Any
) -> tuple[Finding, ...]:
    limits = {"timeout_seconds": 0.2, "dns_budget_seconds": 1.0} | dict(dns or {})
    check = AuthenticationCheck(Authentication(**of), Resolver(Dns(servers=(server.address,), **limits)))  # type: ignore[arg-type]
    return check.run(message, Budget(time.monotonic() + seconds), NothingInside())


def dmarc(findings: Sequence[Finding]) -> Finding:
    (found,) = (each for each in findings if each.check == "dmarc")
    return found


def forged(findings: Sequence[Finding]) -> bool:
    found = dmarc(findings)
    return (found.category, found.minor) == (Category.FORGED, "reject")


# --- his name servers ------------------------------------------------------------------------------

HASH = b"UrA8rmgY3eNBotmDWtzAmHyn5RyZv8Gea45sNGsP0zw="
"""Of the body, so that the key is asked for."""
SLOW = b"DKIM-Signature: v=1; a=rsa-sha256; d=slow.test; s=a; h=from; bh=YQ==; b=YQ=="
FALSE = b"DKIM-Signature: v=1; a=rsa-sha256; d=victim.com; s=x; h=from; bh=YQ==; b=YQ=="


@pytest.mark.parametrize(
    "message",
    [
        mail(b"From: ceo@victim.com", sender="a@slow.test", helo="slow.test"),
        mail(SLOW, SLOW, b"From: ceo@victim.com", sender="a@slow.test", helo="slow.test"),
        mail(SLOW, FALSE, b"From: ceo@victim.com", sender="a@slow.test", helo="slow.test"),
        mail(FALSE, b"From: ceo@victim.com", sender="ceo@victim.com", helo="slow.test"),
        mail(b"From: ceo@nowhere.victim.com", sender="a@slow.test", helo="slow.test"),
        mail(b"From: a@slow.test, ceo@victim.com"),
        mail(b"From: a@broken.test, ceo@victim.com"),
        mail(b"From: ceo@victim.com, a@slow.test"),
        mail(b"From: " + b", ".join(b"a@s%d.slow.test" % each for each in range(9)) + b", ceo@victim.com"),
    ],
    ids=range(9),
)
def test_slow_name_servers_of_his_own_gain_nothing(message: Message, server: DnsServer) -> None:
    """What the victim's domain has to say is asked first, and his part of the time is his."""
    assert forged(run(message, server))


def test_name_servers_that_are_just_slow_enough_gain_nothing() -> None:
    """A first author whose every name takes its time leaves the second one his share."""
    with DnsServer(ZONE) as server:
        quick = server._answer_udp

        def late(packet: bytes, peer: Any) -> None:
            if b"crawl" in packet:
                threading.Timer(0.3, quick, (packet, peer)).start()
            else:
                quick(packet, peer)

        server._answer_udp = late  # type: ignore[method-assign]
        message = mail(b"From: <x@a.b.c.d.e.crawl.test>, <ceo@victim.com>")
        assert forged(run(message, server, iprev=False))


@pytest.mark.parametrize(
    ("fields", "sender", "zone"),
    [
        ((), "a@lists.test", {"lists.test": ["SERVFAIL"]}),
        (
            (b"DKIM-Signature: v=1; a=rsa-sha256; d=lists.test; s=a; h=from; bh=YQ==; b=YQ==",),
            "",
            {"a._domainkey.lists.test": ["SERVFAIL"]},
        ),
        (
            (
                b"ARC-Seal: i=1; a=rsa-sha256; cv=none; d=sealer.test; s=a; b=YQ==",
                b"ARC-Message-Signature: i=1; a=rsa-sha256; d=sealer.test; s=a; h=from; bh=" + HASH + b"; b=YQ==",
                b"ARC-Authentication-Results: i=1; sealer.test; dmarc=pass header.from=victim.com",
            ),
            "",
            {"a._domainkey.sealer.test": ["SERVFAIL"]},
        ),
    ],
    ids=["list by spf", "list by dkim", "sealer"],
)
def test_whom_the_operator_trusts_may_be_out_of_reach(
    fields: tuple[bytes, ...], sender: str, zone: dict[str, Any]
) -> None:
    """Then nobody knows whether he would vouch, and nothing is refused."""
    with DnsServer({**ZONE, **zone}) as server:
        message = mail(*fields, b"From: ceo@victim.com", sender=sender)
        found = run(message, server, iprev=False, trusted_lists=("lists.test",), trusted_sealers=("sealer.test",))
        assert dmarc(found).result == "temperror"
        assert forged(run(message, server, iprev=False))


def test_a_slow_body_gains_nothing(server: DnsServer) -> None:
    """Policies and keys are asked for before it is waited for: at its end nothing has to be asked."""
    message = mail(FALSE, b"From: ceo@victim.com")
    check = AuthenticationCheck(Authentication(iprev=False), Resolver(Dns(servers=(server.address,))))
    asked: list[int] = []

    class Late(Octets):
        def open(self, *, deadline: float | None = None) -> Any:
            asked.append(server.asked.total())
            return super().open(deadline=deadline)

    found = check.run(replace(message, content=Late(b"x")), Budget(time.monotonic() + 30), NothingInside())
    assert forged(found)
    assert asked == [server.asked.total()]


# --- From ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        b", ".join([b"a@evil.com"] * 10) + b", ceo@victim.com",
        b"<ceo @victim.com>, a@evil.com",
        b"<ceo(c)@victim.com> <a@evil.com>",
        b"Group: ceo (x) @victim.com, a@evil.com;",
        b"ceo@victim.com\\, <a@evil.com>",
        b"ceo @victim.com",
        b"ceo@ victim.com",
        b"CEO <ceo(x)@victim.com>",
        b"ceo\x0b@victim.com",
        b"ceo@victim(x).com",
        b"ceo@victim. com",
        b"ceo@victim.com <>",
        b'ceo@vic"t"im.com',
        b"ceo@vic\\tim.com",
        b'ceo@"victim.com"',
        b"'ceo@victim.com'",
        b"ceo@victim.com\xc2\xa0",
        "ceo@victim。com".encode(),
        b'"ceo@victim.com"@evil.com',
        b", ".join(b"a@d%d.test" % each for each in range(30)) + b", ceo@victim.com",
    ],
    ids=range(20),
)
def test_whoever_can_be_read_in_from_is_asked(value: bytes, server: DnsServer) -> None:
    """By one reader or another; the strictest wish counts."""
    assert forged(run(mail(b"From: " + value), server, iprev=False))


@pytest.mark.parametrize("value", [b"ceo@evil.com (x).victim.test", b"ceo@evil.com .br"])
def test_a_domain_that_readers_differ_about_is_not_proven(value: bytes, server: DnsServer) -> None:
    """evil.com, or evil.com.br?"""
    assert dmarc(run(mail(b"From: " + value), server, iprev=False)).result != "pass"


@pytest.mark.parametrize("above", [b"From : ceo@victim.com", b"FROM:ceo@victim.com", b"From\t: ceo@victim.com"])
def test_from_by_any_spelling_is_from(above: bytes, server: DnsServer) -> None:
    """With a blank before the colon too; a signature that does not cover it fails."""
    fields, body = split(signed(b"From: a@evil.com\r\nTo: x\r\n\r\nHi.\r\n", domain="evil.com"))
    message = mail(above, *(field.octets()[:-2] for field in fields), body=body)
    found = run(message, server, iprev=False)
    assert forged(found)
    assert [each.result for each in found if each.check == "dkim"] == ["fail"]


# --- time ------------------------------------------------------------------------------------------


def seconds(work: Any) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def test_hostile_records_and_tags_cost_little(server: DnsServer) -> None:
    """A chain of long SPF records, a DMARC record of blanks, an i= that is no address, a domain of accents."""
    macros = "%{l}." * 12000
    zone = {f"r{each}.com": [{"TXT": f"v=spf1 include:r{each + 1}.com exists:{macros}com -all"}] for each in range(3)}
    with DnsServer(zone) as hostile:
        found: list[tuple[Finding, ...]] = []
        assert seconds(lambda: found.append(run(mail(b"From: a@x.com", sender="a@r0.com"), hostile, iprev=False))) < 1.0
        assert "permerror" in {each.result for each in found[0] if each.check == "spf"}
    assert seconds(lambda: record_of([b"v=DMARC1; p=a" + b" " * 8100 + b"x"])) < 0.05
    identity = b"a" * 15000 + b"!@evil.com"
    field = b"DKIM-Signature: v=1; a=rsa-sha256; d=evil.com; s=a; h=from; bh=YQ==; b=YQ==; i=" + identity
    message = mail(*[field] * 8, b"From: a@evil.com")
    assert seconds(lambda: field_value("x", run(message, server, iprev=False))) < 1.0
    accents = mail(b"From: a@" + "é.".encode() * 100_000)
    assert seconds(lambda: run(accents, server, iprev=False)) < 1.0


def test_a_thousand_signatures(server: DnsServer) -> None:
    """Eight are looked at."""
    one = signed(b"From: a@evil.com\r\n\r\nHi.\r\n", domain="evil.com").partition(b"From:")[0][:-2]
    found: list[tuple[Finding, ...]] = []
    message = mail(*[one] * 1000, b"From: a@evil.com")
    assert seconds(lambda: found.append(run(message, server, iprev=False))) < 2.0
    assert len([each for each in found[0] if each.check == "dkim"]) == 8


# --- what is proven, and what is not ---------------------------------------------------------------


def test_a_part_of_a_body_proves_nothing(server: DnsServer) -> None:
    """Neither for DMARC nor for a bank of its signer."""
    import dkim

    letter = b"From: ceo@victim.com\r\n\r\n"
    signature = dkim.DKIM(letter).sign(
        b"test", b"victim.com", RSA.pem(), include_headers=[b"from"], length=True, canonicalize=(b"relaxed", b"relaxed")
    )
    fields, _ = split(bytes(signature) + letter)
    message = mail(*(field.octets()[:-2] for field in fields), body=b"Something else.\r\n")
    found = run(message, server, iprev=False)
    (of_dkim,) = (each for each in found if each.check == "dkim")
    assert (of_dkim.result, of_dkim.minor) == ("pass", "partial")
    assert forged(found)
    assert proofs_of(found, ["ceo@victim.com"]).signers == ()


def test_spf_of_an_address_with_two_signs(server: DnsServer) -> None:
    """The domain is behind the last one."""
    found = run(mail(b"From: a@evil.com", sender='"x@y"@victim.com'), server, iprev=False)
    (of_sender,) = (each for each in found if each.check == "spf" and each.properties[0][0] == "smtp.mailfrom")
    assert of_sender.result == "fail"


def test_clients_of_all_kinds(server: DnsServer) -> None:
    """An address with a zone, none at all, nonsense: a result, and no exception."""
    for address in ("fe80::1%eth0", "", "nonsense", "::ffff:192.0.2.7", "2001:db8::1"):
        message = mail(b"From: a@evil.com")
        client = replace(message.envelope.client, address=address)
        assert run(replace(message, envelope=replace(message.envelope, client=client)), server)


def test_mail_of_our_own_is_not_judged(server: DnsServer) -> None:
    """Who is logged in, and over what; no SPF, no DMARC."""
    message = mail(b"From: ceo@victim.com")
    client = replace(message.envelope.client, login="ceo", mechanism="PLAIN", tls="TLSv1.3 AES")
    ours = replace(message.envelope, client=client, traffic=Traffic.ORIGINATING)
    found = run(replace(message, envelope=ours), server)
    assert [(each.check, each.result) for each in found] == [
        ("auth", "pass"),
        ("x-tls", "pass"),
        ("dkim", "none"),
        ("arc", "none"),
        ("dns", ""),
    ]


def test_content_that_cannot_be_read_is_a_failure(server: DnsServer) -> None:
    """And not a result."""
    from milterguard.errors import ContentError

    class Gone(Octets):
        def open(self, *, deadline: float | None = None) -> Any:
            raise ContentError("gone")

    message = replace(mail(FALSE, b"From: a@evil.com"), content=Gone(b""))
    with pytest.raises(CheckError, match="content: gone"):
        run(message, server, iprev=False)
