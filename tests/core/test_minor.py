# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of several minors counts."""

import pytest

from milterguard.core.finding import Category, Finding
from milterguard.core.minor import HEADER_MINORS, header_code, letter, main_minor


def findings(category: Category, *minors: str) -> list[Finding]:
    return [Finding("x", category, minor) for minor in minors]


@pytest.mark.parametrize(
    ("minor", "code"),
    [
        ("mime", 1),
        ("8bit", 2),
        ("control", 3),
        ("blank fold", 4),
        ("long", 5),
        ("syntax", 6),
        ("missing", 7),
        ("duplicate", 8),
        ("many from", 9),
        ("", 0),
        ("encrypted", 0),
    ],
)
def test_codes_are_those_of_amavis(minor: str, code: int) -> None:
    """Eight are amavis', the ninth is ours."""
    assert header_code(minor) == code


@pytest.mark.parametrize(
    ("category", "minors", "main"),
    [
        (Category.BAD_HEADER, ("8bit", "missing", "long"), "missing"),
        (Category.BAD_HEADER, HEADER_MINORS, "many from"),
        (Category.UNCHECKED, ("undecodable", "encrypted", "over limits", "ambiguous"), "ambiguous"),
        (Category.UNCHECKED, ("undecodable", "encrypted", "over limits"), "over limits"),
        (Category.UNCHECKED, ("undecodable", "encrypted"), "encrypted"),
        (Category.UNCHECKED, ("something else", "", "undecodable"), "undecodable"),
        (Category.UNCHECKED, ("", "something else", "another"), "something else"),
        (Category.UNCHECKED, ("",), ""),
        (Category.UNCHECKED, (), ""),
        (Category.FAILED, ("timeout", "unavailable"), "timeout"),
    ],
)
def test_the_most_alarming_minor_counts(category: Category, minors: tuple[str, ...], main: str) -> None:
    """Known ones by their rank, whatever their order; others as they come."""
    assert main_minor(category, findings(category, *minors)) == main


def test_minors_of_other_categories_do_not_count() -> None:
    """A broken header section says nothing of what could not be looked into."""
    both = [*findings(Category.BAD_HEADER, "mime"), *findings(Category.UNCHECKED, "encrypted")]
    assert main_minor(Category.UNCHECKED, both) == "encrypted"
    assert main_minor(Category.BAD_HEADER, both) == "mime"


@pytest.mark.parametrize(
    ("category", "minors", "expected"),
    [
        (Category.BAD_HEADER, ("mime",), "M"),
        (Category.BAD_HEADER, ("mime", "8bit"), "H"),
        (Category.BAD_HEADER, ("missing",), "H"),
        (Category.BAD_HEADER, (), "H"),
        (Category.UNCHECKED, ("ambiguous",), "U"),
        (Category.CLEAN, (), "C"),
    ],
)
def test_broken_mime_alone_has_a_letter_of_its_own(category: Category, minors: tuple[str, ...], expected: str) -> None:
    """amavis: M for mime, H for all other minors."""
    assert letter(category, findings(category, *minors)) == expected
