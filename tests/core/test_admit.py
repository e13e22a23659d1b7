# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is refused at RCPT, and with which words."""

from dataclasses import replace
from typing import Any

import pytest

from milterguard.core.admit import announced_size, refused_at_rcpt
from milterguard.core.destiny import Destiny
from milterguard.core.envelope import Traffic
from milterguard.core.finding import Category
from milterguard.core.listed import Listed, Listing, SeenIn
from milterguard.core.policy import Policy
from milterguard.core.reply import DENIED_RECIPIENT, DENIED_SENDER, TOO_BIG
from milterguard.core.verdict import Reply
from tests.core.build import judged

DENIED = Listed(Listing.DENIED)


def refusal(
    *, listed: Listed = DENIED, sender: str = "a@b.example", traffic: Traffic = Traffic.INBOUND, **policy: Any
) -> Reply | None:
    whom = replace(judged(policy=Policy(**policy)), listed=listed)
    return refused_at_rcpt(whom, sender=sender, parameters=("BODY=8BITMIME", "SIZE=1000"), traffic=traffic)


def test_who_takes_no_mail_gets_none() -> None:
    """From nobody but this machine, to which nobody can be told."""
    assert refusal(listed=Listed(), refuse_mail=True) == DENIED_RECIPIENT
    assert refusal(listed=Listed(), refuse_mail=True, traffic=Traffic.LOCAL) is None


@pytest.mark.parametrize(("limit", "told"), [(999, TOO_BIG), (1000, None), (0, None)])
def test_the_announced_size_is_held_against_the_limit(limit: int, told: Reply | None) -> None:
    """As much as the limit is not over it; none is none."""
    assert refusal(listed=Listed(), message_size_limit=limit) == told


def test_who_does_not_refuse_what_is_oversized_is_asked_at_the_end() -> None:
    """Such mail passes or is discarded, by the policy."""
    assert refusal(listed=Listed(), message_size_limit=1, oversized_destiny=Destiny.DISCARD) is None


def test_a_denied_envelope_sender_is_told_at_once() -> None:
    """The others of the transaction are not concerned."""
    assert refusal() == DENIED_SENDER
    assert refusal(listed=Listed()) is None
    assert refusal(listed=Listed(Listing.ALLOWED)) is None


@pytest.mark.parametrize(
    "policy",
    [
        {"spam_destiny": Destiny.DISCARD},
        {"spam_lover": True},
        {"bypass_spam_checks": True},
        {"reject_denied_at_rcpt": False},
        {"store_on_reject": (Category.SPAM,)},
        {"quarantine_to": ((Category.SPAM, "spam"),)},
    ],
)
def test_where_the_message_would_not_be_refused_without_a_copy_it_is_waited_for(policy: dict[str, Any]) -> None:
    """It passes, or somebody wants to keep it."""
    assert refusal(**policy) is None


def test_an_author_or_nobody_is_not_refused_at_rcpt() -> None:
    """From is not known yet, and the null sender is whoever bounces."""
    assert refusal(listed=Listed(Listing.DENIED, seen_in=SeenIn.FROM)) is None
    assert refusal(sender="") is None


@pytest.mark.parametrize(
    ("parameter", "size"),
    [
        ("SIZE=7", 7),
        ("size=7", 7),
        ("SIZE=", 0),
        ("SIZE=-7", 0),
        ("SIZE=7k", 0),
        ("SIZE=" + "9" * 21, 0),
        ("SIZE=٧", 0),
    ],
)
def test_the_announced_size_is_a_number(parameter: str, size: int) -> None:
    """RFC 1870 section 4: one to twenty digits; anything else says nothing."""
    assert announced_size(("BODY=8BITMIME", parameter)) == size
    assert announced_size(()) == 0
