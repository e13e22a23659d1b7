# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings and policies come to a decision: D1, D3 and D13 of the design."""

from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milterguard.core.decide import agree, concerned, decide, grounds, is_settled, is_wanted, judge
from milterguard.core.destiny import Destiny, Mixed
from milterguard.core.finding import Category, Finding
from milterguard.core.levels import spam_categories
from milterguard.core.policy import Policy
from milterguard.core.verdict import Decision, Judged, Keep
from tests.core.build import CLEAN, ENCRYPTED, NO_CLAMD, VIRUS, judged, points

PASS, TEMPFAIL, DISCARD, REJECT = Destiny.PASS, Destiny.TEMPFAIL, Destiny.DISCARD, Destiny.REJECT
NO_SPAMD = Finding("spamd", Category.FAILED, "timeout", on_failure=PASS)
AMBIGUOUS = Finding("parts", Category.UNCHECKED, "ambiguous", "two boundaries")
LOVES_SPAM = judged("lover@example.com", policy=Policy(spam_lover=True))


def decided(*findings: Finding, to: tuple[Judged, ...] = (judged(),), mixed: Mixed = Mixed.REMOVE) -> Decision:
    return decide(findings, to, mixed=mixed)


@pytest.mark.parametrize(
    ("findings", "answer", "category"),
    [
        ((CLEAN, points(0.1)), PASS, Category.CLEAN),
        ((VIRUS, points(0.1)), REJECT, Category.VIRUS),
        ((CLEAN, points(6.9)), REJECT, Category.SPAM),
        ((CLEAN, points(6.899)), PASS, Category.SPAMMY),
        ((CLEAN, points(6.199)), PASS, Category.CLEAN),
        ((ENCRYPTED, points(0)), PASS, Category.UNCHECKED),
        ((AMBIGUOUS,), REJECT, Category.UNCHECKED),
        ((ENCRYPTED, AMBIGUOUS), REJECT, Category.UNCHECKED),
        ((NO_CLAMD, points(0)), TEMPFAIL, Category.FAILED),
        ((NO_CLAMD, points(9)), REJECT, Category.SPAM),
        ((NO_CLAMD, points(6.5)), TEMPFAIL, Category.FAILED),
        ((CLEAN, NO_SPAMD), PASS, Category.FAILED),
        ((VIRUS, NO_SPAMD), REJECT, Category.VIRUS),
        ((Finding("x", Category.BANNED),), REJECT, Category.BANNED),
        ((Finding("x", Category.FORGED),), REJECT, Category.FORGED),
        ((Finding("x", Category.OVERSIZED),), REJECT, Category.OVERSIZED),
        ((Finding("x", Category.BAD_HEADER),), PASS, Category.BAD_HEADER),
        ((), PASS, Category.CLEAN),
    ],
)
def test_one_recipient_gets_the_answer_of_the_heaviest_blocking_category(
    findings: tuple[Finding, ...], answer: Destiny, category: Category
) -> None:
    """With the default policy each category has its answer, and a failure decides only where nothing heavier does."""
    decision = decided(*findings)
    assert (decision.answer, decision.category) == (answer, category)


def test_levels_are_reached_at_equality() -> None:
    """All comparisons are greater-or-equal, and kill does not imply tag2."""
    policy = Policy(spam_tag_level=1.0, spam_tag2_level=3.0, spam_tag3_level=5.0, spam_kill_level=2.0)
    assert spam_categories(2.0, policy) == {Category.SPAM}
    assert spam_categories(3.0, policy) == {Category.SPAM, Category.SPAMMY}
    outcome = judge((points(5.0),), judged(policy=policy))
    assert (outcome.is_tagged, outcome.is_spammy, outcome.is_blatant) == (True, True, True)
    assert not judge((points(0.999),), judged(policy=policy)).is_tagged


def test_tag3_implies_tag2() -> None:
    """A message over tag3 is spammy even where tag2 is unset or higher."""
    policy = Policy(spam_tag2_level=None, spam_tag3_level=4.0)
    assert Category.SPAMMY in spam_categories(4.0, policy)


