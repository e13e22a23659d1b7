# SPDX-License-Identifier: GPL-3.0-or-later
"""The tag before the Subject."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milterguard.core.finding import Category
from milterguard.core.message import Field
from milterguard.core.policy import Policy
from milterguard.core.verdict import ChangeField, InsertField
from tests.core.build import ENCRYPTED, fields, judged, points
from tests.core.test_marks import edits


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("Subject: ***SPAM*** hello", "***SPAM*** hello"),
        ("Subject: ***SPAM*** ***SPAM*** hello", "***SPAM*** hello"),
        ("Subject: folded\n\tsubject", "***SPAM*** folded subject"),
        ("Subject: =?utf-8?q?=0D=0ABcc=3A?= x", "***SPAM*** =?utf-8?q?=0D=0ABcc=3A?= x"),
        ("Subject: Grüße", "=?utf-8?B?KioqU1BBTSoqKiBHcsO8w59l?="),
        ("Subject:", "***SPAM***"),
    ],
)
def test_a_subject_is_tagged_once(line: str, value: str) -> None:
    """Earlier copies of the tag go, encoded words stay, what is not ASCII is encoded."""
    assert ChangeField("Subject", 1, value) in edits(points(6.5), header=fields(line))


def test_a_subject_that_a_signature_covers_is_spared() -> None:
    """The tag stands in a field of its own; where the Subject is free, in the Subject alone."""
    in_the_subject, beside = ChangeField("Subject", 1, "***SPAM*** hello"), InsertField("X-Subject-Tag", "***SPAM***")
    spared = edits(points(6.5), spares=lambda edit: edit == in_the_subject)
    assert beside in spared
    assert in_the_subject not in spared
    free = edits(points(6.5), spares=lambda edit: edit == ChangeField("Reply-To", 1, ""))
    assert in_the_subject in free
    assert beside not in free


def test_a_missing_subject_is_made() -> None:
    """The tag alone becomes the Subject."""
    assert InsertField("Subject", "***SPAM***") in edits(points(6.5), header=fields("From: a@b.example"))


def test_the_subject_tag_of_the_heaviest_category_wins() -> None:
    """unchecked before blatant spam before spam before tagged."""
    policy = Policy(
        spam_subject_tag1="[1] ",
        spam_subject_tag3="[3] ",
        spam_tag3_level=6.5,
        subject_tag=((Category.UNCHECKED, "[U] "),),
    )
    for findings, tag in (
        ((points(1.0),), "[1] "),
        ((points(6.3),), "***SPAM*** "),
        ((points(6.5),), "[3] "),
        ((points(6.5), ENCRYPTED), "[U] "),
    ):
        applied = edits(*findings, to=(judged(policy=policy),))
        assert ChangeField("Subject", 1, f"{tag}hello") in applied


@pytest.mark.parametrize(
    ("tag", "value"),
    [
        ("[_SCORE_/_REQD_] ", "[6.5/6.2] hello"),
        ("_YESNO_ _YESNOCAPS_ ", "Yes YES hello"),
        ("[_MAILID_ at _HOSTNAME_] ", "[Abcdefghij12 at mail.example.com] hello"),
    ],
)
def test_placeholders_stand_for_what_they_say(tag: str, value: str) -> None:
    """amavis' names for points, level, decision, host and id."""
    applied = edits(points(6.5), to=(judged(policy=Policy(spam_subject_tag=tag)),))
    assert ChangeField("Subject", 1, value) in applied


def test_placeholders_without_a_value_are_an_x() -> None:
    """No points, no level: something is written all the same."""
    policy = Policy(subject_tag=((Category.UNCHECKED, "[_SCORE_/_REQD_ _YESNO_] "),), spam_tag2_level=None)
    assert ChangeField("Subject", 1, "[x/x No] hello") in edits(ENCRYPTED, to=(judged(policy=policy),))


@pytest.mark.parametrize("word", ["word ", "=?utf-8?q?caf=C3=A9?= "])
def test_a_long_subject_is_folded_and_not_cut(word: str) -> None:
    """Every word of it is still there, on lines of at most 78 columns."""
    subject = (word * 400).strip()
    (change,) = [
        each for each in edits(points(6.5), header=fields(f"Subject: {subject}")) if isinstance(each, ChangeField)
    ]
    lines = change.value.split("\n ")
    assert " ".join(lines) == f"***SPAM*** {subject}"
    assert max(len(line) for line in lines) <= 78


@given(st.text(max_size=3000))
def test_no_subject_is_cut(text: str) -> None:
    """Whatever it is, its printable words are all in the tagged one."""
    header = (Field(b"Subject", b" " + text.encode("utf-8", "replace")),)
    (change,) = [each for each in edits(points(6.5), header=header) if isinstance(each, ChangeField)]
    if text.isascii() and text.isprintable() and "SPAM" not in text:
        assert change.value.split() == ["***SPAM***", *text.split()]
