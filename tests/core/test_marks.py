# SPDX-License-Identifier: GPL-3.0-or-later
"""The fields of a delivered message: which, in which form and order, and which must go (D2)."""

from collections.abc import Callable
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milterguard.core.decide import decide
from milterguard.core.destiny import Destiny, Mixed
from milterguard.core.finding import Category, Finding
from milterguard.core.marks import Style, edits_for
from milterguard.core.message import Field
from milterguard.core.policy import Policy
from milterguard.core.verdict import ChangeField, Edit, InsertField, Judged, RemoveField
from tests.core.build import CLEAN, ENCRYPTED, NO_CLAMD, VIRUS, fields, judged, points

STYLE = Style(hostname="mail.example.com")
SPAMD_DOWN = Finding("spamd", Category.FAILED, "timeout", on_failure=Destiny.PASS)


def edits(
    *findings: Finding,
    header: tuple[Field, ...] = fields("Subject: hello"),
    to: tuple[Judged, ...] = (judged(),),
    style: Style = STYLE,
    is_stored: bool = False,
    spares: Callable[[Edit], bool] = lambda _edit: False,
) -> tuple[Edit, ...]:
    decision = decide(findings, to, mixed=Mixed.REMOVE)
    return edits_for(
        header, decision, findings, mail_id="Abcdefghij12", style=style, is_stored=is_stored, spares=spares
    )


def delivered(*applied: Edit) -> dict[str, str]:
    """Return the fields a reader sees, top first."""
    return {edit.name: edit.value for edit in reversed(applied) if isinstance(edit, InsertField)}


def test_a_clean_message_says_that_it_was_scanned_and_how() -> None:
    """Fields, forms and order are amavis'."""
    seen = delivered(*edits(CLEAN, points(2.301, ("A", 1.5), ("B", 0.801), ("C", None))))
    assert list(seen.items()) == [
        ("X-Virus-Scanned", "milterguard at mail.example.com"),
        ("X-Spam-Flag", "NO"),
        ("X-Spam-Score", "2.301"),
        ("X-Spam-Level", "**"),
        ("X-Spam-Status", "No, score=2.301 tagged_above=-999 required=6.2\n tests=[A=1.5, B=0.801, C]\n autolearn=no"),
    ]


def test_spam_is_flagged_and_its_subject_tagged() -> None:
    """At tag2 the flag says YES and the Subject carries the tag."""
    applied = edits(CLEAN, points(6.5))
    assert delivered(*applied)["X-Spam-Flag"] == "YES"
    assert delivered(*applied)["X-Spam-Status"].startswith("Yes, score=6.5 ")
    assert ChangeField("Subject", 1, "***SPAM*** hello") in applied


def test_every_foreign_copy_is_removed_from_the_highest_index_down() -> None:
    """Ascending removal would leave every second copy: what is below moves up."""
    header = fields("X-Spam-Flag: NO", "x-spam-flag: NO", "X-Virus-Scanned: theirs", "X-SPAM-FLAG: NO")
    applied = edits(CLEAN, header=header)
    assert [edit for edit in applied if isinstance(edit, RemoveField)] == [
        RemoveField("X-Spam-Flag", 3),
        RemoveField("X-Spam-Flag", 2),
        RemoveField("X-Spam-Flag", 1),
        RemoveField("X-Virus-Scanned", 1),
    ]
    kinds = [type(edit) for edit in applied]
    assert kinds == sorted(kinds, key=[RemoveField, ChangeField, InsertField].index)


def test_somebody_elses_recipient_gets_no_spam_fields_but_the_virus_field() -> None:
    """X-Spam fields and subject tags are for our own; X-Virus-Scanned for everybody."""
    applied = edits(CLEAN, points(6.5), to=(judged(is_local=False),))
    assert list(delivered(*applied)) == ["X-Virus-Scanned"]
    assert not any(isinstance(edit, ChangeField) for edit in applied)


def test_a_recipient_who_bypasses_gets_no_fields_of_that_kind() -> None:
    """No X-Spam for a spam bypass, no X-Virus-Scanned for a virus bypass."""
    both = Policy(bypass_spam_checks=True, bypass_virus_checks=True)
    assert edits(CLEAN, points(6.5), to=(judged(policy=both),)) == ()


def test_a_failed_scanner_is_said_so() -> None:
    """Passing without a scan is never silent."""
    passing = Finding("clamd", Category.FAILED, "timeout", on_failure=Destiny.PASS)
    seen = delivered(*edits(passing, SPAMD_DOWN))
    assert seen["X-Virus-Scanned"].startswith("not scanned")
    assert seen["X-Spam-Status"] == (
        "No, score=x tagged_above=-999 required=6.2 tests=[] autolearn=unavailable (not scanned)"
    )


def test_a_truncated_scan_is_said_so() -> None:
    """spamd saw only the beginning."""
    cut = Finding("spamd", Category.CLEAN, "truncated", score=1.0, autolearn="no")
    assert "required=6.2 (truncated)" in delivered(*edits(cut))["X-Spam-Status"]


def test_levels_that_are_not_set_are_left_out() -> None:
    """No tagged_above, no required, and below the tag level nothing at all."""
    unset = Policy(spam_tag_level=None, spam_tag2_level=None, spam_kill_level=None)
    assert delivered(*edits(points(1.0), to=(judged(policy=unset),)))["X-Spam-Status"].startswith("No, score=1\n ")
    assert delivered(*edits(points(1.0), to=(judged(policy=Policy(spam_tag_level=2.0)),))) == {}