def test_an_unset_level_is_never_reached_but_an_unset_tag_level_always() -> None:
    """amavis: undef is never for tag2, tag3 and kill, and always for tag."""
    policy = Policy(spam_tag_level=None, spam_tag2_level=None, spam_kill_level=None)
    outcome = judge((points(1000.0),), judged(policy=policy))
    assert outcome.destiny is PASS
    assert not outcome.is_spammy
    assert outcome.is_tagged
    assert judge((), judged(policy=policy)).is_tagged


def test_a_lover_gets_the_category_and_the_mail() -> None:
    """A lover's mail passes but keeps its category and marks."""
    outcome = judge((CLEAN, points(100.0)), judged(policy=Policy(spam_lover=True)))
    assert (outcome.destiny, outcome.category, outcome.is_spammy) == (PASS, Category.SPAM, True)


def test_a_bypassed_check_gives_no_category_at_all() -> None:
    """Neither points, nor categories, nor failures of a bypassed check reach the recipient."""
    spam = judge((CLEAN, points(100.0)), judged(policy=Policy(bypass_spam_checks=True)))
    assert (spam.category, spam.score, spam.is_tagged) == (Category.CLEAN, None, False)
    virus = Policy(bypass_virus_checks=True)
    for finding in (VIRUS, ENCRYPTED, NO_CLAMD):
        assert judge((finding,), judged(policy=virus)).category is Category.CLEAN


def test_what_fails_or_is_found_belongs_to_the_kind_that_a_recipient_may_bypass() -> None:
    """A failure of a check is nothing to whoever bypasses its kind; taking apart serves viruses and names both."""
    for check, policy in (
        ("banned", Policy(bypass_banned_checks=True)),
        ("bad_header", Policy(bypass_header_checks=True)),
        ("parts", Policy(bypass_virus_checks=True, bypass_banned_checks=True)),
    ):
        failed = Finding(check, Category.FAILED)
        assert judge((failed,), judged(policy=policy)).category is Category.CLEAN
        assert not is_wanted(check, (judged(policy=policy),))
        assert judge((failed,), judged()).destiny is TEMPFAIL
    for half in (Policy(bypass_virus_checks=True), Policy(bypass_banned_checks=True)):
        assert is_wanted("parts", (judged(policy=half),))
        assert judge((Finding("parts", Category.FAILED),), judged(policy=half)).destiny is TEMPFAIL


def test_what_rules_found_holds_for_those_who_have_them() -> None:
    """A finding of other sets, or of the same in another order, is nothing to a recipient; one of nobody's is."""
    ours = judged(policy=Policy(banned_rules=("ALLOW", "DEFAULT")))
    for rules, category in (
        (("ALLOW", "DEFAULT"), Category.BANNED),
        (("DEFAULT", "ALLOW"), Category.CLEAN),
        (("DEFAULT",), Category.CLEAN),
        (None, Category.BANNED),
    ):
        assert judge((Finding("banned", Category.BANNED, rules=rules),), ours).category is category


@pytest.mark.parametrize(
    ("rules", "policy", "destiny"),
    [
        ((PASS,), Policy(), PASS),
        ((PASS, None), Policy(), REJECT),
        ((None, DISCARD), Policy(banned_destiny=PASS), DISCARD),
        ((TEMPFAIL, DISCARD), Policy(), DISCARD),
        ((REJECT, DISCARD), Policy(), REJECT),
        ((REJECT,), Policy(banned_lover=True), PASS),
        ((REJECT,), Policy(bypass_banned_checks=True), PASS),
    ],
)
def test_a_rule_may_have_a_destiny_of_its_own(
    rules: tuple[Destiny | None, ...], policy: Policy, destiny: Destiny
) -> None:
    """It takes the place of banned_destiny, the severest of several holds, and a lover gets the mail all the same."""
    found = [Finding("banned", Category.BANNED, destiny=each) for each in rules]
    for order in permutations(found):
        assert judge(order, judged(policy=policy)).destiny is destiny


