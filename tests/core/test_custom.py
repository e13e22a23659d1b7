# SPDX-License-Identifier: GPL-3.0-or-later
"""Fields of the operator's own: when they hold, in which order, and that nothing breaks out of them."""

from collections.abc import Callable
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milterguard.core.by_category import by_category
from milterguard.core.custom import Action, FieldRule, is_signed, most_copies
from milterguard.core.decide import decide
from milterguard.core.destiny import Mixed
from milterguard.core.envelope import Traffic
from milterguard.core.finding import Category, Finding
from milterguard.core.marks import Style, edits_for
from milterguard.core.message import Field
from milterguard.core.policy import Policy, Protect
from milterguard.core.verdict import ChangeField, Edit, InsertField, Judged, RemoveField
from tests.core.build import CLEAN, ENCRYPTED, fields, judged, points

HEADER = fields("X-Old: 1", "Subject: hello", "x-old: 2", "X-Spam-Flag: NO", "X-OLD: 3")


def edits(
    *rules: FieldRule,
    findings: tuple[Finding, ...] = (CLEAN,),
    to: tuple[Judged, ...] = (judged(),),
    header: tuple[Field, ...] = HEADER,
    traffic: Traffic = Traffic.INBOUND,
    spares: Callable[[Edit], bool] = lambda _edit: False,
) -> tuple[Edit, ...]:
    style = Style(hostname="mail.example.com", custom=rules)
    decision = decide(findings, to, mixed=Mixed.REMOVE)
    return edits_for(header, decision, findings, mail_id="Abcdefghij12", style=style, traffic=traffic, spares=spares)


def add(value: str, **more: object) -> FieldRule:
    return FieldRule(Action.ADD, "X-New", value, **more)  # type: ignore[arg-type]


def values(applied: tuple[Edit, ...], name: str = "X-New") -> list[str]:
    """Return what a reader sees of a name, top first."""
    return [each.value for each in reversed(applied) if isinstance(each, InsertField) and each.name == name]


def test_edits_that_break_a_signature_are_left_out_where_none_may_break() -> None:
    """By ``never_break`` alone; and only those that would break one."""
    rules = FieldRule(Action.REMOVE, "X-Old"), add("new")
    removals = {RemoveField("X-Old", index) for index in (1, 2, 3)}
    never = judged(policy=Policy(protect_signatures=Protect.NEVER_BREAK))
    spared = edits(*rules, to=(never,), spares=removals.__contains__)
    assert removals.isdisjoint(spared)
    assert InsertField("X-New", "new") in spared
    assert InsertField("X-New", "new") not in edits(*rules, to=(never,), spares=lambda _edit: True)
    assert removals <= set(edits(*rules, spares=removals.__contains__))


def test_removals_changes_and_insertions_keep_their_order() -> None:
    """Highest index first, then the Subject, then our fields, and the operator's above them in his order."""
    rules = FieldRule(Action.REMOVE, "X-Old"), add("first"), add("second")
    applied = edits(*rules, findings=(CLEAN, points(6.5)))
    assert applied[:4] == (
        RemoveField("X-Spam-Flag", 1),
        RemoveField("X-Old", 3),
        RemoveField("X-Old", 2),
        RemoveField("X-Old", 1),
    )
    assert isinstance(applied[4], ChangeField)
    assert all(isinstance(each, InsertField) for each in applied[5:])
    assert applied[-2:] == (InsertField("X-New", "second"), InsertField("X-New", "first"))


def test_a_replaced_field_is_there_once() -> None:
    """Whether there were three or none; said twice, there are two values and each old one goes once."""
    replace = FieldRule(Action.REPLACE, "X-Old", "new")
    applied = edits(replace, FieldRule(Action.REPLACE, "x-old", "newer"))
    assert [each.index for each in applied if isinstance(each, RemoveField) and each.name.lower() == "x-old"] == [
        3,
        2,
        1,
    ]
    assert values(edits(replace, header=fields("Subject: x")), "X-Old") == ["new"]


@pytest.mark.parametrize(
    ("rule", "findings", "is_there"),
    [
        (add("x", categories=(Category.SPAMMY,)), (points(6.5),), True),
        (add("x", categories=(Category.SPAMMY, Category.VIRUS)), (points(1.0),), False),
        (add("x", categories=(Category.CLEAN,)), (points(1.0),), True),
        (add("x", categories=(Category.CLEAN,)), (points(6.5),), False),
        (add("x", traffics=(Traffic.ORIGINATING,)), (CLEAN,), False),
        (add("x", traffics=(Traffic.INBOUND,)), (CLEAN,), True),
    ],
)
def test_a_rule_holds_for_the_mail_that_it_is_for(
    rule: FieldRule, findings: tuple[Finding, ...], is_there: bool
) -> None:
    """Category and direction; clean is what has nothing else."""
    assert bool(values(edits(rule, findings=findings))) is is_there


