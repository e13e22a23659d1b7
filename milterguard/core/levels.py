# SPDX-License-Identifier: GPL-3.0-or-later
"""What a score comes to by a recipient's levels, and what his lists of senders change about it.

All comparisons are ≥. A level that is not set is never reached, but for the tag level, which then always is.

*Source:* amavis 2.5 and 2.6; SpamAssassin's names of tests. *Errors:* none.
"""

from collections.abc import Iterable, Sequence

from milterguard.core.finding import Category, Finding
from milterguard.core.listed import Listed, Listing, SeenIn
from milterguard.core.policy import Policy

_ALLOWED_POINTS = 10.0
_PROOFS = {SeenIn.ENVELOPE: "SPF_PASS", SeenIn.FROM: "DKIM_VALID_AU"}
"""SpamAssassin's tests."""


def spam_categories(score: float | None, policy: Policy, listing: Listing | None = None) -> set[Category]:
    """Return SPAMMY and SPAM as the score reaches the policy's levels; tag3 implies tag2, kill does not.

    A denied sender has both whatever the score, an allowed one neither. *Source:* amavis 2.5.
    """
    if listing is Listing.ALLOWED or policy.bypass_spam_checks:
        return set()
    categories: set[Category] = set()
    is_denied = listing is Listing.DENIED
    if is_denied or reaches(score, policy.spam_tag2_level) or reaches(score, policy.spam_tag3_level):
        categories.add(Category.SPAMMY)
    if is_denied or reaches(score, policy.spam_kill_level):
        categories.add(Category.SPAM)
    return categories


def is_tagged(score: float | None, policy: Policy, listing: Listing | None) -> bool:
    """Whether X-Spam fields are added: ten points later for an allowed sender, always for a denied one."""
    if listing is Listing.DENIED or policy.spam_tag_level is None:
        return True
    # An allowed sender's mail may not have been scanned at all: then it has no points, and that is told.
    return reaches(score if listing is None else (score or 0.0) - _ALLOWED_POINTS, policy.spam_tag_level)


def is_blatant(score: float | None, policy: Policy, listing: Listing | None) -> bool:
    """Whether the tag3 level is reached; a denied sender reaches every level there is."""
    if listing is Listing.ALLOWED or policy.bypass_spam_checks:
        return False
    return reaches(score, policy.spam_tag3_level) or (listing is Listing.DENIED and policy.spam_tag3_level is not None)


def reaches(score: float | None, level: float | None) -> bool:
    return score is not None and level is not None and score >= level


def listing_of(listed: Listed, policy: Policy, findings: Iterable[Finding]) -> Listing | None:
    """Return what the lists decide, once an allowed sender has proved himself where he has to.

    SPF proves the envelope sender; SPF or DKIM that is aligned proves the author in From. Where we have not
    asked ourselves, spamd's tests count.
    """
    if listed.listing is not Listing.ALLOWED or not policy.allow_only_authenticated:
        return listed.listing
    return Listing.ALLOWED if _is_proved(listed.seen_in, tuple(findings)) else None


def _is_proved(seen_in: SeenIn, findings: Sequence[Finding]) -> bool:
    asked = "spf" if seen_in is SeenIn.ENVELOPE else "dmarc"
    mine = [finding for finding in findings if finding.check == asked]
    if mine and seen_in is SeenIn.ENVELOPE:
        return any(map(_passes_for_sender, mine))
    if mine:
        return any(map(aligned_author, mine))
    proof = _PROOFS[seen_in]
    return any(name == proof for finding in findings for name, _ in finding.tests)


def aligned_author(finding: Finding) -> str:
    """Return the From domain that a DMARC finding has proven, with or without a policy of its own; else empty."""
    said = dict(finding.properties)
    return said.get("header.from", "") if said.get("policy.aligned") else ""


def _passes_for_sender(finding: Finding) -> bool:
    return finding.result == "pass" and any(name == "smtp.mailfrom" for name, _ in finding.properties)
