# SPDX-License-Identifier: GPL-3.0-or-later
"""YEnc: one piece, several, or nothing that announces any."""

from hypothesis import given
from hypothesis import strategies as st

from tests.mime.encoder import first, read, whole, yenc_lines

FILE = bytes(range(256)) * 2
BEGIN, END = b"=ybegin line=128 size=512 name=a.exe\r\n", b"=yend size=512\r\n"


@given(st.binary(min_size=1, max_size=600))
def test_one_piece_is_not_odd(octets: bytes) -> None:
    """What stands around it is left out."""
    encoded = b"Here it is:\r\n" + BEGIN + yenc_lines(octets) + END + b"Bye\r\n"
    assert read(encoded, "yenc") == {"": octets}
    assert not first(encoded, "yenc").is_odd


def test_several_pieces_are_joined() -> None:
    """In the order in which they stand."""
    pieces = [
        BEGIN + b"=ypart begin=1 end=200\r\n" + yenc_lines(FILE[:200]) + END,
        BEGIN + b"=ypart begin=201 end=512\r\n" + yenc_lines(FILE[200:]) + END,
    ]
    assert read(b"text\r\n".join(pieces), "yenc") == {"": FILE}
    assert first(b"text\r\n".join(pieces), "yenc").is_odd


def test_nothing_announces_it() -> None:
    """Then everything is it."""
    assert read(yenc_lines(FILE), "yenc") == {"": FILE}
    assert first(yenc_lines(FILE), "yenc").is_odd


def test_it_may_lack_its_end() -> None:
    """Then it goes on to the end of the range."""
    assert read(BEGIN + yenc_lines(FILE), "yenc") == {"": FILE}


def test_blocks_fit_together_wherever_they_are_cut() -> None:
    """An escape in two blocks among them."""
    assert whole(first(b"=}" * 400_000, "yenc")) == b"\x13" * 400_000
    assert whole(first(b"x" + b"=}" * 400_000, "yenc"))[1:] == b"\x13" * 400_000
