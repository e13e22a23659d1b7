# SPDX-License-Identifier: GPL-3.0-or-later
"""DMARC through a real Postfix: every case of ``dmarc_cases``, its result in the field that we add, its answer."""

import hashlib
import re
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from milterguard.core.message import Field
from milterguard.dkim.body import body_digests
from milterguard.dkim.compose import Manner, SigningKey, dkim_signature
from milterguard.keys.private import generated
from tests.core.build import Octets
from tests.daemons import Postfix, Sink, private_folder
from tests.integration.authentic import STRANGER, Post, posting
from tests.integration.dmarc_cases import CASES, Case

KEY = generated("rsa", bits=1024)
MANNER = Manner(names=frozenset((b"from", b"subject")))
BODY = b"Hello.\r\n"
_NAME = re.compile(r"\.(tld|xyz)\b|\btld\b")


def ended(text: str, number: int) -> str:
    """Return a text with endings of the case's own, so that no case meets another's records."""
    return _NAME.sub(lambda match: match[0].replace("tld", f"tld{number}x").replace("xyz", f"xyz{number}x"), text)


def zone_of(case: Case, number: int) -> dict[str, list[Any]]:
    zone: dict[str, list[Any]] = {}

    def put(name: str, record: str | Mapping[str, str]) -> None:
        zone.setdefault(ended(name, number), []).append(record)

    for domain, records in case.records.items():
        for record in (records,) if isinstance(records, str) else records:
            put(f"_dmarc.{domain}", record if record.isupper() else {"TXT": ended(record, number)})
    for name, word in case.zone.items():
        put(name, word)
    for domain in (*case.dkim, *case.broken_dkim):
        put(f"test._domainkey.{domain}", {"TXT": KEY.record})
    if case.spf or case.helo:
        put(case.spf or case.helo, {"TXT": f"v=spf1 ip4:{STRANGER['ADDR']} -all"})
    if case.spf_fails and case.spf_fails not in case.zone:
        put(case.spf_fails, {"TXT": "v=spf1 -all"})
    if not case.missing:
        put(case.author.rpartition("@")[2].lower(), {"A": "192.0.2.1"})
    return zone


def letter(case: Case, number: int) -> bytes:
    """Return the message, signed as the case has it."""
    authors = case.fields or (case.author,)
    fields = [Field(b"From", b" " + ended(each, number).encode()) for each in authors]
    fields.append(Field(b"Subject", b" hello"))
    (body,) = body_digests(Octets(BODY), [MANNER.body]).values()
    signed: list[Field] = []
    for domain in (*case.dkim, *case.broken_dkim):
        key = SigningKey(ended(domain, number), "test", "rsa-sha256")
        value = dkim_signature(
            fields, body, key, lambda _, digest: KEY.sign(digest), manner=MANNER, now=int(time.time())
        )
        if domain in case.broken_dkim:
            value = value.replace("bh=", f"bh={hashlib.sha256(b'').hexdigest()[:4]}")
        signed.append(Field(b"DKIM-Signature", b" " + value.encode()))
    return b"".join(field.octets() for field in (*signed, *fields)) + b"\r\n" + BODY


@pytest.fixture(scope="module")
def post(shared_postfix: Postfix, shared_sink: Sink, milter_socket: str) -> Iterator[Post]:
    zone = {name: records for number, case in enumerate(CASES) for name, records in zone_of(case, number).items()}
    with private_folder() as folder, posting(folder, shared_postfix, shared_sink, milter_socket, zone=zone) as post:
        yield post


@pytest.mark.parametrize(("number", "case"), list(enumerate(CASES)), ids=[case.name for case in CASES])
def test_a_case_comes_out_as_it_shall(number: int, case: Case, post: Post) -> None:
    """Result, policy and answer."""
    domain = case.spf or case.spf_fails
    sender = "" if case.helo else f"bounce@{ended(domain, number)}" if domain else "bounce@nobody.example"
    told = post.send(letter(case, number), sender=sender, helo=ended(case.helo, number) or "mx.sender.example")
    assert told.dialogue.last.code == case.code, (str(told.dialogue.last), told.fields)
    if case.code == 250:
        assert told.result("dmarc") == case.result, told.value
        shown = next(each.of("policy.dmarc") for each in told.results if each.method == "dmarc")
        assert not case.policy or shown == case.policy, told.value
    else:
        assert "FORGED" in str(told.dialogue.last)
        assert ended("example.tld", number).rpartition(".")[2] in str(told.dialogue.last)


def test_there_are_enough_of_them() -> None:
    """Each with a name of its own."""
    assert len({case.name for case in CASES}) == len(CASES) >= 60