@pytest.mark.parametrize(
    ("minors", "policy", "destiny"),
    [
        (("ambiguous",), Policy(ambiguous_destiny=DISCARD, unchecked_destiny=REJECT), DISCARD),
        (("encrypted",), Policy(ambiguous_destiny=DISCARD), PASS),
        (("ambiguous", "encrypted"), Policy(ambiguous_destiny=DISCARD), DISCARD),
        (("ambiguous", "encrypted"), Policy(ambiguous_destiny=DISCARD, unchecked_destiny=REJECT), REJECT),
        (("ambiguous",), Policy(unchecked_lover=True), PASS),
    ],
)
def test_what_is_ambiguous_has_a_destiny_of_its_own(minors: tuple[str, ...], policy: Policy, destiny: Destiny) -> None:
    """All other kinds of UNCHECKED share one, and the severest of those present holds."""
    found = [Finding("parts", Category.UNCHECKED, minor) for minor in minors]
    for order in permutations(found):
        assert judge(order, judged(policy=policy)).destiny is destiny


def test_points_of_several_checks_add_up() -> None:
    """The score of a recipient is the sum over the checks."""
    assert judge((points(3.0), replace(points(4.0), check="other")), judged()).score == 7.0


@pytest.mark.parametrize(
    ("destinies", "mixed", "answer"),
    [
        ({PASS}, Mixed.REMOVE, PASS),
        ({REJECT}, Mixed.REMOVE, REJECT),
        ({DISCARD}, Mixed.REMOVE, DISCARD),
        ({TEMPFAIL, PASS, REJECT}, Mixed.REMOVE, TEMPFAIL),
        ({DISCARD, REJECT}, Mixed.REMOVE, REJECT),
        ({PASS, REJECT}, Mixed.REMOVE, PASS),
        ({PASS, REJECT}, Mixed.SPLIT, PASS),
        ({PASS, REJECT}, Mixed.STRICTEST, REJECT),
        ({PASS, DISCARD}, Mixed.STRICTEST, DISCARD),
    ],
)
def test_recipients_agree(destinies: set[Destiny], mixed: Mixed, answer: Destiny) -> None:
    """The table of D1."""
    assert agree(destinies, mixed) is answer


def test_a_blocked_recipient_of_a_passing_message_is_removed_and_his_copy_kept() -> None:
    """A mixed message passes; who is removed is in the kept copy."""
    lover = judged("lover@example.com", policy=Policy(spam_lover=True))
    decision = decided(CLEAN, points(50.0), to=(judged(), lover))
    assert decision.answer is PASS
    assert decision.removed == ("user@example.com",)
    assert decision.keep is not None
    assert (decision.keep.category, decision.keep.recipients) == (Category.SPAM, ("user@example.com",))


def test_an_address_given_twice_is_removed_once_and_never_when_it_also_passes() -> None:
    """The envelope may name somebody twice."""
    lover = judged("lover@example.com", policy=Policy(spam_lover=True))
    twice = decided(points(50.0), to=(judged(), judged(), lover))
    assert twice.removed == ("user@example.com",)
    both = decided(points(50.0), to=(judged(), judged(policy=Policy(spam_lover=True))))
    assert both.removed == ()


def test_a_rejected_message_is_kept_in_the_categories_people_ask_for() -> None:
    """store_on_reject: banned and unchecked by default, not viruses."""
    assert decided(VIRUS).keep is None
    assert decided(Finding("banned", Category.BANNED)).keep is not None
    strict = judged(policy=Policy(unchecked_destiny=REJECT))
    assert decided(ENCRYPTED, to=(strict,)).keep is not None


def test_a_discarded_message_is_always_kept_unless_plain_words_say_otherwise() -> None:
    """DISCARD implies a kept copy; discard_without_copy is the only way out."""
    discards = Policy(virus_destiny=DISCARD)
    assert decided(VIRUS, to=(judged(policy=discards),)).keep is not None
    loses = replace(discards, discard_without_copy=(Category.VIRUS,))
    assert decided(VIRUS, to=(judged(policy=loses),)).keep is None


def test_a_passing_message_is_copied_when_the_policy_archives_its_category() -> None:
    """store_on_pass archives."""
    archive = judged(policy=Policy(store_on_pass=(Category.CLEAN,)))
    kept = decided(CLEAN, to=(archive,)).keep
    assert kept is not None
    assert kept.category is Category.CLEAN


