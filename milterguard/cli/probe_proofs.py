# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks the name servers, and whether mail can be signed and others would find the keys."""

from collections.abc import Iterator

from milterguard.cli.probe import Row, State
from milterguard.config.settings import Settings
from milterguard.config.signing import DkimKey
from milterguard.dkim.key import public_key
from milterguard.dkim.signature import Malformed
from milterguard.dns import Resolver
from milterguard.errors import DnsError, SignError
from milterguard.keys.client import is_there
from milterguard.keys.private import PrivateKey
from milterguard.keys.ring import FileKeys


def proof_rows(settings: Settings) -> Iterator[Row]:
    """Yield what name servers and keys are like."""
    resolver = Resolver(settings.dns)
    if settings.checks.authentication.enabled:
        yield _dns_row(settings, resolver)
    signing = settings.signing
    if signing.signer:
        path = signing.signer.removeprefix("unix:")
        if is_there(path):
            yield Row("signing.signer", State.OK, path)
        else:
            advice = "start milterguard dkim serve, and let the workers' group read its socket"
            yield Row("signing.signer", State.ERROR, f"nobody listens at {path}", advice)
        return
    for entry in settings.dkim_keys:
        yield _key_row(entry, resolver)


def compared(domain: str, selector: str, key: PrivateKey, resolver: Resolver) -> tuple[bool | None, str]:
    """Return whether the DNS has this key, None when nobody knows, and what is wrong."""
    try:
        records = resolver.lookup().txt(f"{selector}._domainkey.{domain}")
    except DnsError as error:
        return None, f"the DNS did not answer: {error}"
    if not records:
        return False, "no TXT record: milterguard dkim show prints it"
    if len(records) > 1:
        return False, f"{len(records)} TXT records: there must be one"
    try:
        found = public_key(records[0])
    except Malformed as error:
        return False, str(error)
    if found.key != key.key.public_key():
        return False, "another key is published: the zone has an old one, or a string was cut wrongly"
    return True, "published, in test mode (t=y)" if found.is_test else "published"


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


def _key_row(entry: DkimKey, resolver: Resolver) -> Row:
    subject = f"{entry.selector}._domainkey.{entry.domain}"
    try:
        ((_, key),) = FileKeys([entry]).private_keys()
    except SignError as error:
        return Row(subject, State.ERROR, str(error), "a key in PEM that the service alone can read")
    is_good, said = compared(entry.domain, entry.selector, key, resolver)
    if is_good:
        return Row(subject, State.OK, said)
    return Row(subject, State.WARNING, said, "milterguard dkim show, and put it into the zone")
