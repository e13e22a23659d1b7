# SPDX-License-Identifier: GPL-3.0-or-later
"""What a score comes to: amavis' arithmetic of levels, lists included (amavis 2.5, 2.6)."""

from dataclasses import replace
from typing import Any

import pytest

from milterguard.core.decide import decide, is_wanted, judge
from milterguard.core.destiny import Destiny, Mixed
from milterguard.core.finding import Category, Finding
from milterguard.core.levels import is_tagged, spam_categories
from milterguard.core.listed import Listed, Listing, SeenIn
from milterguard.core.policy import Policy
from milterguard.core.verdict import Judged, Outcome
from tests.core.build import NO_CLAMD, VIRUS, judged, points

SPAM, SPAMMY, CLEAN = Category.SPAM, Category.SPAMMY, Category.CLEAN
ALLOWED, DENIED = Listing.ALLOWED, Listing.DENIED
LEVELS: dict[str, Any] = {
    "spam_tag_level": 1.0,
    "spam_tag2_level": 5.0,
    "spam_tag3_level": 8.0,
    "spam_kill_level": 10.0,
}


def who(listed: Listed | None = None, **policy: Any) -> Judged:
    return replace(judged(policy=Policy(**{**LEVELS, **policy})), listed=listed or Listed())


def outcome(score: float | None, *, listed: Listed | None = None, **policy: Any) -> Outcome:
    return judge(() if score is None else (points(score),), who(listed, **policy))


def told(each: Outcome) -> str:
    """Return the levels that are reached, in letters: g tag, 2 tag2, 3 tag3, k kill."""
    reached = ((each.is_tagged, "g"), (each.is_spammy, "2"), (each.is_blatant, "3"), (SPAM in each.categories, "k"))
    return "".join(letter for is_reached, letter in reached if is_reached)


@pytest.mark.parametrize(
    ("score", "policy", "reached"),
    [
        (0.999, {}, ""),
        (1.0, {}, "g"),
        (4.999, {}, "g"),
        (5.0, {}, "g2"),
        (8.0, {}, "g23"),
        (9.999, {}, "g23"),
        (10.0, {}, "g23k"),
        (-50.0, {"spam_tag_level": None}, "g"),
        (None, {"spam_tag_level": None}, "g"),
        (None, {}, ""),
        (100.0, {"spam_tag2_level": None, "spam_tag3_level": None}, "gk"),
        (100.0, {"spam_kill_level": None}, "g23"),
        (100.0, {"spam_tag3_level": None}, "g2k"),
        # tag3 implies tag2, kill does not.
        (3.0, {"spam_tag3_level": 3.0}, "g23"),
        (3.0, {"spam_kill_level": 3.0}, "gk"),
        (3.0, {"spam_kill_level": 3.0, "spam_tag_level": 4.0}, "k"),
        (100.0, {"bypass_spam_checks": True}, ""),
    ],
)
def test_levels_are_reached_by_as_much_as_they_are(score: float | None, policy: dict[str, Any], reached: str) -> None:
    """All comparisons are ≥; a level that is unset is never reached, but for the tag level."""
    assert told(outcome(score, **policy)) == reached


@pytest.mark.parametrize(
    ("score", "listing", "policy", "reached"),
    [
        (100.0, ALLOWED, {}, "g"),
        (11.0, ALLOWED, {}, "g"),
        (10.999, ALLOWED, {}, ""),
        (None, ALLOWED, {"spam_tag_level": None}, "g"),
        (-100.0, DENIED, {}, "g23k"),
        (None, DENIED, {}, "g23k"),
        (None, DENIED, {"spam_tag2_level": None, "spam_tag3_level": None, "spam_kill_level": None}, "g2k"),
        (100.0, DENIED, {"bypass_spam_checks": True}, ""),
    ],
)
def test_lists_outdo_levels(score: float | None, listing: Listing, policy: dict[str, Any], reached: str) -> None:
    """An allowed sender is tagged ten points later and never spam, a denied one always is."""
    assert told(outcome(score, listed=Listed(listing), **policy)) == reached