def test_a_deferred_message_is_kept_for_nobody_and_named_after_what_deferred_it() -> None:
    """The client still has it: neither an archive nor a blocked recipient makes a copy, nor a category."""
    archives = judged("a@example.com", policy=Policy(store_on_pass=tuple(Category), bypass_virus_checks=True))
    discards = judged("b@example.com", policy=Policy(spam_destiny=DISCARD))
    decision = decided(NO_CLAMD, NO_SPAMD, points(50.0), to=(archives, discards, LOVES_SPAM))
    assert (decision.answer, decision.category) == (TEMPFAIL, Category.FAILED)
    assert decision.keep is None


def test_a_strict_discard_is_kept_for_those_who_would_have_got_it() -> None:
    """mixed_recipients = strictest: a passing recipient's mail is withheld, so it is kept."""
    discards = judged("a@example.com", policy=Policy(spam_destiny=DISCARD))
    lover = judged("b@example.com", policy=Policy(spam_lover=True))
    decision = decided(points(50.0), to=(discards, lover), mixed=Mixed.STRICTEST)
    assert decision.answer is DISCARD
    assert decision.keep is not None
    assert decision.keep.recipients == ("a@example.com", "b@example.com")


def test_whether_refused_mail_is_kept_is_said_by_its_folder_and_by_its_score() -> None:
    """A folder asks for a copy, none forbids it, and over the cutoff level nobody will ever ask."""
    for folder, is_kept in ((".", True), ("spam", True), ("", False)):
        policy = Policy(
            store_on_reject=(Category.SPAM,) if not folder else (), quarantine_to=((Category.SPAM, folder),)
        )
        assert bool(decided(points(50.0), to=(judged(policy=policy),)).keep) is is_kept
    cut = Policy(store_on_reject=(Category.SPAM, Category.VIRUS), spam_quarantine_cutoff_level=20.0)
    assert decided(points(50.0), to=(judged(policy=cut),)).keep is None
    assert decided(points(15.0), to=(judged(policy=cut),)).keep is not None
    assert decided(VIRUS, points(50.0), to=(judged(policy=cut),)).keep is not None


def test_a_copy_is_kept_in_every_folder_that_somebody_wants() -> None:
    """One in each, for those who want it there, under the heaviest category that they have."""

    def wants(address: str, *folders: tuple[Category, str], **more: object) -> Judged:
        policy = Policy(virus_destiny=DISCARD, spam_destiny=DISCARD, quarantine_to=folders, **more)  # type: ignore[arg-type]
        return judged(address, policy=policy)

    virus, spam = (Category.VIRUS, "virus"), (Category.SPAM, "spam")
    alone = decided(VIRUS, to=(wants("a@x", virus, spam), wants("b@x", virus))).keep
    assert alone == Keep(Category.VIRUS, ("a@x", "b@x"), "virus")
    mixed = (
        wants("a@x", virus, spam),
        wants("b@x", spam, bypass_virus_checks=True),
        wants("c@x"),
        wants("d@x", (Category.VIRUS, ".")),
        wants("e@x", (Category.VIRUS, "")),
    )
    keep = decided(VIRUS, points(50.0), to=mixed).keep
    assert keep is not None
    assert (keep.category, keep.recipients, keep.folder) == (Category.VIRUS, ("a@x", "b@x", "c@x", "d@x", "e@x"), "")
    assert keep.parts == (
        Keep(Category.VIRUS, ("c@x", "d@x", "e@x")),
        Keep(Category.SPAM, ("b@x",), "spam"),
        Keep(Category.VIRUS, ("a@x",), "virus"),
    )


def test_an_infection_that_blocks_everybody_settles_the_message() -> None:
    """Slower checks need not be waited for, unless somebody would get the infected message."""
    assert is_settled((VIRUS,), (judged(), judged("b@example.com")))
    assert not is_settled((VIRUS,), (judged(), judged("b@example.com", policy=Policy(virus_lover=True))))
    assert not is_settled((CLEAN,), (judged(),))


