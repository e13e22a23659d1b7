# SPDX-License-Identifier: GPL-3.0-or-later
"""What is proven of who wrote a message, gathered from the findings, for banks and lists. *Errors:* none."""

from collections.abc import Iterable
from dataclasses import dataclass

from milterguard.core.domain import ascii_domain, domain_of
from milterguard.core.finding import Finding
from milterguard.core.levels import aligned_author

PARTIAL = "partial"
"""Minor of a signature over the beginning of the body only: it proves nothing of the whole."""


@dataclass(frozen=True, slots=True)
class Proofs:
    """Who wrote a message, as far as anybody can tell."""

    author: str = ""
    """The address in From, if it is the only one and its domain is proven; else empty."""
    is_by_dkim: bool = False
    """Whether a DKIM signature proves it, and not SPF alone."""
    signers: tuple[str, ...] = ()
    """Domains whose DKIM signatures hold, over the whole message."""


def proofs_of(findings: Iterable[Finding], authors: Iterable[str]) -> Proofs:
    """Return what findings prove; ``authors`` are the addresses that From may be read to name."""
    author, is_by_dkim = "", False
    signers: list[str] = []
    named = tuple(dict.fromkeys(authors))
    for finding in findings:
        said = dict(finding.properties)
        if finding.check == "dkim" and finding.result == "pass" and finding.minor != PARTIAL:
            signers.append(said.get("header.d", ""))
        domain = aligned_author(finding) if finding.check == "dmarc" else ""
        if domain and len(named) == 1 and ascii_domain(domain_of(named[0])) == domain:
            author, is_by_dkim = named[0], said.get("policy.aligned") == "dkim"
    return Proofs(author, is_by_dkim, tuple(dict.fromkeys(filter(None, signers))))
