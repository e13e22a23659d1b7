# SPDX-License-Identifier: GPL-3.0-or-later
"""Who really sent a message: SPF, DKIM, ARC, DMARC, iprev, TLS and login, asked in one go, each a finding of its own.

They need each other, and share the name servers' time and the hashes of the body, so they are one check.
Their results make the ``Authentication-Results`` field (``core/authres.py``).

*Source:* RFC 8601. *Errors:* CheckError when the message's octets cannot be read.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from milterguard.checks import arc, dkim, dmarc, iprev, spf
from milterguard.checks.arc import Arc
from milterguard.checks.base import Budget, Inside
from milterguard.config.authentication import Authentication
from milterguard.core.dmarc import Passed, is_aligned
from milterguard.core.domain import ascii_domain
from milterguard.core.envelope import Client, Envelope, Traffic
from milterguard.core.finding import Category, Finding
from milterguard.core.message import Message
from milterguard.dkim.verify import Checked, signatures_of
from milterguard.dns import OUTCOMES, Lookup, Resolver
from milterguard.errors import DnsError

NAME = "authentication"
_SHARE_OF_TIME = 0.75
"""Of what the checks may take, for the DNS: when it fails that shall be told in time, and be no failure of ours."""


@dataclass(frozen=True, slots=True)
class _Proofs:
    """What DMARC builds on."""

    helo: spf.Spf | None
    sender: spf.Spf | None
    signatures: tuple[Checked, ...]
    chain: Arc

    @property
    def spf(self) -> spf.Spf | None:
        """SPF of MAIL FROM, or of HELO for the null sender."""
        return self.helo if self.sender is None else self.sender

    def passed(self) -> Passed:
        proven = self.spf
        domain = (ascii_domain(proven.domain) or "") if proven is not None else ""
        by_spf = {proven.result: domain} if proven is not None else {}
        signed = [(each, each.signature.domain) for each in self.signatures if each.signature]
        return Passed(
            spf=by_spf.get("pass", ""),
            dkim=tuple(signer for each, signer in signed if each.proves),
            unsure_spf=by_spf.get("temperror", ""),
            unsure_dkim=tuple(signer for each, signer in signed if each.result == "temperror"),
        )


class AuthenticationCheck:
    """Finds out who sent a message. Shared by all messages of a worker."""

    name = NAME

    def __init__(self, settings: Authentication, resolver: Resolver) -> None:
        self._settings = settings
        self._resolver = resolver
        self._trusted_sealers = frozenset(settings.trusted_sealers)
        self._trusted_lists = tuple(settings.trusted_lists)

    def run(self, message: Message, budget: Budget, inside: Inside) -> tuple[Finding, ...]:
        """Return one finding for each result. Raises CheckError.

        Asked first is what the author's domain has a say in, then whom the operator trusts, so that nobody else's
        name servers can use up the time for it; and all of it before the body is waited for.
        """
        del inside
        settings, envelope, fields = self._settings, message.envelope, message.fields
        asks_until = time.monotonic() + budget.remaining() * _SHARE_OF_TIME
        lookup = self._resolver.lookup(lambda: budget.remaining(asks_until - time.monotonic()))
        is_inbound = envelope.traffic is Traffic.INBOUND
        wants_dmarc = settings.dmarc and is_inbound
        keys = dkim.Keys(lookup, min_bits=settings.min_key_bits)
        signatures = signatures_of(fields, most=settings.max_signatures) if settings.dkim else ()
        chain = arc.read_chain(fields) if settings.arc else Arc("none")
        if wants_dmarc:
            keys.look_ahead(signatures, dmarc.look_ahead(fields, lookup))
        keys.look_ahead(signatures, self._trusted_lists)
        keys.look_ahead(arc.signatures_of(chain), tuple(self._trusted_sealers))
        helo, sender = self._spf(lookup, envelope) if is_inbound else (None, None)
        keys.look_ahead((*signatures, *arc.signatures_of(chain)), ("",))
        found: list[Finding] = list(_session(envelope.client))
        if settings.iprev and is_inbound and envelope.client.address:
            found.append(iprev.check_iprev(lookup, envelope.client.address))
        found += spf.findings_of(helo, sender, envelope)
        kinds = [each.body for each in signatures if not isinstance(each, Checked)] + list(arc.bodies_of(chain))
        bodies = dkim.digests_of(message, kinds, budget)
        checked = dkim.check_signatures(signatures, fields, bodies, keys)
        chain = arc.check_chain(chain, fields, bodies, keys)
        if settings.dkim:
            found += dkim.findings_of(checked)
        if settings.arc:
            found.append(arc.finding_of(chain))
        if wants_dmarc:
            found.append(self._dmarc(message, _Proofs(helo, sender, checked, chain), lookup))
        return (*found, _asked(lookup))

    def close(self) -> None:
        """Nothing to give back."""

    def _spf(self, lookup: Lookup, envelope: Envelope) -> tuple[spf.Spf | None, spf.Spf | None]:
        """Return SPF of HELO and of MAIL FROM; the latter, which DMARC counts, is asked about first."""
        client = envelope.client
        if not self._settings.spf or not client.address:
            return None, None
        sender = None
        if envelope.sender:
            sender = spf.check_host(lookup, address=client.address, sender=envelope.sender, helo=client.helo)
        helo = spf.check_host(lookup, address=client.address, sender="", helo=client.helo) if client.helo else None
        return helo, sender

    def _dmarc(self, message: Message, proofs: _Proofs, lookup: Lookup) -> Finding:
        passed = proofs.passed()

        def exempt(author: str) -> str:
            """Return who vouches for a message that is not aligned with its author; raises DnsError if one might."""
            sealer = arc.vouched(
                proofs.chain,
                lambda domain: domain in self._trusted_sealers,
                lambda domain: is_aligned(author, domain, lookup.txt),
            )
            if sealer and proofs.chain.result == "temperror":
                raise DnsError("who vouches for it could not be asked about")
            if sealer:
                return f"trusted ARC chain of {sealer}"
            names = self._list_above((passed.spf, *passed.dkim))
            if names:
                return f"trusted mailing list of {names}"
            if self._list_above(passed.unsure):
                raise DnsError("who vouches for it could not be asked about")
            return ""

        return dmarc.check_dmarc(message.fields, passed, lookup, exempt)

    def _list_above(self, domains: Sequence[str]) -> str:
        return next((name for name in _above(domains) if name in self._trusted_lists), "")


def _session(client: Client) -> Iterable[Finding]:
    """Yield what the MTA knows of the client."""
    if client.is_authenticated:
        about = (("smtp.auth", client.login), ("smtp.mechanism", client.mechanism))
        yield Finding("auth", Category.CLEAN, result="pass", properties=about)
    if client.tls:
        version, _, cipher = client.tls.partition(" ")
        facts = (("smtp.version", version), ("smtp.cipher", cipher), ("smtp.subject", client.certificate))
        yield Finding("x-tls", Category.CLEAN, result="pass", properties=facts)


def _asked(lookup: Lookup) -> Finding:
    """Return how the questions to the DNS went, for the evidence and the counters."""
    counts = tuple((outcome, str(lookup.outcomes[outcome])) for outcome in OUTCOMES)
    said = ", ".join(f"{count} {outcome}" for outcome, count in counts)
    return Finding("dns", Category.CLEAN, detail=said, properties=counts, seconds=lookup.seconds)


def _above(domains: Sequence[str]) -> Iterable[str]:
    """Yield domains and all those above them."""
    for domain in filter(None, domains):
        while domain:
            yield domain
            domain = domain.partition(".")[2]
