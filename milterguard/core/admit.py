# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is refused at RCPT already: there, and only there, one recipient has an answer of his own.

*Source:* RFC 1870 section 6.1 (SIZE); RFC 3463. *Errors:* none.
"""

from collections.abc import Iterable

from milterguard.core import reply
from milterguard.core.destiny import Destiny
from milterguard.core.envelope import Traffic
from milterguard.core.finding import Category
from milterguard.core.listed import Listing, SeenIn
from milterguard.core.verdict import Judged, Reply

_LONGEST_SIZE = 20
"""Digits of SIZE (RFC 1870 section 4)."""


def refused_at_rcpt(judged: Judged, *, sender: str, parameters: Iterable[str], traffic: Traffic) -> Reply | None:
    """Return why this recipient gets nothing of what comes; None when only the message will tell.

    ``parameters`` are those of MAIL. Mail that did not come by SMTP is never refused (D14).
    """
    policy = judged.policy
    if traffic is Traffic.LOCAL:
        return None
    if policy.refuse_mail:
        return reply.DENIED_RECIPIENT
    if 0 < policy.message_size_limit < announced_size(parameters) and policy.oversized_destiny is Destiny.REJECT:
        return reply.TOO_BIG
    return reply.DENIED_SENDER if sender and _is_sender_denied(judged) else None


def announced_size(parameters: Iterable[str]) -> int:
    """Return the octets that MAIL says in SIZE; 0 when it says nothing that is a number."""
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.upper() == "SIZE" and value.isascii() and value.isdecimal() and len(value) <= _LONGEST_SIZE:
            return int(value)
    return 0


def _is_sender_denied(judged: Judged) -> bool:
    """Whether the envelope sender is denied, so that the message would be refused as spam and not kept."""
    policy, listed = judged.policy, judged.listed
    if listed.listing is not Listing.DENIED or listed.seen_in is not SeenIn.ENVELOPE:
        return False
    wants_copy = Category.SPAM in policy.store_on_reject or any(
        folder for category, folder in policy.quarantine_to if category is Category.SPAM
    )
    is_refused = policy.destiny(Category.SPAM) is Destiny.REJECT and not policy.bypass_spam_checks
    return policy.reject_denied_at_rcpt and is_refused and not wants_copy
