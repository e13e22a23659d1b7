# SPDX-License-Identifier: GPL-3.0-or-later
"""How entries are laid over each other."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milterguard.core.finding import Category
from milterguard.core.policy import OnTrial, Policy
from milterguard.lookup.layer import Layer, as_tried, composed, origins

BASE = Policy()
SPAM, VIRUS = Category.SPAM, Category.VIRUS


def layer(origin: str = "x", *, replaces: bool = False, **settings: Any) -> Layer:
    return Layer(tuple(settings.items()), origin, replaces=replaces)


def test_the_closest_word_counts_setting_by_setting() -> None:
    """What it does not say is left to the next."""
    policy, trial = composed(
        BASE, (layer(spam_kill_level=1.0), layer(spam_kill_level=2.0, spam_tag2_level=2.0), layer(spam_lover=True))
    )
    assert (policy.spam_kill_level, policy.spam_tag2_level, policy.spam_lover) == (1.0, 2.0, True)
    assert trial is None
    assert composed(BASE, ()) == (BASE, None)


def test_an_unset_level_is_a_word_too() -> None:
    """``unset`` by the closest entry is not undone by a farther one."""
    assert composed(BASE, (layer(spam_kill_level=None), layer(spam_kill_level=2.0)))[0].spam_kill_level is None


def test_sets_and_lists_add_up_the_closest_first() -> None:
    """Each once; those of [policy] last."""
    policy, _ = composed(BASE, (layer(banned_rules=("A", "B")), layer(banned_rules=("B", "C"))))
    assert policy.banned_rules == ("A", "B", "C", "DEFAULT")


def test_a_bank_says_all_there_is_below_the_entries() -> None:
    """Entries add to it, [policy] does not."""
    policy, _ = composed(BASE, (layer(banned_rules=("A",)), layer(banned_rules=("BANK",), replaces=True)))
    assert policy.banned_rules == ("A", "BANK")


def test_tables_by_category_are_merged() -> None:
    """Also of a bank, and of several columns of one row; the heaviest category first."""
    near = Layer((("addr_extension", ((SPAM, "near"),)), ("addr_extension", ((Category.BANNED, "b"),))), "row")
    far = layer(addr_extension=((VIRUS, "far"), (SPAM, "far")), replaces=True)
    policy, _ = composed(BASE, (near, far))
    assert policy.addr_extension == ((VIRUS, "far"), (Category.BANNED, "b"), (SPAM, "near"))


def test_what_is_on_trial_holds_in_another_policy() -> None:
    """In the one in force the next word counts."""
    policy, trial = composed(BASE, (layer(spam_kill_level=OnTrial(1.0)), layer(spam_kill_level=2.0)))
    assert policy.spam_kill_level == 2.0
    assert trial is not None
    assert trial.spam_kill_level == 1.0


def test_a_layer_without_trials_is_itself() -> None:
    """So that what is remembered of it holds."""
    plain = layer(spam_lover=True)
    assert as_tried(plain) is plain
    assert as_tried(layer(spam_lover=OnTrial(True))).settings == (("spam_lover", True),)


def test_origins_tell_who_decided() -> None:
    """Of what adds up everybody; of what is on trial under a name of its own; each entry once."""
    near = Layer((("quarantine_to", ((SPAM, "a"),)), ("quarantine_to", ((VIRUS, "b"),))), "near")
    told = dict(
        origins(
            (near, layer("mid", spam_lover=OnTrial(True), quarantine_to=()), layer("far", spam_lover=False)),
        )
    )
    assert told == {"quarantine_to": "near; mid", "spam_lover (shadow)": "mid", "spam_lover": "far"}


LAYERS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "spam_kill_level": st.none() | st.floats(-100, 100),
            "spam_lover": st.booleans(),
            "banned_rules": st.lists(st.sampled_from("ABC"), max_size=2).map(tuple),
        },
    ).map(lambda said: Layer(tuple(said.items()), "x")),
    max_size=5,
)


@given(LAYERS)
def test_the_first_who_says_something_decides(layers: list[Layer]) -> None:
    """Whatever the others say."""
    policy, _ = composed(BASE, layers)
    for name in ("spam_kill_level", "spam_lover"):
        words = [dict(each.settings)[name] for each in layers if name in dict(each.settings)]
        assert getattr(policy, name) == (words or [getattr(BASE, name)])[0]
    named = [name for each in layers for name in dict(each.settings).get("banned_rules", ())]  # type: ignore[attr-defined]
    assert policy.banned_rules == tuple(dict.fromkeys((*named, "DEFAULT")))


@pytest.mark.parametrize("name", ["spam_kill_level", "banned_rules", "addr_extension"])
def test_an_empty_word_is_a_word(name: str) -> None:
    """Its entry is named among the origins."""
    assert dict(origins((Layer(((name, ()),), "here"),))) == {name: "here"}