@pytest.mark.parametrize(
    ("score", "soft", "total", "reached"),
    [(2.212, 1.5, 3.712, "g"), (4.0, 1.0, 5.0, "g2"), (12.0, -2.5, 9.5, "g23"), (None, 6.0, 6.0, "g2")],
)
def test_points_of_lists_are_points(score: float | None, soft: float, total: float, reached: str) -> None:
    """amavis' sample: a score of 2.212 and 1.5 from the list is 3.712."""
    found = outcome(score, listed=Listed(points=soft))
    assert found.score == pytest.approx(total)
    assert told(found) == reached


def test_an_allowed_sender_with_a_virus_is_infected() -> None:
    """Only spam is concerned."""
    assert judge((VIRUS, points(100.0)), who(Listed(ALLOWED))).blocking is Category.VIRUS


def test_a_denied_sender_goes_the_way_of_spam() -> None:
    """By the destiny, and a lover of spam gets it."""
    assert outcome(None, listed=Listed(DENIED)).destiny is Destiny.REJECT
    assert outcome(None, listed=Listed(DENIED), spam_destiny=Destiny.DISCARD).destiny is Destiny.DISCARD
    assert outcome(None, listed=Listed(DENIED), spam_lover=True).destiny is Destiny.PASS


@pytest.mark.parametrize(
    ("seen_in", "test", "is_allowed"),
    [
        (SeenIn.ENVELOPE, "SPF_PASS", True),
        (SeenIn.ENVELOPE, "DKIM_VALID_AU", False),
        (SeenIn.FROM, "DKIM_VALID_AU", True),
        (SeenIn.FROM, "SPF_PASS", False),
        (SeenIn.FROM, "DKIM_VALID", False),
    ],
)
def test_who_has_to_prove_himself_is_allowed_once_he_has(seen_in: SeenIn, test: str, is_allowed: bool) -> None:
    """SPF proves the envelope, DKIM the author; a denied sender proves nothing."""
    whom = who(Listed(ALLOWED, seen_in=seen_in), allow_only_authenticated=True)
    assert (judge((points(50.0, (test, 0.0)),), whom).listing is ALLOWED) is is_allowed
    denied = who(Listed(DENIED, seen_in=seen_in), allow_only_authenticated=True)
    assert judge((points(0.0, (test, 0.0)),), denied).listing is DENIED


SPF = Finding("spf", Category.CLEAN, result="pass", properties=(("smtp.mailfrom", "a@x.example"),))
HELO = Finding("spf", Category.CLEAN, result="pass", properties=(("smtp.helo", "x.example"),))
ALIGNED = Finding(
    "dmarc", Category.CLEAN, result="pass", properties=(("header.from", "x.example"), ("policy.aligned", "dkim"))
)
NOT_ALIGNED = Finding("dmarc", Category.CLEAN, result="none", properties=(("header.from", "x.example"),))


@pytest.mark.parametrize(
    ("seen_in", "findings", "is_allowed"),
    [
        (SeenIn.ENVELOPE, (HELO, SPF), True),
        (SeenIn.ENVELOPE, (HELO,), False),
        (SeenIn.ENVELOPE, (replace(SPF, result="softfail"),), False),
        (SeenIn.ENVELOPE, (ALIGNED,), False),
        (SeenIn.FROM, (ALIGNED,), True),
        (SeenIn.FROM, (NOT_ALIGNED,), False),
        (SeenIn.FROM, (SPF,), False),
    ],
)
def test_what_we_asked_ourselves_counts_before_spamd(
    seen_in: SeenIn, findings: tuple[Finding, ...], is_allowed: bool
) -> None:
    """SPF of the envelope sender, and what is aligned with the author."""
    whom = who(Listed(ALLOWED, seen_in=seen_in), allow_only_authenticated=True)
    assert (judge((points(50.0), *findings), whom).listing is ALLOWED) is is_allowed


