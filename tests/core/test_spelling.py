# SPDX-License-Identifier: GPL-3.0-or-later
"""How a name ends, for whoever reads it."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milterguard.core.spelling import clipped, endings, plain


@pytest.mark.parametrize(
    "name",
    [
        "a.exe",
        "A.EXE",
        "a.exe.",
        "a.exe . . ",
        "a.exe\u00a0",
        "a.exe\u3000.",
        '"a.exe"',
        "'a.exe';",
        "a. exe",
        "invoice.pdf          .exe",
        "a.exe\0",
        "a.exe\0.jpg",
        "a.exe\r\n .jpg",
        "a.exe::$DATA",
        "a.exe:stream.txt",
        "a\u202egpj.exe",
        "a.e\u200bx\u00ade",
        "a.ex\ufe0fe",
        "a.ex\u3164e",
        "a．ｅｘｅ",
        "a\u2024exe",
        "a\ufe52exe",
        "dir/a.exe",
        "C:\\dir\\a.exe",
        "a.exe/",
        "a.exe\\ ",
        "a" * 5000 + ".exe",
        ".exe",
    ],
)
def test_an_ending_is_found_in_every_spelling(name: str) -> None:
    """Case, dots and blanks at the end, NUL, streams, marks without width, full-width letters, paths."""
    assert "exe" in endings(name)


@pytest.mark.parametrize("name", ["exe", "a.exe.txt", "a.exec", "a.exe-", "dir.exe/a", "", ".", "...", "a.pdf", "/"])
def test_what_only_looks_like_it_is_none(name: str) -> None:
    """A name that merely holds the letters does not end in them."""
    assert "exe" not in endings(name)


def test_the_last_two_are_told_together() -> None:
    """So that a rule may name tar.gz or jpg.exe."""
    assert endings("a.b.Tar.GZ") == {"gz", "tar.gz"}
    assert endings("a.gz") == {"gz"}


def test_a_member_that_is_a_folder_has_no_ending() -> None:
    """Chart.js is the name of a folder in many an archive; in a mail nothing is a folder."""
    assert endings("lib/Chart.js/", is_member=True) == frozenset()
    assert endings("lib/Chart.js/README", is_member=True) == frozenset()
    assert endings("Chart.js/") == {"js"}


def test_a_name_is_shown_plain() -> None:
    """What cannot be seen is left out, blanks stay."""
    assert plain("re\u202eport\u3000ｘ.exe") == "report x.exe"
    assert plain("a b.txt") == "a b.txt"


def test_a_long_text_keeps_head_and_tail() -> None:
    """Nothing is clipped that fits; else the end, where the extension is, gets more room than the head."""
    assert clipped("abc", 3) == "abc"
    assert clipped("abcdefghi", 6) == "abfghi"


@given(st.text(), st.booleans())
def test_any_name_has_endings(name: str, is_member: bool) -> None:
    """Nothing raises, and an ending is never more than two."""
    assert all(each.count(".") <= 1 for each in endings(name, is_member=is_member))


@given(st.text(alphabet=st.characters(categories=["L", "N", "Zs", "Cf", "Cc"], exclude_characters=":"), max_size=30))
def test_nothing_put_before_an_ending_hides_it(stem: str) -> None:
    """Whatever stands before .exe, somebody may run it."""
    assert "exe" in endings(stem + ".exe")


@given(st.text(alphabet=" .\u00a0\u2003\u2028\u3000\u200b\u202e\ufeff\u3164\"';,\0\r\n\t", max_size=20))
def test_nothing_that_programs_drop_hides_an_ending(tail: str) -> None:
    """Dots, blanks of every width, quotes, controls and what has no width, in any mixture."""
    assert "exe" in endings("a.exe" + tail)


@pytest.mark.parametrize("unseen", ["\u200b", "\u3164", "\x01"])
@pytest.mark.parametrize("count", [1, 700, 5000])
def test_nothing_unseen_within_an_ending_hides_it(unseen: str, count: int) -> None:
    """Nor more of it than is looked at."""
    assert "js" in endings(f"a.j{unseen * count}s")


def test_the_longest_name_costs_little() -> None:
    """Octets beyond the cap are not looked at: a megabyte costs what a thousand characters do."""
    begin = time.thread_time()
    for character in ("ü", ".", "\u202e", "/", ":", "\0"):
        endings(character * 1_000_000 + ".exe")
    assert time.thread_time() - begin < 1
