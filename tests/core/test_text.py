# SPDX-License-Identifier: GPL-3.0-or-later
"""The sanitiser: nothing hostile gets through it, and it never raises."""

from email.header import decode_header, make_header

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milterguard.core.text import ascii_printable, decoded, field_text, folded, printable, storable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("Grüße", "Grüße"),
        ("a\r\nb", "a\\x{D}\\x{A}b"),
        ("\x1b[31mred", "\\x{1B}[31mred"),
        ("gpj\u202eexe", "gpj\\x{202E}exe"),
        ("line\u2028end", "line\\x{2028}end"),
        ("\udcff", "\\x{DCFF}"),
    ],
)
def test_printable_shows_what_is_safe_and_names_the_rest(text: str, shown: str) -> None:
    """Letters of all scripts stay; control, direction, surrogate and line-end characters are named."""
    assert printable(text) == shown


def test_printable_cuts() -> None:
    """An ellipsis marks what was cut."""
    assert printable("a" * 300, 10) == "a" * 9 + "…"


@given(st.text(max_size=300), st.integers(1, 100))
def test_printable_is_one_safe_line(text: str, limit: int) -> None:
    """Whatever comes in, a terminal and a log can show it."""
    shown = printable(text, limit)
    assert shown.isprintable() or not shown
    assert shown.encode("utf-8").decode("utf-8") == shown


@given(st.text(max_size=600), st.integers(4, 400))
def test_replies_are_short_ascii(text: str, limit: int) -> None:
    """Only printable ASCII, never over the limit."""
    shown = ascii_printable(text, limit)
    assert len(shown) <= limit
    assert all(" " <= character <= "~" for character in shown)


@given(st.binary(max_size=100))
def test_octets_are_always_text(octets: bytes) -> None:
    """UTF-8 where it is, Latin-1 where it is not."""
    assert isinstance(decoded(octets), str)
    assert decoded("ü".encode()) == "ü"
    assert decoded(b"\xfc") == "ü"


@given(st.text(max_size=400))
def test_storable_text_fits_any_column(text: str) -> None:
    """No NUL, no surrogate, at most 255 characters."""
    stored = storable(text)
    assert len(stored) <= 255
    assert "\0" not in stored
    stored.encode("utf-8")


@given(st.text(max_size=200))
def test_field_text_is_ascii_and_means_the_same(text: str) -> None:
    """Non-ASCII text becomes encoded words of at most 75 characters that decode to it."""
    value = field_text(text)
    assert value.isascii()
    words = value.split("\n ")
    if value != text and not text.isascii():
        assert all(len(word) <= 75 for word in words if word.startswith("=?utf-8?B?"))
    if value.startswith("=?utf-8?B?"):
        assert str(make_header(decode_header(value.replace("\n", "")))).split() == field_plain(text).split()


def field_plain(text: str) -> str:
    """Return text with what is not shown in fields as blanks, as ``field_text`` does before encoding."""
    return "".join(character if printable(character) == character else " " for character in text)


def test_folding_never_breaks_a_part() -> None:
    """A part longer than a line stands alone on its line."""
    value = folded(["a" * 100, "b", "c" * 75], separator=", ")
    assert value.split("\n ") == ["a" * 100 + ", ", "b, ", "c" * 75]
