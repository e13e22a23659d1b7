# SPDX-License-Identifier: GPL-3.0-or-later
"""What an expression may say, what it finds, and how long that takes on text of strangers."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milterguard.config.expression import Expression, Searching
from milterguard.core.banned import Action, Inspection, Rule, RuleSet
from milterguard.core.part import Part

CATASTROPHIC = (
    "(.*)(.*)(.*)x$",
    "(a|a)*$",
    "(a+)+$",
    "(a*)*b",
    "(a|aa)+$",
    "(a|a?)+$",
    r"(.*a){20}$",
    r"^(([a-z])+.)+[A-Z]([a-z])+$",
    r"([a-zA-Z]+)*\.exe$",
    r"(\w+\s?)+!$",
    r"(?i)\.[^./]*[a-z][^./]*\.\s*(?:exe|vbs)[.\s]*$",
    "(x+x+)+y",
    r"(?:a{1,20})*\.exe$",
    "a?" * 30 + "a" * 30 + "!",
    r".*.*.*.*\.scr$",
    r"\s*\s*\s*$x",
)
"""With an engine that tries again each of them takes minutes, or the age of the world, on some name below."""


@pytest.mark.parametrize("letters", ["a", "x", "a ", "aA", " ", "ä.", "\t", "a.exe "])
def test_no_expression_keeps_the_program_busy(letters: str) -> None:
    """A message with 1,500 members, each with a name of 1,000 characters, is judged in less than a second."""
    name = (letters * 1000)[:999]
    members = (Part(f"1/{number}", parent=0, names=(name + "ab"[number % 2],)) for number in range(1, 1501))
    tree = (Part("1"), *members)
    # Each has a set of its own and no opinion, so that all are asked about all.
    sets = [RuleSet(each, (Rule("next", match=(Expression(each),), action=Action.NEXT),)) for each in CATASTROPHIC]
    begin = time.thread_time()
    assert not list(Inspection(tree).answers(sets))
    assert time.thread_time() - begin < 1


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("(a", "missing ): (a"),
        ("a**", "bad repetition operator: **"),
        ("[b-a]", "invalid character class range: b-a"),
        ("a{1001}", "invalid repetition size: {1001}"),
        ("\\", "trailing \\"),
        (r"(?i)[\pL\pN]{1,600}", "pattern too large - compile failed"),
        ("a(?=b)", "RE2 has no look-around (invalid perl operator: (?=)"),
        ("a(?!b)", "RE2 has no look-around (invalid perl operator: (?!)"),
        ("(?<=a)b", "RE2 has no look-around (invalid perl operator: (?<=)"),
        ("(?<!a)b", "RE2 has no look-around (invalid perl operator: (?<!)"),
        (r"(a)\1", r"RE2 has no back-references (invalid escape sequence: \1)"),
        ("(?P<x>a)(?P=x)", "RE2 has no back-references (invalid perl operator: (?P)"),
        (r"(?P<x>a)\k<x>", r"RE2 has no back-references (invalid escape sequence: \k)"),
        (r"a\Z", r"RE2 has no \Z, write $ or \z (invalid escape sequence: \Z)"),
        ("(?#NO EXE)a", "RE2 has no comments, write a title (invalid perl operator: (?#)"),
        ("(?x) a", "RE2 has no expressions with blanks and comments in them (invalid perl operator: (?x)"),
        ("(?>a)", "RE2 has no atomic groups, and needs none (invalid perl operator: (?>)"),
        ("a++", "RE2 has no possessive repetitions, and needs none (bad repetition operator: ++)"),
        ("\ud800", "'utf-8' codec can't encode character '\\ud800' in position 0: surrogates not allowed"),
        (r"\u202e", r"RE2 has characters by number as \x{202e} (invalid escape sequence: \u)"),
    ],
)
def test_what_cannot_be_compiled_is_refused(text: str, complaint: str) -> None:
    """In the words of RE2, and where another engine would understand with what there is instead."""
    with pytest.raises(ValueError) as error:
        Expression(text)
    assert str(error.value) == complaint


@pytest.mark.parametrize(
    ("pattern", "text", "is_found"),
    [
        (r"^\.(exe-ms|dll)$", ".dll", True),
        ("(?i)ß|ä", "Ä", True),
        ("^.$", "\U0001f600", True),
        ("[[:alpha:]]", "1a", True),
        (r"\A(?:[^\n]*\n)*N=x", "P=1\nN=x", True),
        ("(a+)+$", "b", False),
        ("\u202e", "evil\u202efdp.exe", True),
        (r"\x{202e}", "evil\u202efdp.exe", True),
        (r"\.exe$", "evil.exe\n", True),
        (r"\.exe$", "evil.exe\n\n", False),
        (r"e\n$", "evil.exe\n", True),
        (r"^.*\.exe$", "evil\ud800.exe", True),
        ("", "", True),
    ],
)
def test_what_is_found(pattern: str, text: str, is_found: bool) -> None:
    """Characters, not octets; the end of a text as in Perl; and half a surrogate pair is one character."""
    assert bool(Expression(pattern).search(text)) is is_found


@given(st.text(st.characters(), max_size=200))
def test_no_text_is_too_strange(text: str) -> None:
    """Whatever characters it is made of, half surrogate pairs among them."""
    assert Expression("(?s)^.*$").search(text)


def test_what_is_written_the_same_is_the_same() -> None:
    """So that it can be seen whether settings have changed."""
    assert Expression("a+") == Expression("a+")
    assert Expression("a+") != Expression("a*")
    assert {Expression("a+"), Expression("a+")} == {Expression("a+")}


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("(.*)-old@", "user-old@example.com", ("user-old@", "user")),
        ("^(a)|(b)$", "b", ("b", "", "b")),
        ("x", "a", None),
        ("(b)$", "ab\n", ("b", "b")),
        ("(é+)", "aéé", ("éé", "éé")),
        ("()", "", ("", "")),
    ],
)
def test_groups_are_told(pattern: str, text: str, found: tuple[str, ...] | None) -> None:
    """What is found as a whole, then each group; one that took no part is empty."""
    assert Searching(pattern).search(text) == found


def test_how_many_groups_there_are_is_known() -> None:
    """And what is wrong with an expression is told as it is of others."""
    assert Searching("(a)(?:b)(?P<x>c)").groups == 2
    with pytest.raises(ValueError, match="look-around"):
        Searching("(?=a)")


@given(st.text())
def test_groups_of_any_text_are_text(text: str) -> None:
    """Whatever characters it is made of."""
    found = Searching("(?s)^(.*)$").search(text)
    assert found is None or found[0] == found[1]