def test_somebody_elses_recipient_gets_them_only_where_that_is_said() -> None:
    """only_ours is the default; a mixed message has what ours have."""
    theirs = judged(is_local=False)
    assert not values(edits(add("x"), to=(theirs,)))
    assert values(edits(add("x", only_ours=False), to=(theirs,))) == ["x"]
    loose = judged("b@example.com", policy=Policy(spam_tag2_level=60.0, spam_kill_level=None))
    spammy = add("_CATEGORY_", categories=(Category.SPAMMY,))
    assert not values(edits(spammy, findings=(points(6.5),), to=(theirs, loose)))
    assert values(edits(spammy, findings=(points(6.5),), to=(judged(), loose))) == ["spammy"]


def test_placeholders_stand_for_the_severest() -> None:
    """Those of subject tags, and the category; what is none stays."""
    rule = add("_CATEGORY_ _SCORE_/_REQD_ _YESNO_ _MAILID_ at _HOSTNAME_ _OTHER_ _X")
    assert values(edits(rule, findings=(points(6.5), ENCRYPTED))) == [
        "unchecked 6.5/6.2 Yes Abcdefghij12 at mail.example.com _OTHER_ _X"
    ]


def test_signed_fields_are_known() -> None:
    """Those that RFC 6376 recommends, in any case."""
    assert is_signed("Reply-To")
    assert is_signed("LIST-Id")
    assert not is_signed("X-New")


def test_what_may_be_removed_is_counted() -> None:
    """So that a message with ten thousand of them does not keep the MTA busy."""
    rules = FieldRule(Action.REMOVE, "X-Old"), FieldRule(Action.REPLACE, "x-OLD", "x"), add("x")
    assert most_copies(HEADER, rules) == 3


def test_a_long_value_is_folded() -> None:
    """At its blanks, or between encoded words."""
    for text in ("word " * 80, "größe " * 80):
        (value,) = values(edits(add(text)))
        assert max(len(line) for line in value.split("\n")) <= 78
        assert value.count("\n") > 3


@given(st.text(max_size=600))
def test_no_value_breaks_out(text: str) -> None:
    """Every line is a fold, whatever the operator or a host name says."""
    for value in values(edits(add(text))):
        assert value.isascii()
        assert all(line.startswith(" ") and line.strip() for line in value.split("\n")[1:])
        assert "\r" not in value


_POLICIES = st.builds(
    lambda tag2, kill, loves, tag, rules: Policy(
        spam_tag2_level=tag2,
        spam_kill_level=kill,
        virus_lover=loves,
        subject_tag=by_category([(Category.UNCHECKED, tag)]),
        banned_rules=rules,
        banned_lover=True,
    ),
    st.sampled_from([3.0, 6.0, None]),
    st.sampled_from([5.0, None]),
    st.booleans(),
    st.sampled_from(["", "[one] ", "[two] "]),
    st.sampled_from([("A",), ("B",)]),
)
_FINDINGS = st.lists(
    st.sampled_from(
        [
            CLEAN,
            ENCRYPTED,
            Finding("clamd", Category.UNCHECKED, "over limits", "Heuristics.Limits"),
            points(4.0, ("T", 4.0)),
            Finding("spamd", Category.CLEAN, "truncated", score=0.5, tests=(("U", None),), autolearn="ham"),
            Finding("banned", Category.BANNED, detail="b.exe", part="1/10", rules=("A",)),
            Finding("banned", Category.BANNED, detail="z.exe", part="1/2", rules=("A",)),
            Finding("banned", Category.BANNED, detail="c.exe", part="1/3", rules=("B",)),
            Finding("clamd", Category.VIRUS, detail="Eicar"),
        ]
    ),
    max_size=4,
)
_RULES = (
    add("_SCORE_ _CATEGORY_ _REQD_"),
    add("x", categories=(Category.BANNED,)),
    FieldRule(Action.REPLACE, "X-Old", "_YESNO_", only_ours=False),
)


@given(st.lists(st.tuples(_POLICIES, st.booleans()), min_size=1, max_size=3), _FINDINGS)
def test_the_order_of_recipients_and_findings_does_not_matter(
    who: list[tuple[Policy, bool]], findings: list[Finding]
) -> None:
    """One message has one set of edits (D2)."""
    to = [judged(f"{number}@example.com", policy=policy, is_local=mine) for number, (policy, mine) in enumerate(who)]
    expected = edits(*_RULES, findings=tuple(findings), to=tuple(to))
    for order in permutations(to):
        assert edits(*_RULES, findings=tuple(findings), to=order) == expected
    for found in permutations(findings):
        assert edits(*_RULES, findings=found, to=tuple(to)) == expected
