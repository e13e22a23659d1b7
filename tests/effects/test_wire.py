# SPDX-License-Identifier: GPL-3.0-or-later
"""Octets in the shape that SMTP wants them, however they are cut into blocks."""

import re

from hypothesis import given
from hypothesis import strategies as st

from milterguard.effects.wire import crlf_lines, dots_doubled

BLOCKS = st.lists(
    st.binary(max_size=4).map(lambda octets: octets.translate(None, b"") or b"")
    | st.sampled_from([b"\r", b"\n", b"\r\n", b".", b"a", b"\n.", b".\r\n"]),
    max_size=12,
)


@given(BLOCKS)
def test_every_line_ends_with_crlf_however_the_octets_were_cut(blocks: list[bytes]) -> None:
    """Bare LF becomes CRLF, the last line ends, and the cuts do not matter."""
    whole = b"".join(blocks)
    expected = re.sub(rb"(?<!\r)\n", b"\r\n", whole)
    if expected.endswith(b"\r"):
        expected += b"\n"
    elif expected and not expected.endswith(b"\n"):
        expected += b"\r\n"
    assert b"".join(crlf_lines(blocks)) == expected


@given(BLOCKS)
def test_dots_are_doubled_at_the_beginning_of_lines_only(blocks: list[bytes]) -> None:
    """Taking one dot away from each line that begins with one gives the octets back."""
    doubled = b"".join(dots_doubled(blocks))
    undone = b"\n".join(line[1:] if line.startswith(b".") else line for line in doubled.split(b"\n"))
    assert undone == b"".join(blocks)


def test_an_empty_body_stays_empty() -> None:
    """No line end is invented for a body without octets: the milter would see none either."""
    assert list(crlf_lines([b"", b""])) == []


def test_no_line_is_a_single_dot() -> None:
    """The end of the message cannot come from within it."""
    assert b"\r\n.\r\n" not in b"\r\n" + b"".join(dots_doubled([b".\r\n", b".", b"\r\n.\r\n"]))
