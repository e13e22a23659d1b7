# SPDX-License-Identifier: GPL-3.0-or-later
"""Which policy holds for whom, who is ours, and which way a message goes."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milterguard.config.banned_rules import shipped
from milterguard.config.settings import Local, RecipientRule, Settings
from milterguard.core.banned import Rule, RuleSet
from milterguard.core.decide import judge
from milterguard.core.destiny import Destiny
from milterguard.core.envelope import Client, Traffic
from milterguard.core.finding import Category
from milterguard.core.listed import Listing
from milterguard.core.policy import OnTrial, Policy
from milterguard.lookup.policies import Policies

_POLICY = Policy()
_LOCAL = Local()


def _rule(*match: str, **settings: Any) -> RecipientRule:
    return RecipientRule(match, tuple(settings.items()), f"test: {match[0]}")


def _policies(*rules: RecipientRule, policy: Policy = _POLICY, local: Local = _LOCAL) -> Policies:
    return Policies(Settings(policy=policy, recipients=rules, local=local))


_TAGS = (
    "@.",
    "@.com",
    "@.example.com",
    "@.sub.example.com",
    "@sub.example.com",
    "user@",
    "user+foo@",
    "user@sub.example.com",
    "user+foo@sub.example.com",
)
"""From the most general to the closest: the wrong way round for who believes in the order of the file."""


@pytest.mark.parametrize(
    ("address", "winner"),
    [
        ("user+foo@sub.example.com", "user+foo@sub.example.com"),
        ("User+Foo@SUB.example.COM", "user+foo@sub.example.com"),
        ("user@sub.example.com", "user@sub.example.com"),
        ("user+bar@sub.example.com", "user@sub.example.com"),
        ("user+foo@other.example", "user+foo@"),
        ("user+bar@other.example", "user@"),
        ("user@other.example", "user@"),
        ("other@sub.example.com", "@sub.example.com"),
        ("other+foo@sub.example.com", "@sub.example.com"),
        ("other@deep.sub.example.com", "@.sub.example.com"),
        ("other@example.com", "@.example.com"),
        ("other@x.example.com", "@.example.com"),
        ("other@notexample.com", "@.com"),
        ("other@example.org", "@."),
        ("other", "@."),
        ("user", "user@"),
        ("", "@."),
        ("other@[192.0.2.1]", "@."),
        ('"user"@sub.example.com', "user@sub.example.com"),
        ('"user+foo"@sub.example.com', "user+foo@sub.example.com"),
        ("xuser@example.net", "@."),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_the_closest_entry_wins(address: str, winner: str, turned: bool) -> None:
    """The key order decides which entry holds, whatever the order in the file."""
    rules = [_rule(tag, spam_subject_tag=tag) for tag in _TAGS]
    policies = _policies(*(reversed(rules) if turned else rules))
    judged = policies.judged(address, (), Traffic.INBOUND)
    assert judged.policy.spam_subject_tag == winner
    assert judged.origins == (("spam_subject_tag", f"{winner}, test: {winner}"),)


def test_a_policy_without_entries_has_no_origins() -> None:
    """What stands in [policy] needs no telling."""
    assert _policies().judged("a@b", (), Traffic.INBOUND).origins == ()


def test_each_setting_is_decided_on_its_own() -> None:
    """The closest entry that says something about a setting decides it; others fill in, then [policy]."""
    policy = _policies(
        _rule("user@example.com", spam_lover=True),
        _rule("@example.com", spam_lover=False, spam_kill_level=3.0),
        _rule("@.", spam_kill_level=9.0, virus_destiny=Destiny.DISCARD),
        policy=Policy(spam_tag2_level=1.5),
    ).policy("user@example.com", Traffic.INBOUND)
    assert policy == Policy(spam_lover=True, spam_kill_level=3.0, virus_destiny=Destiny.DISCARD, spam_tag2_level=1.5)


def test_unset_is_an_answer() -> None:
    """A level that a closer entry unsets is not set by a more general one."""
    policies = _policies(_rule("user@example.com", spam_kill_level=None), _rule("@.", spam_kill_level=3.0))
    assert policies.policy("user@example.com", Traffic.INBOUND).spam_kill_level is None


def test_a_later_entry_corrects_an_earlier_one_for_the_same_key() -> None:
    """Of two entries for one key the later one holds, and what it leaves out stays."""
    policies = _policies(_rule("A@b", spam_lover=True, virus_lover=True), _rule("a@B", spam_lover=False))
    assert policies.policy("a@b", Traffic.INBOUND) == Policy(virus_lover=True)


def test_without_a_match_the_policy_is_the_one_of_the_file() -> None:
    """A recipient about whom nothing is said has [policy] itself, and equal recipients share one object."""
    policy = Policy(spam_kill_level=4.0)
    policies = _policies(_rule("a@b", spam_lover=True), policy=policy)
    assert policies.policy("x@y", Traffic.INBOUND) is policy
    assert policies.policy("a@b", Traffic.INBOUND) is policies.policy("A@B", Traffic.INBOUND)


def test_domains_are_matched_in_either_spelling() -> None:
    """An internationalised domain matches as U-label and as A-label."""
    for written in ("@bücher.example", "@xn--bcher-kva.example"):
        policies = _policies(_rule(written, spam_lover=True))
        for address in ("a@BÜCHER.example", "a@xn--bcher-kva.example", "a@XN--BCHER-KVA.EXAMPLE"):
            assert policies.policy(address, Traffic.INBOUND).spam_lover


def test_no_delimiter_no_extension() -> None:
    """Without recipient_delimiter user+foo is another user."""
    local = Local(recipient_delimiter="")
    policies = _policies(_rule("user@example.com", spam_lover=True), local=local)
    assert not policies.policy("user+foo@example.com", Traffic.INBOUND).spam_lover


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("user@example.com", True),
        ("user@EXAMPLE.COM", True),
        ("user@example.com.", True),
        ("user@sub.example.com", False),
        ("user@example.net", True),
        ("user@sub.example.net", True),
        ("user@a.b.example.net", True),
        ("user@notexample.net", False),
        ("user@net", False),
        ("user@bücher.example", True),
        ("user@xn--bcher-kva.example", True),
        ("user@[192.0.2.1]", True),
        ("user@[192.0.2.2]", False),
        ("postmaster", True),
        ("", False),
        ("user@", False),
        ("@example.com", True),
        ("user@example.com@elsewhere.example", False),
        ('"user@example.com"@elsewhere.example', False),
    ],
)
def test_locality(address: str, local: bool) -> None:
    """A bare domain is only itself, one with a dot its subdomains too, postmaster is always ours."""
    domains = ("example.com", ".Example.NET", "Bücher.example", "[192.0.2.1]")
    policies = _policies(local=Local(domains=domains))
    assert policies.is_local(address) is local
    assert policies.judged(address, (), Traffic.INBOUND).recipient.is_local is local


def test_a_dot_alone_is_every_domain() -> None:
    """With "." every domain is local."""
    assert _policies(local=Local(domains=(".",))).is_local("a@b.example")


@pytest.mark.parametrize(
    ("client", "traffic"),
    [
        (Client("198.51.100.7", 4711, "mail.example"), Traffic.INBOUND),
        (Client("198.51.100.7", 4711, login="someone"), Traffic.ORIGINATING),
        (Client("198.51.100.7", 4711, mechanism="EXTERNAL"), Traffic.ORIGINATING),
        (Client("127.0.0.1", 4711, "localhost"), Traffic.ORIGINATING),
        (Client("127.0.0.1", 0, "localhost"), Traffic.LOCAL),
        (Client("127.0.0.1", 0, "localhost", login="someone"), Traffic.ORIGINATING),
        (Client("::1", 0, "localhost"), Traffic.LOCAL),
        (Client("::1", 4711), Traffic.ORIGINATING),
        (Client("", 0, "localhost"), Traffic.LOCAL),
        (Client(), Traffic.LOCAL),
        (Client("", 0, "unknown"), Traffic.INBOUND),
        (Client("", 4711, "unknown"), Traffic.INBOUND),
        (Client("198.51.100.7", 0), Traffic.INBOUND),
        (Client("10.1.2.3", 4711), Traffic.ORIGINATING),
        (Client("10.1.2.3", 0), Traffic.ORIGINATING),
        (Client("::ffff:10.1.2.3", 4711), Traffic.ORIGINATING),
        (Client("::ffff:198.51.100.7", 4711), Traffic.INBOUND),
        (Client("2001:db8::7", 4711), Traffic.ORIGINATING),
        (Client("2001:db9::7", 4711), Traffic.INBOUND),
        (Client("IPv6:2001:db8::7", 4711), Traffic.ORIGINATING),
        (Client("no address", 4711), Traffic.INBOUND),
    ],
)
def test_direction(client: Client, traffic: Traffic) -> None:
    """Local is what has no port and is this machine; ours is who authenticated or is in our networks."""
    local = Local(networks=("127.0.0.0/8", "::1", "10.0.0.0/8", "2001:db8::/32"))
    assert _policies(local=local).traffic(client) is traffic


def test_local_mail_is_never_refused() -> None:
    """For mail that did not come by SMTP, reject and tempfail become discard, and the copy is kept."""
    policies = _policies(
        _rule("a@b", spam_destiny=Destiny.TEMPFAIL, bad_header_destiny=Destiny.DISCARD),
        policy=Policy(discard_without_copy=(Category.VIRUS, Category.SPAM, Category.BAD_HEADER)),
    )
    policy = policies.policy("a@b", Traffic.LOCAL)
    destinies = {category: policy.destiny(category) for category in Category}
    assert set(destinies.values()) == {Destiny.PASS, Destiny.DISCARD}
    assert destinies[Category.VIRUS] is destinies[Category.SPAM] is Destiny.DISCARD
    assert destinies[Category.UNCHECKED] is Destiny.PASS
    assert policy.discard_without_copy == (Category.BAD_HEADER,)
    assert policies.policy("a@b", Traffic.INBOUND).spam_destiny is Destiny.TEMPFAIL


def test_local_mail_is_not_refused_for_being_ambiguous_or_by_a_rule() -> None:
    """What has a destiny of its own becomes discard, and its copy is kept, as with all the others."""
    sets = (*shipped(), RuleSet("REFUSES", (Rule("x", destiny=Destiny.REJECT),)), RuleSet("DROPS", (Rule("y"),)))
    policy = Policy(
        ambiguous_destiny=Destiny.TEMPFAIL,
        banned_destiny=Destiny.DISCARD,
        discard_without_copy=(Category.UNCHECKED, Category.BANNED),
    )
    rules = (_rule("a@b", banned_rules=("REFUSES",)), _rule("c@d", banned_rules=("DROPS",)))
    policies = Policies(Settings(policy=policy, recipients=rules, banned=sets))
    kept, lost = policies.policy("a@b", Traffic.LOCAL), policies.policy("c@d", Traffic.LOCAL)
    assert kept.ambiguous_destiny is lost.ambiguous_destiny is Destiny.DISCARD
    assert kept.discard_without_copy == ()
    assert lost.discard_without_copy == (Category.BANNED,)
    assert policies.policy("a@b", Traffic.INBOUND).discard_without_copy == (Category.UNCHECKED, Category.BANNED)


def test_local_mail_that_nothing_refuses_keeps_its_policy() -> None:
    """There is nothing to lay over it."""
    destinies: dict[str, Any] = {name: Destiny.PASS for name in Policy.__dataclass_fields__ if "destiny" in name}
    policy = Policy(**destinies)
    assert _policies(policy=policy).policy("a@b", Traffic.LOCAL) is policy


def test_sets_of_banned_rules_add_up() -> None:
    """All entries that match contribute, the closest first, [policy] last, each set once; origins tell all of them."""
    policies = _policies(
        _rule("user@example.com", banned_rules=("ALLOW_SCRIPTS", "NO_MACROS")),
        _rule("@example.com", spam_lover=True),
        _rule("@.com", banned_rules=("NO_ENCRYPTED", "ALLOW_SCRIPTS")),
        _rule("@.", banned_rules=()),
    )
    judged = policies.judged("user@example.com", (), Traffic.INBOUND)
    assert judged.policy.banned_rules == ("ALLOW_SCRIPTS", "NO_MACROS", "NO_ENCRYPTED", "DEFAULT")
    assert dict(judged.origins)["banned_rules"] == (
        "user@example.com, test: user@example.com; @.com, test: @.com; @., test: @."
    )
    assert policies.policy("x@example.com", Traffic.INBOUND).banned_rules == (
        "NO_ENCRYPTED",
        "ALLOW_SCRIPTS",
        "DEFAULT",
    )
    assert policies.policy("x@example.org", Traffic.INBOUND).banned_rules == ("DEFAULT",)


def test_a_recipient_keeps_its_address_and_parameters() -> None:
    """The recipient is what the client said, not what was looked up."""
    judged = _policies().judged("User+X@Example.COM.", ("NOTIFY=NEVER",), Traffic.INBOUND)
    assert (judged.recipient.address, judged.recipient.parameters) == ("User+X@Example.COM.", ("NOTIFY=NEVER",))


@given(st.text(), st.sampled_from(Traffic))
def test_any_address_has_a_policy(address: str, traffic: Traffic) -> None:
    """Whatever the address, there is a policy for it and never an error."""
    policies = _policies(_rule("@.", spam_lover=True), local=Local(domains=(".example.com",)))
    judged = policies.judged(address, (), traffic)
    assert judged.policy.spam_lover
    assert judged.recipient.address == address


@given(st.text(), st.integers(0, 65535), st.text(max_size=20))
def test_any_client_has_a_direction(address: str, port: int, name: str) -> None:
    """Whatever the MTA says about a client, its mail has a direction."""
    assert _policies().traffic(Client(address, port, name)) in Traffic


def test_a_list_on_trial_is_watched_and_not_followed() -> None:
    """What it would say is beside what holds; levels and lists may be on trial together."""
    trial = (("deny_senders", OnTrial(("@bad.example",))), ("spam_kill_level", OnTrial(1.0)))
    found = Policies(Settings(on_trial=trial, policy=Policy(deny_senders=("@worse.example",))))
    plain = found.judged("user@example.com", (), Traffic.INBOUND, (), "a@bad.example")
    assert (plain.listed.listing, plain.trial_listed.listing) == (None, Listing.DENIED)
    assert (plain.policy.spam_kill_level, plain.trial and plain.trial.spam_kill_level) == (6.9, 1.0)
    worse = found.judged("user@example.com", (), Traffic.INBOUND, (), "a@worse.example")
    assert (worse.listed.listing, worse.trial_listed.listing) == (Listing.DENIED, Listing.DENIED)
    outcome = judge((), plain)
    assert outcome.destiny is Destiny.PASS
    assert outcome.tried is not None
    assert outcome.tried.blocking is Category.SPAM
