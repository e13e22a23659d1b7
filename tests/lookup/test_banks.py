# SPDX-License-Identifier: GPL-3.0-or-later
"""Which banks hold for a message, and what they change."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milterguard.config.settings import RecipientRule, Settings
from milterguard.core.bank import Bank, When
from milterguard.core.destiny import Destiny, Mixed
from milterguard.core.envelope import Client, Traffic
from milterguard.core.policy import Policy
from milterguard.lookup.banks import Banks
from milterguard.lookup.policies import Policies

PARTNER = Client(address="192.0.2.7", port=25, helo="mx.partner.example", tls="TLSv1.3", daemon="in")


@pytest.mark.parametrize(
    ("when", "is_held"),
    [
        (When(networks=("198.51.100.0/24", "192.0.2.0/24")), True),
        (When(networks=("198.51.100.0/24",)), False),
        (When(networks=("2001:db8::/32",)), False),
        (When(daemons=("out", "in")), True),
        (When(daemons=("out",)), False),
        (When(helos=(".partner.example",)), True),
        (When(helos=("partner.example",)), False),
        (When(helos=("MX.Partner.Example",)), True),
        (When(senders=("@Partner.Example",)), True),
        (When(senders=("sales@",)), True),
        (When(senders=("<>",)), False),
        (When(traffics=(Traffic.INBOUND,)), True),
        (When(traffics=(Traffic.LOCAL,)), False),
        (When(is_authenticated=False), True),
        (When(is_authenticated=True), False),
        (When(is_encrypted=True), True),
        (When(is_encrypted=False), False),
        (When(is_encrypted=True, daemons=("in",), senders=("@partner.example",)), True),
        (When(is_encrypted=True, daemons=("out",), senders=("@partner.example",)), False),
    ],
)
def test_all_that_is_said_must_be_so(when: When, is_held: bool) -> None:
    """Of several values in one key, one."""
    chosen = Banks([Bank("A", when, ())], delimiter="+").chosen(PARTNER, "sales+x@partner.example", Traffic.INBOUND)
    assert chosen == (("A",) if is_held else ())


def test_the_null_sender_has_a_name() -> None:
    """And is nobody else."""
    banks = Banks([Bank("A", When(senders=("<>",)), ())])
    assert banks.chosen(PARTNER, "", Traffic.INBOUND) == ("A",)
    assert banks.chosen(PARTNER, "a@b", Traffic.INBOUND) == ()


def test_an_address_of_ipv4_is_itself_in_ipv6() -> None:
    """As some MTAs give it."""
    banks = Banks([Bank("A", When(networks=("192.0.2.0/24",)), ())])
    for address, chosen in (("::ffff:192.0.2.1", ("A",)), ("IPv6:2001:db8::1", ()), ("", ()), ("unknown", ())):
        assert banks.chosen(Client(address), "", Traffic.INBOUND) == chosen


@given(st.text(), st.text(), st.text(), st.sampled_from(Traffic))
def test_whatever_a_client_says_is_compared(address: str, helo: str, sender: str, traffic: Traffic) -> None:
    """Never an exception."""
    when = When(networks=("::/0",), helos=(".",), senders=("@.",))
    assert Banks([Bank("A", when, ())]).chosen(Client(address, helo=helo), sender, traffic)[-1:] != ("B",)


ALWAYS = When(traffics=tuple(Traffic))
A = Bank(
    "A", ALWAYS, (("spam_kill_level", 8.0), ("spam_destiny", Destiny.PASS), ("banned_rules", ("A_RULES",))), "f: A"
)
B = Bank("B", ALWAYS, (("spam_kill_level", 9.0), ("mixed_recipients", Mixed.SPLIT)), "f: B")
RULES = RecipientRule(
    ("user@example.com",), (("spam_kill_level", 5.0), ("banned_rules", ("HIS",))), "f: [[recipient]] 1"
)


def policies(*banks: Bank) -> Policies:
    return Policies(Settings(policy=Policy(spam_tag2_level=4.0), banks=banks, recipients=(RULES,)))


def test_banks_are_laid_over_the_policy_in_their_order_and_recipients_over_them() -> None:
    """The later bank decides, and the closest entry of a recipient before it."""
    found = policies(A, B)
    assert found.banks(PARTNER, "", Traffic.INBOUND) == ("A", "B")
    other = found.policy("other@example.com", Traffic.INBOUND, ("A", "B"))
    assert (other.spam_kill_level, other.spam_tag2_level, other.spam_destiny) == (9.0, 4.0, Destiny.PASS)
    assert other.mixed_recipients is Mixed.SPLIT
    his = found.policy("user@example.com", Traffic.INBOUND, ("A", "B"))
    assert (his.spam_kill_level, his.banned_rules) == (5.0, ("HIS", "A_RULES"))
    assert found.policy("other@example.com", Traffic.INBOUND).spam_kill_level == Policy().spam_kill_level


def test_where_each_setting_comes_from_is_told() -> None:
    """The last bank that says it, or the recipient's entry."""
    origins = dict(policies(A, B).origins("user@example.com", ("A", "B")))
    assert origins["spam_destiny"] == "f: A"
    assert origins["mixed_recipients"] == "f: B"
    assert origins["spam_kill_level"] == "user@example.com, f: [[recipient]] 1"
    assert origins["banned_rules"] == "user@example.com, f: [[recipient]] 1; f: A"
    assert dict(policies(A, B).origins("a@b", ("A", "B")))["spam_kill_level"] == "f: B"


def test_no_bank_refuses_mail_that_did_not_come_by_smtp() -> None:
    """Nobody could be told (D14)."""
    refusing = Bank("A", ALWAYS, (("unchecked_destiny", Destiny.REJECT), ("bad_header_destiny", Destiny.TEMPFAIL)))
    local = policies(refusing).policy("user@example.com", Traffic.LOCAL, ("A",))
    assert (local.unchecked_destiny, local.bad_header_destiny) == (Destiny.DISCARD, Destiny.DISCARD)
