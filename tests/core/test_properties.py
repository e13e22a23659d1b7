# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds of every decision, whatever the policies, the findings and the lists."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from milterguard.core.decide import decide
from milterguard.core.destiny import Destiny, Mixed
from milterguard.core.finding import Category, Finding
from milterguard.core.listed import Listed, Listing, SeenIn
from milterguard.core.policy import Policy
from milterguard.core.verdict import Decision, Judged
from tests.core.build import judged

DESTINIES = st.sampled_from(Destiny)
CATEGORIES = st.lists(st.sampled_from(Category), max_size=3, unique=True).map(tuple)
LEVELS = st.none() | st.sampled_from((-5.0, 0.0, 3.0, 6.0, 9.0))
POLICIES = st.builds(
    Policy,
    virus_destiny=DESTINIES,
    banned_destiny=DESTINIES,
    unchecked_destiny=DESTINIES,
    ambiguous_destiny=DESTINIES,
    spam_destiny=DESTINIES,
    bad_header_destiny=DESTINIES,
    oversized_destiny=DESTINIES,
    virus_lover=st.booleans(),
    spam_lover=st.booleans(),
    banned_lover=st.booleans(),
    bypass_virus_checks=st.booleans(),
    bypass_spam_checks=st.booleans(),
    bypass_banned_checks=st.booleans(),
    spam_tag2_level=LEVELS,
    spam_kill_level=LEVELS,
    spam_quarantine_cutoff_level=LEVELS,
    allow_only_authenticated=st.booleans(),
    message_size_limit=st.sampled_from((0, 500, 2000)),
    store_on_reject=CATEGORIES,
    store_on_pass=CATEGORIES,
    discard_without_copy=CATEGORIES,
    quarantine_to=st.sampled_from(((), ((Category.SPAM, ""),), ((Category.VIRUS, "virus"), (Category.SPAM, "")))),
)
LISTED = st.builds(
    Listed,
    listing=st.none() | st.sampled_from(Listing),
    points=st.none() | st.sampled_from((-4.0, 4.0)),
    seen_in=st.sampled_from(SeenIn),
)
FINDINGS = st.lists(
    st.builds(
        Finding,
        check=st.sampled_from(("clamd", "spamd", "banned", "parts", "bad_header")),
        category=st.sampled_from(Category),
        minor=st.sampled_from(("", "ambiguous")),
        score=st.none() | st.sampled_from((-2.0, 2.0, 7.0)),
        tests=st.sampled_from(((), (("SPF_PASS", 0.0),), (("DKIM_VALID_AU", 0.0),))),
        on_failure=st.sampled_from((Destiny.PASS, Destiny.TEMPFAIL)),
        destiny=st.none() | DESTINIES,
        size=st.none() | st.just(1000),
        is_on_trial=st.booleans(),
    ),
    max_size=5,
)


@st.composite
def recipients(draw: st.DrawFn) -> tuple[Judged, ...]:
    return tuple(
        replace(
            judged(f"r{number}@example.com", policy=draw(POLICIES)),
            listed=draw(LISTED),
            trial=draw(st.none() | POLICIES),
            trial_listed=draw(LISTED),
        )
        for number in range(draw(st.integers(1, 5)))
    )


@given(recipients(), FINDINGS, st.sampled_from(Mixed))
def test_no_policy_loses_mail(whom: tuple[Judged, ...], findings: list[Finding], mixed: Mixed) -> None:
    """Each gets it, or the client is told, or a copy is kept, or his policy says that none shall be."""
    decision = decide(findings, whom, mixed=mixed)
    kept = decision.keep.recipients if decision.keep else ()
    for outcome in decision.outcomes:
        is_told = decision.answer in (Destiny.REJECT, Destiny.TEMPFAIL)
        gets_it = decision.answer is Destiny.PASS and outcome.address not in decision.removed
        assert is_told or gets_it or outcome.address in kept or outcome.blocking in outcome.policy.discard_without_copy


@given(recipients(), FINDINGS, st.sampled_from(Mixed))
def test_somebody_always_remains(whom: tuple[Judged, ...], findings: list[Finding], mixed: Mixed) -> None:
    """Or Postfix would answer 250 and deliver to nobody."""
    decision = decide(findings, whom, mixed=mixed)
    assert set(decision.removed) < {each.recipient.address for each in whom}


@given(recipients(), FINDINGS, st.sampled_from(Mixed), st.randoms(use_true_random=False))
def test_order_does_not_matter(whom: tuple[Judged, ...], findings: list[Finding], mixed: Mixed, chance: object) -> None:
    """Neither that of the recipients nor that of the findings."""
    shuffled, mixed_up = list(whom), list(findings)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    chance.shuffle(mixed_up)  # type: ignore[attr-defined]
    assert _facts(decide(mixed_up, shuffled, mixed=mixed)) == _facts(decide(findings, whom, mixed=mixed))


@given(recipients(), FINDINGS, st.sampled_from(Mixed))
def test_what_is_on_trial_changes_nothing(whom: tuple[Judged, ...], findings: list[Finding], mixed: Mixed) -> None:
    """The decision is that without it."""
    without = tuple(replace(each, trial=None) for each in whom)
    in_force = [finding for finding in findings if not finding.is_on_trial]
    assert _facts(decide(findings, whom, mixed=mixed)) == _facts(decide(in_force, without, mixed=mixed))


def _facts(decision: Decision) -> object:
    kept = frozenset(decision.keep.recipients) if decision.keep else frozenset()
    outcomes = {
        (each.address, each.destiny, each.category, each.blocking, each.categories, each.score)
        for each in decision.outcomes
    }
    return decision.answer, decision.category, frozenset(decision.removed), kept, outcomes