def test_what_spamd_says_does_not_outweigh_what_we_found() -> None:
    """Our own answer is no, so its test is not read."""
    whom = who(Listed(ALLOWED, seen_in=SeenIn.FROM), allow_only_authenticated=True)
    assert judge((points(50.0, ("DKIM_VALID_AU", 0.0)), NOT_ALIGNED), whom).listing is None


def test_spamd_is_asked_only_where_its_answer_counts() -> None:
    """Not when the lists know the sender; but where he has to prove himself, and for everybody else."""
    hard = (who(Listed(ALLOWED)), who(Listed(DENIED)))
    assert not is_wanted("spamd", hard)
    assert is_wanted("clamd", hard)
    assert is_wanted("spamd", (*hard, who()))
    assert is_wanted("spamd", (who(Listed(ALLOWED), allow_only_authenticated=True),))
    assert is_wanted("spamd", (who(Listed(points=1.0)),))


def test_a_spamd_that_failed_defers_nobody_whose_lists_know_the_sender() -> None:
    """Whatever it would have said."""
    failed = replace(NO_CLAMD, check="spamd", on_failure=Destiny.TEMPFAIL)
    assert judge((failed,), who()).destiny is Destiny.TEMPFAIL
    assert judge((failed,), who(Listed(ALLOWED))).destiny is Destiny.PASS


@pytest.mark.parametrize(
    ("score", "listing", "kept"), [(14.9, None, True), (15.0, None, False), (0.0, DENIED, False), (12.0, DENIED, False)]
)
def test_over_the_cutoff_no_copy_of_refused_spam_is_kept(score: float, listing: Listing | None, kept: bool) -> None:
    """A denied sender is over it by all means."""
    whom = who(Listed(listing), spam_quarantine_cutoff_level=15.0, store_on_reject=(SPAM,))
    assert (decide((points(score),), (whom,), mixed=Mixed.REMOVE).keep is not None) is kept


def test_the_only_copy_is_kept_over_the_cutoff_too() -> None:
    """Where amavis loses a discarded message, here nobody does."""
    whom = who(spam_quarantine_cutoff_level=15.0, spam_destiny=Destiny.DISCARD, quarantine_to=((SPAM, ""),))
    decision = decide((points(50.0),), (whom,), mixed=Mixed.REMOVE)
    assert decision.answer is Destiny.DISCARD
    assert decision.keep is not None


def test_the_cutoff_is_about_spam_alone() -> None:
    """A banned file of any score is kept."""
    banned = Finding("banned", Category.BANNED, rules=("DEFAULT",))
    whom = who(spam_quarantine_cutoff_level=1.0)
    assert decide((banned, points(50.0)), (whom,), mixed=Mixed.REMOVE).keep is not None


@pytest.mark.parametrize(
    ("folder", "store", "kept"), [("x", (), True), ("", (SPAM,), False), (None, (SPAM,), True), (None, (), False)]
)
def test_a_folder_asks_for_a_copy_and_an_empty_one_for_none(
    folder: str | None, store: tuple[Any, ...], kept: bool
) -> None:
    """And an empty one for none (amavis: quarantine_to)."""
    table = () if folder is None else ((SPAM, folder),)
    whom = who(quarantine_to=table, store_on_reject=store)
    assert (decide((points(50.0),), (whom,), mixed=Mixed.REMOVE).keep is not None) is kept


def test_a_size_limit_is_each_recipients_own() -> None:
    """As much as the limit is not over it."""
    big = Finding("milterguard", Category.OVERSIZED, "size", size=1000)
    assert judge((big,), who(message_size_limit=999)).blocking is Category.OVERSIZED
    assert judge((big,), who(message_size_limit=1000)).blocking is None
    assert judge((big,), who()).category is CLEAN


def test_the_pure_rules_stand_alone() -> None:
    """As other rooms use them."""
    policy = Policy(**LEVELS)
    assert spam_categories(6.0, policy) == {SPAMMY}
    assert spam_categories(6.0, policy, ALLOWED) == set()
    assert is_tagged(None, policy, None) is False
