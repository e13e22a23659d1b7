# SPDX-License-Identifier: GPL-3.0-or-later
"""What a forger's own names, records and made-up chains may cost, and what they may not turn into an error."""

import time
from typing import Any

import pytest

from milterguard.core.authres import claims
from milterguard.core.message import Field, Message
from milterguard.core.proofs import proofs_of
from milterguard.dns_cache import Answer, Cache
from milterguard.lookup.address import match_keys
from tests.checks.test_authentication import HASH, ZONE, dmarc, forged, mail, run, seconds
from tests.dkim.build import RSA
from tests.fakes.dns import DnsServer

TRUST: dict[str, Any] = {"iprev": False, "trusted_sealers": ("sealer.test",)}


def chain(*sets: tuple[bytes, bytes], cv: bytes = b"") -> tuple[bytes, ...]:
    """Return a made-up chain: of each set who signs the message, and who seals; no signature is right."""
    fields: list[bytes] = []
    for number, (signer, sealer) in enumerate(sets, 1):
        instance, said = b"i=%d; " % number, cv or (b"none" if number == 1 else b"pass")
        fields += [
            b"ARC-Seal: " + instance + b"a=rsa-sha256; cv=" + said + b"; d=" + sealer + b"; s=a; b=YQ==",
            b"ARC-Message-Signature: " + instance + b"a=rsa-sha256; c=relaxed/relaxed; d=" + signer + b"; s=a; h=from; "
            b"bh=" + HASH + b"; b=YQ==",
            b"ARC-Authentication-Results: " + instance + b"sealer.test; dmarc=pass header.from=victim.com",
        ]
    return tuple(fields)


@pytest.mark.parametrize(
    "message",
    [
        mail(*chain((b"evil.com", b"sealer.test")), b"From: ceo@victim.com"),
        mail(*chain((b"slow.test", b"sealer.test")), b"From: ceo@victim.com"),
        mail(*chain((b"slow.test", b"slow.test"), (b"sealer.test", b"sealer.test")), b"From: ceo@victim.com"),
        mail(
            *chain((b"slow.test", b"sealer.test"), cv=b"pass"),
            b"From: ceo@victim.com",
            sender="ceo@victim.com",
        ),
    ],
    ids=["key fails", "key is late", "first key is late", "chain contradicts itself"],
)
def test_a_made_up_chain_by_a_trusted_sealer_gains_nothing(message: Message) -> None:
    """Its seal is wrong for sure, whatever becomes of the names beside it."""
    names: dict[str, Any] = {"a._domainkey.sealer.test": [{"TXT": RSA.record}], "a._domainkey.evil.com": ["SERVFAIL"]}
    with DnsServer({**ZONE, **names}) as server:
        assert forged(run(message, server, **TRUST))


def test_reverse_names_have_a_share_of_the_time() -> None:
    """``ptr`` in the victim's record asks the forger's name servers; what comes after it is asked all the same."""
    record = [{"TXT": "v=spf1 ptr mx -all"}, {"MX": [10, "mx.named.test"]}]
    names: dict[str, Any] = {"named.test": record, "mx.named.test": [{"A": "198.51.100.1"}]}
    with DnsServer({**ZONE, **names, "_dmarc.named.test": [{"TXT": "v=DMARC1; p=reject"}]}) as server:
        found = run(mail(b"From: ceo@named.test", sender="ceo@named.test"), server, iprev=False)
        assert [each.result for each in found if each.check == "spf"][-1] == "fail"
        assert forged(found)


@pytest.mark.parametrize(
    ("text", "sender"),
    [
        ("x=%%" + "." * 3900, "a"),
        ("x=" + "%{L}" * 1000, "é" * 900),
        ("x=" + "%{lr.}" * 650, "." * 1500),
        (" ".join(f"m{number}=%%{'.' * 480}" for number in range(8)), "a"),
    ],
    ids=["dots", "quoted letters", "parts", "many"],
)
def test_macros_cost_little(text: str, sender: str) -> None:
    """A chain of records that are as long as they may be."""
    records = {f"r{each}.com": [{"TXT": f"v=spf1 include:r{each + 1}.com {text} ?all"}] for each in range(11)}
    with DnsServer(records) as server:
        message = mail(b"From: a@x.com", sender=f"{sender}@r0.com")
        found: list[Any] = []
        assert seconds(lambda: found.extend(run(message, server, iprev=False))) < 1.0
        assert "permerror" in {each.result for each in found if each.check == "spf"}


def test_macros_that_are_in_use_still_hold() -> None:
    """As providers publish them."""
    names = {
        "macros.test": [{"TXT": "v=spf1 include:%{ir}.%{v}._ehlo.%{h}._spf.macros.test exists:%{i}._s.%{d2} -all"}],
        "192.0.2.7._s.macros.test": [{"A": "127.0.0.2"}],
        "7.2.0.192.in-addr._ehlo.evil.com._spf.macros.test": [{"TXT": "v=spf1 ?all"}],
    }
    with DnsServer({**ZONE, **names}) as server:
        found = run(mail(b"From: a@macros.test", sender="a@macros.test"), server, iprev=False)
        assert [each.result for each in found if each.check == "spf"][-1] == "pass"


def test_ids_of_accents_cost_little() -> None:
    """Normalizing text takes quadratic time, so nobody's long id is."""
    field = Field(b"Authentication-Results", ("\u0300\u0316" * 20_000 + "; none").encode())
    began = time.thread_time()
    assert claims(field, "mx.example.com")
    assert time.thread_time() - began < 0.1


def test_the_cache_holds_so_many_octets() -> None:
    """Not so many entries of any size; and what is very long is not kept at all."""
    cache = Cache(100)
    questions: list[Any] = [("name", number) for number in range(100)]
    for question in questions:
        cache.keep(question, Answer((b"x" * 2000,)), 60)
    kept = [question for question in questions if cache.find(question) is not None]
    assert kept == questions[-25:]
    cache.keep(questions[0], Answer((b"x" * 20_000,)), 60)
    assert cache.find(questions[0]) is None
    for _ in range(100):
        cache.keep(questions[-1], Answer((b"y" * 2000, "192.0.2.1", (10, "mx"))), 60)
    assert cache.find(questions[-2]) is not None


@pytest.mark.parametrize("spelling", ["ΟΔΟΣ", "οδοσ", "οδοϲ", "ΟΔΟϹ"])
def test_lists_compare_the_domain_that_is_proven(spelling: str) -> None:
    """A final sigma makes another domain, and capitals never mean it (UTS 46)."""
    with DnsServer({**ZONE, "xn--pxavbq.com": [{"TXT": "v=spf1 +all"}]}) as server:
        found = run(mail(f"From: a@{spelling}.com".encode(), sender=f"a@{spelling}.com"), server, iprev=False)
        assert dict(dmarc(found).properties)["header.from"] == "xn--pxavbq.com"
        author = proofs_of(found, (f"a@{spelling}.com",)).author
        assert "a@xn--pxavbq.com" in match_keys(author)
        assert "a@xn--pxavbm.com" not in match_keys(author)
        assert "a@xn--pxavbm.com" in match_keys("a@οδος.com")