# --- what holds for every policy and every finding ------------------------------------------------

_destinies = st.sampled_from(list(Destiny))
_rule_sets = st.sampled_from([("DEFAULT",), ("ALLOW", "DEFAULT")])
_minors = st.sampled_from(["", "ambiguous", "encrypted"])
_levels = st.none() | st.floats(-10, 20)
_categories = st.lists(st.sampled_from(list(Category)), max_size=3).map(tuple)
policies = st.builds(
    Policy,
    virus_destiny=_destinies,
    banned_destiny=_destinies,
    unchecked_destiny=_destinies,
    ambiguous_destiny=_destinies,
    banned_rules=_rule_sets,
    dmarc_reject_destiny=_destinies,
    spam_destiny=_destinies,
    bad_header_destiny=_destinies,
    oversized_destiny=_destinies,
    virus_lover=st.booleans(),
    banned_lover=st.booleans(),
    spam_lover=st.booleans(),
    unchecked_lover=st.booleans(),
    bypass_virus_checks=st.booleans(),
    bypass_banned_checks=st.booleans(),
    bypass_spam_checks=st.booleans(),
    spam_tag_level=_levels,
    spam_tag2_level=_levels,
    spam_tag3_level=_levels,
    spam_kill_level=_levels,
    store_on_reject=_categories,
    store_on_pass=_categories,
    discard_without_copy=st.just(()),
)
findings = st.lists(
    st.builds(
        Finding,
        check=st.sampled_from(["clamd", "spamd", "banned", "parts", "other"]),
        category=st.sampled_from(list(Category)),
        minor=_minors,
        rules=st.none() | _rule_sets,
        destiny=st.none() | _destinies,
        score=st.none() | st.floats(0, 20),
        on_failure=st.sampled_from([PASS, TEMPFAIL]),
    ),
    max_size=4,
)
recipients = st.lists(
    st.builds(judged, st.sampled_from(["a@example.com", "b@example.com", "c@example.net"]), policy=policies),
    min_size=1,
    max_size=4,
)
mixes = st.sampled_from(list(Mixed))


def _facts(decision: Decision) -> tuple[object, ...]:
    keep = decision.keep
    return (
        decision.answer,
        decision.category,
        frozenset(decision.removed),
        keep and (keep.category, frozenset(keep.recipients)),
    )


@given(findings, recipients, mixes)
def test_order_does_not_matter(found: list[Finding], to: list[Judged], mixed: Mixed) -> None:
    """Any order of findings and of recipients comes to the same decision."""
    expected = _facts(decide(found, to, mixed=mixed))
    for order in list(permutations(found))[:6]:
        assert _facts(decide(order, to, mixed=mixed)) == expected
    for order_to in list(permutations(to))[:6]:
        assert _facts(decide(found, order_to, mixed=mixed)) == expected


@given(findings, recipients, mixes)
def test_nothing_is_lost(found: list[Finding], to: list[Judged], mixed: Mixed) -> None:
    """Whoever does not get an accepted message is in the kept copy, and the list is never emptied."""
    decision = decide(found, to, mixed=mixed)
    addresses = {each.recipient.address for each in to}
    kept = set(decision.keep.recipients) if decision.keep else set()
    if decision.answer is DISCARD:
        assert addresses <= kept
    if decision.answer is PASS:
        assert set(decision.removed) <= kept
        assert set(decision.removed) < addresses
    else:
        assert decision.removed == ()


@given(findings, recipients, mixes)
def test_nobody_gets_what_his_policy_blocks(found: list[Finding], to: list[Judged], mixed: Mixed) -> None:
    """A recipient who stays in an accepted message has himself passed it, under one of his entries."""
    decision = decide(found, to, mixed=mixed)
    if decision.answer is PASS:
        staying = {each.recipient.address for each in to} - set(decision.removed)
        passing = {each.address for each in decision.outcomes if each.destiny is PASS}
        assert staying <= passing


added = st.builds(
    Finding,
    check=st.just("other"),
    category=st.sampled_from(list(Category)),
    minor=_minors,
    rules=st.none() | _rule_sets,
    destiny=st.none() | _destinies,
)


