# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks the name servers, and whether mail can be signed and others would find the keys."""

import grp
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from milterguard.cli.probe import Row, State
from milterguard.config.settings import Settings
from milterguard.dkim.compose import SigningKey
from milterguard.dkim.key import public_key
from milterguard.dkim.signature import ALGORITHMS, Malformed
from milterguard.dns import Resolver
from milterguard.errors import DnsError, SignError
from milterguard.keys.client import is_there
from milterguard.keys.ring import KeyRing
from milterguard.keys.source import ring_of

_AT_RCPT = ("refuse_mail", "message_size_limit", "reject_denied_at_rcpt")
_PUBLISH = "milterguard dkim show prints the record: put it into the zone"
_STATES = {True: State.OK, False: State.ERROR, None: State.WARNING}
_SOME_DIGEST = bytes(32)


@dataclass(frozen=True, slots=True)
class Compared:
    """What the DNS has of one key."""

    name: str
    """Of the record; of the domain where its keys cannot be used."""
    is_good: bool | None
    """None when nobody knows."""
    text: str
    advice: str = ""


def compared(domains: Iterable[str], ring: KeyRing, settings: Settings) -> Iterator[Compared]:
    """Yield, for each key that mail of these domains is signed with, whether others can verify it."""
    resolver = Resolver(settings.dns)
    for domain in domains:
        try:
            keys = ring.keys(domain)
        except SignError as error:
            yield Compared(domain, False, str(error), "a key in PEM that the service, and nobody else, can read")
            continue
        if not keys:
            yield Compared(domain, False, "no key", "milterguard dkim genkey makes one")
        for key in keys:
            yield _compared(key, ring, resolver)


def _compared(key: SigningKey, ring: KeyRing, resolver: Resolver) -> Compared:
    name = f"{key.selector}._domainkey.{key.domain}"
    try:
        signature = ring.sign(key, _SOME_DIGEST)
        records = resolver.lookup().txt(name)
    except SignError as error:
        return Compared(name, False, str(error), "what the log of milterguard dkim serve says")
    except DnsError as error:
        return Compared(name, None, f"the DNS did not answer: {error}", "try again; milterguard check asks the DNS")
    if len(records) != 1:
        said = f"{len(records)} TXT records: there must be one" if records else "no TXT record"
        return Compared(name, False, said, "take the others out" if records else _PUBLISH)
    try:
        found = public_key(records[0])
    except Malformed as error:
        return Compared(name, False, f"{error}, as it is published", _PUBLISH)
    if found.kind != ALGORITHMS[key.algorithm.encode("ascii")] or not found.verifies(signature, _SOME_DIGEST):
        return Compared(name, False, "another key is published: an old one, or cut wrongly", _PUBLISH)
    return Compared(name, True, "published, in test mode (t=y)" if found.is_test else "published")


def proof_rows(settings: Settings) -> Iterator[Row]:
    """Yield what name servers and keys are like, and what is set and has no effect."""
    if settings.checks.authentication.enabled:
        yield _dns_row(settings, Resolver(settings.dns))
    yield from _idle_rows(settings)
    signing = settings.signing
    if signing.signer_group and not _is_group(signing.signer_group):
        said = f"there is no group {signing.signer_group}"
        yield Row("signing.signer_group", State.ERROR, said, "name the group that the workers have")
    if signing.signer:
        path = signing.signer.removeprefix("unix:")
        if not is_there(path):
            advice = "start milterguard dkim serve, and let the workers' group read its socket"
            yield Row("signing.signer", State.ERROR, f"nobody listens at {path}", advice)
            return
        yield Row("signing.signer", State.OK, path)
    ring = ring_of(settings)
    if signing.keys_select and not signing.signer:
        yield _table_row(ring, settings)
    for each in compared(dict.fromkeys(key.domain for key in settings.dkim_keys), ring, settings):
        # Mail is signed all the same while the zone lacks a record; without a usable key it is not.
        state = State.WARNING if each.is_good is False and "._domainkey." in each.name else _STATES[each.is_good]
        yield Row(each.name, state, each.text, each.advice)
    yield from _seal_rows(settings, ring)
    ring.close()


def _dns_row(settings: Settings, resolver: Resolver) -> Row:
    named = (each.lstrip(".") for each in settings.local.domains)
    domain = next((each for each in named if each[:1].isalnum()), "example.com")
    try:
        resolver.lookup().txt(f"_dmarc.{domain}")
    except DnsError as error:
        advice = (
            "name servers that answer in [dns] servers or /etc/resolv.conf: SPF, DKIM and DMARC prove nothing without"
        )
        return Row("dns", State.ERROR, f"_dmarc.{domain}: {error}", advice)
    return Row("dns", State.OK, ", ".join(settings.dns.servers) or "as in /etc/resolv.conf")


def _idle_rows(settings: Settings) -> Iterator[Row]:
    """Yield the banks by author that can hold for nobody, or say what was settled before they hold."""
    for bank in settings.banks:
        if not bank.when.needs_proofs:
            continue
        subject = f"bank.{bank.name}"
        if not settings.checks.authentication.enabled:
            advice = "switch checks.authentication on, or choose the bank by something else"
            yield Row(subject, State.WARNING, "nobody asks who the author is: it holds for nobody", advice)
        early = [key for key, _ in bank.settings if key in _AT_RCPT]
        if early:
            said = f"{', '.join(early)}: settled at RCPT, when no author is known"
            yield Row(subject, State.WARNING, said, "say it in a bank by network, sender or the like")


def _table_row(ring: KeyRing, settings: Settings) -> Row:
    domain = next((each for each in settings.local.domains if each[:1].isalnum()), "example.com")
    try:
        found = ring.keys(domain)
    except SignError as error:
        return Row("signing.keys_select", State.ERROR, str(error), "milterguard's user needs SELECT on that table")
    return Row("signing.keys_select", State.OK, f"{len(found)} keys for {domain}")


def _seal_rows(settings: Settings, ring: KeyRing) -> Iterator[Row]:
    """Yield what keeps forwarded mail from being sealed."""
    domain = settings.signing.arc_domain
    if not domain:
        if _wants_seals(settings):
            said = "empty, and so nothing is sealed although arc_seal is set"
            yield Row("signing.arc_domain", State.WARNING, said, "name a domain that has an RSA key")
        return
    try:
        has_key = any(key.algorithm == "rsa-sha256" for key in ring.keys(domain))
    except SignError as error:
        yield Row("signing.arc_domain", State.ERROR, str(error), "a key that can be used")
        return
    if not has_key:
        said, advice = f"no RSA key of {domain}: seals are made with RSA alone", f"milterguard dkim genkey {domain} …"
        yield Row("signing.arc_domain", State.ERROR, said, advice)


def _wants_seals(settings: Settings) -> bool:
    layers = [*(each.settings for each in settings.banks), *(each.settings for each in settings.recipients)]
    said = [value for each in layers for key, value in each if key == "arc_seal"]
    said += [value for table in settings.tables if table.setting == "arc_seal" for _, value in table.rows]
    return settings.policy.arc_seal or any(value is True for value in said)


def _is_group(name: str) -> bool:
    try:
        grp.getgrnam(name)
    except KeyError:
        return False
    return True
