# SPDX-License-Identifier: GPL-3.0-or-later
"""What could not be looked into is unchecked, the most alarming reason first."""

from milterguard.checks.parts import PartsCheck
from milterguard.core.finding import Category
from milterguard.core.part import Flag, Part, Problem
from milterguard.unpack.opened import Opened
from tests.core.build import message

ROOT = Part("1", types=("multipart/mixed",))


def judged(*parts: Part, problems: tuple[Problem, ...] = ()) -> list[tuple[str, str, str]]:
    found = PartsCheck().judge(message(), (), Opened((ROOT, *parts), problems))
    assert {each.category for each in found} <= {Category.UNCHECKED}
    return [(each.minor, each.detail, each.part) for each in found]


def test_parts_without_flags_are_nothing_to_report() -> None:
    """Macros and directories alone do not make a message unchecked."""
    assert (
        judged(Part("1/1", 0, flags=frozenset({Flag.MACRO})), Part("1/2", 0, flags=frozenset({Flag.DIRECTORY}))) == []
    )


def test_each_reason_is_told_with_name_and_place() -> None:
    """Ambiguous before over limits before encrypted before undecodable, whatever their order in the message."""
    parts = (
        Part("1/1", 0, names=("broken.7z",), flags=frozenset({Flag.UNDECODABLE}), detail="truncated"),
        Part("1/2", 0, names=("secret.zip",), flags=frozenset({Flag.ENCRYPTED})),
        Part("1/3", 0, flags=frozenset({Flag.OVER_LIMITS}), detail="more than 1500 members"),
    )
    found = judged(*parts, problems=(Problem(Flag.AMBIGUOUS, "two boundaries", "1"), Problem(None, "untidy", "1")))
    assert found == [
        ("ambiguous", "two boundaries", "1"),
        ("over limits", "part 1/3: more than 1500 members", "1/3"),
        ("encrypted", "secret.zip", "1/2"),
        ("undecodable", "broken.7z: truncated", "1/1"),
    ]


def test_names_from_the_mail_are_made_fit_to_be_shown() -> None:
    """Terminal escapes and line ends do not get through, and nothing is endless."""
    ((_, detail, _),) = judged(Part("1/1", 0, names=("\x1b[31m\r\n" + "x" * 500,), flags=frozenset({Flag.ENCRYPTED})))
    assert "\x1b" not in detail
    assert "\n" not in detail
    assert len(detail) < 100


def test_a_thousand_reasons_become_twenty_findings() -> None:
    """The evidence stays readable."""
    assert len(judged(*(Part(f"1/{n}", 0, flags=frozenset({Flag.ENCRYPTED})) for n in range(1000)))) == 20


def test_the_same_problem_twice_is_told_once() -> None:
    """A walker may meet it from two sides."""
    assert len(judged(problems=(Problem(Flag.AMBIGUOUS, "NUL", "1"),) * 3)) == 1