@given(findings, recipients, added)
def test_one_more_finding_never_delivers_what_was_blocked(
    found: list[Finding], to: list[Judged], finding: Finding
) -> None:
    """Adding a finding never turns a blocked recipient into one who gets the mail."""
    more = [*found, finding]
    for each in to:
        if judge(found, each).destiny is not PASS:
            assert judge(more, each).destiny is not PASS


_SEVERITY = [PASS, TEMPFAIL, DISCARD, REJECT]


@given(findings, st.lists(st.sampled_from(list(Category)), min_size=1, max_size=3), st.integers(1, 3), mixes)
def test_a_heavier_finding_never_makes_a_milder_answer(
    found: list[Finding], heavier: list[Category], count: int, mixed: Mixed
) -> None:
    """Under a policy that is itself no milder to heavier categories, more weight is never a milder answer."""
    policy = Policy(bad_header_destiny=PASS, spam_destiny=TEMPFAIL, unchecked_destiny=DISCARD, banned_destiny=REJECT)
    policy = replace(policy, oversized_destiny=PASS, dmarc_reject_destiny=DISCARD)
    to = [judged(f"{number}@example.com", policy=policy) for number in range(count)]
    top = max((each.category for each in found), default=Category.CLEAN)
    added = [Finding("other", category) for category in heavier if category >= max(top, Category.SPAM)]
    scoreless = [replace(each, score=None) for each in found]
    before, after = decide(scoreless, to, mixed=mixed), decide([*scoreless, *added], to, mixed=mixed)
    assert not added or _SEVERITY.index(after.answer) >= _SEVERITY.index(before.answer)


def test_a_refusal_speaks_of_the_blocked_and_a_451_of_those_who_want_it() -> None:
    """What is accepted speaks of those who get it."""
    passing, refused, waiting = (
        judge([VIRUS], judged(policy=Policy(virus_destiny=destiny))) for destiny in (PASS, REJECT, TEMPFAIL)
    )
    outcomes = (passing, refused, waiting)
    assert concerned(outcomes, PASS) == (passing,)
    assert concerned(outcomes, TEMPFAIL) == (waiting,)
    assert concerned(outcomes, REJECT) == (refused, waiting)


def test_an_outcome_stands_on_what_blocked_or_on_all_that_there_is() -> None:
    """Neither on what others have, nor on what his policy lets pass while something else blocks him."""
    theirs = Finding("banned", Category.BANNED, detail="theirs", rules=("THEIRS",))
    mine = Finding("banned", Category.BANNED, detail="mine", rules=("DEFAULT",))
    harmless = replace(mine, detail="harmless", destiny=PASS)
    found = (theirs, mine, harmless, ENCRYPTED, NO_SPAMD, CLEAN)
    for policy, expected in (
        (Policy(), (mine,)),
        (Policy(banned_lover=True), (mine, harmless, ENCRYPTED, NO_SPAMD, CLEAN)),
        (Policy(bypass_banned_checks=True), (ENCRYPTED, NO_SPAMD, CLEAN)),
        (Policy(bypass_banned_checks=True, unchecked_destiny=DISCARD), (ENCRYPTED,)),
        (Policy(banned_rules=("THEIRS",)), (theirs,)),
    ):
        assert grounds(found, [judge(found, judged(policy=policy))]) == expected
    both = [judge(found, judged(policy=Policy(banned_rules=names))) for names in (("DEFAULT",), ("THEIRS",))]
    assert grounds(found, both) == (theirs, mine)
    assert grounds(found, []) == ()


@given(findings, recipients)
def test_the_grounds_alone_come_to_the_same(found: list[Finding], to: list[Judged]) -> None:
    """Whoever is blocked by findings is blocked just so by those that are named as the grounds."""
    pointless = [replace(each, score=None) for each in found]
    for each in to:
        outcome = judge(pointless, each)
        if outcome.blocking is not None:
            alone = judge(grounds(pointless, [outcome]), each)
            assert (alone.destiny, alone.blocking) == (outcome.destiny, outcome.blocking)