@pytest.mark.parametrize(
    ("finding", "policy", "alert"),
    [
        (VIRUS, Policy(virus_lover=True), "INFECTED, message contains virus: Eicar-Test-Signature"),
        (
            ENCRYPTED,
            Policy(),
            "UNCHECKED, message could not be looked into: UNCHECKED-ENCRYPTED, Heuristics.Encrypted.Zip",
        ),
        (Finding("h", Category.BAD_HEADER, "long"), Policy(), "BAD HEADER SECTION, long"),
        (
            Finding("h", Category.BAD_HEADER, "8bit", "character E4 in Subject: H\\x{E4}"),
            Policy(),
            "BAD HEADER SECTION, character E4 in Subject: H\\x{E4}",
        ),
        (Finding("h", Category.BAD_HEADER), Policy(), "BAD HEADER SECTION"),
        (
            Finding("clamd", Category.VIRUS, detail="a\r\nBcc: x\x1b[1m"),
            Policy(virus_lover=True),
            "INFECTED, message contains virus: a  Bcc: x [1m",
        ),
    ],
)
def test_alarming_mail_that_is_delivered_carries_a_warning(finding: Finding, policy: Policy, alert: str) -> None:
    """X-Amavis-Alert, and nothing of the scanner's words can break out of it."""
    assert delivered(*edits(finding, to=(judged(policy=policy),)))["X-Amavis-Alert"] == alert


def test_a_warning_leads_with_the_most_alarming_minor() -> None:
    """In whatever order the findings come."""
    weird = Finding("parts", Category.UNCHECKED, "ambiguous", "two boundaries")
    policy = Policy(ambiguous_destiny=Destiny.PASS)
    assert delivered(*edits(ENCRYPTED, weird, to=(judged(policy=policy),)))["X-Amavis-Alert"] == (
        "UNCHECKED, message could not be looked into: UNCHECKED-AMBIGUOUS, Heuristics.Encrypted.Zip, two boundaries"
    )


def test_fields_can_be_renamed_or_left_out() -> None:
    """[headers] decides."""
    style = Style(virus_scanned="", alert_name="X-Alert", level_char="")
    seen = delivered(*edits(ENCRYPTED, points(3.0), style=style))
    assert set(seen) == {"X-Alert", "X-Spam-Flag", "X-Spam-Score", "X-Spam-Status"}
    assert set(delivered(*edits(ENCRYPTED, style=Style(virus_scanned="", alert_name="")))) == set()


def test_a_stored_copy_of_delivered_mail_is_named_only_where_the_policy_stored_it() -> None:
    """X-Quarantine-ID belongs to him whose own verdict made the copy."""
    archive = Policy(store_on_pass=(Category.CLEAN,))
    assert delivered(*edits(CLEAN, to=(judged(policy=archive),), is_stored=True))["X-Quarantine-ID"] == "<Abcdefghij12>"
    assert "X-Quarantine-ID" not in delivered(*edits(CLEAN, is_stored=True))


def test_a_removed_recipient_has_no_say_in_the_fields() -> None:
    """Only those who get the message count."""
    lover = judged("lover@example.com", policy=Policy(spam_lover=True, spam_tag2_level=60.0))
    applied = edits(points(50.0), to=(judged(), lover))
    assert delivered(*applied)["X-Spam-Flag"] == "NO"


def test_a_warning_names_only_what_those_have_who_get_the_message() -> None:
    """Not what the rules of removed recipients ban, nor what is nothing to those who stay."""
    found = [Finding("banned", Category.BANNED, detail=name, rules=(name,)) for name in ("STRICT", "LAX", "OTHER")]
    removed = judged(policy=Policy(banned_rules=("STRICT",)))
    lover = judged("lover@example.com", policy=Policy(banned_rules=("LAX",), banned_lover=True))
    bypassing = judged("other@example.com", policy=Policy(banned_rules=("OTHER",), bypass_banned_checks=True))
    seen = delivered(*edits(*found, to=(removed, lover, bypassing)))
    assert seen["X-Amavis-Alert"] == "BANNED, message contains: LAX"


def test_a_message_that_is_not_accepted_is_not_touched() -> None:
    """No edits unless the answer is PASS."""
    assert edits(VIRUS) == ()
    assert edits(NO_CLAMD, header=fields("X-Spam-Flag: NO")) == ()


def test_long_test_lists_are_folded_below_78_columns() -> None:
    """No line of a field grows past what RFC 5322 recommends."""
    many = points(1.0, *((f"SOME_TEST_NAME_{number}", 0.125) for number in range(60)))
    status = delivered(*edits(many))["X-Spam-Status"]
    assert max(len(line) for line in status.split("\n")) <= 78


@given(st.lists(st.floats(-5, 6.8), min_size=1, max_size=3), st.booleans())
def test_the_order_of_recipients_does_not_matter(levels: list[float], is_local: bool) -> None:
    """One set of fields for all, the same in any order."""
    to = [
        judged(f"{number}@example.com", policy=Policy(spam_tag2_level=level), is_local=is_local or number == 0)
        for number, level in enumerate(levels)
    ]
    expected = edits(CLEAN, points(3.0), to=tuple(to))
    for order in permutations(to):
        assert edits(CLEAN, points(3.0), to=order) == expected


@given(st.binary(max_size=200), st.text(max_size=60))
def test_no_field_can_break_out(subject: bytes, detail: str) -> None:
    """Whatever the Subject and the virus name are, every written line is a fold or the start of a value."""
    header = (Field(b"Subject", b" " + subject),)
    finding = Finding("clamd", Category.VIRUS, detail=detail)
    applied = edits(finding, points(6.5), header=header, to=(judged(policy=Policy(virus_lover=True)),))
    for edit in applied:
        if isinstance(edit, InsertField | ChangeField):
            assert "\r" not in edit.value
            assert "\0" not in edit.value
            assert edit.value.isascii()
            assert all(line.startswith(" ") for line in edit.value.split("\n")[1:])
