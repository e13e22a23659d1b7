# SPDX-License-Identifier: GPL-3.0-or-later
"""Uuencode: whatever of its frame is missing, the octets come out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.mime.encoder import ambiguous, first, read, uu_lines, whole

FILE = bytes(range(256)) * 2
LINES = uu_lines(FILE)


@given(octets=st.binary(min_size=1, max_size=500), end=st.sampled_from((b"\n", b"\r\n")))
def test_the_regular_form_is_not_odd(octets: bytes, end: bytes) -> None:
    """First line, lines as long as they say, last line."""
    encoded = (b"begin 644 a.exe\n" + uu_lines(octets) + b"`\nend\n").replace(b"\n", end)
    assert read(encoded, "uuencode") == {"": octets}
    assert not first(encoded, "uuencode").is_odd


@pytest.mark.parametrize(
    "encoded",
    [
        LINES,
        b"begin 644 a.exe\n" + LINES,
        LINES + b"`\nend\n",
        b"Here it is:\n\nbegin 644 a\n" + LINES + b" \nend \n",
        b"begin 644 a\n" + LINES.replace(b"\n", b"X\n") + b"end\n",
        b"begin 644 a\n" + LINES.replace(b" ", b"`") + b"end",
        b"begin 644 a\n" + b"".join(line.rstrip(b" ") + b"\n" for line in LINES.split(b"\n")) + b"end\n",
        b"begin 644 a\n" + LINES.replace(b"\n", b"\n\n") + b"end\n",
    ],
)
def test_odd_forms_give_the_same_octets(encoded: bytes) -> None:
    """No first line, no last one, check letters, backticks, blanks cut off, empty lines."""
    assert whole(first(encoded, "uuencode")).startswith(FILE)


def test_data_past_the_end_is_ambiguous() -> None:
    """Some programs do not stop there."""
    encoded = b"begin 644 a\n" + LINES + b"end\n" + LINES
    found = read(encoded, "uuencode")
    assert found[""] == FILE
    assert found["uuencode past its end"].endswith(FILE)
    assert ambiguous(encoded, "uuencode") == ["uuencode past its end"]


def test_prose_after_the_end_is_not() -> None:
    """It is as long as it likes, not as it says."""
    assert list(read(b"begin 644 a\n" + LINES + b"end\nKind regards, and a long farewell\n", "uuencode")) == [""]
