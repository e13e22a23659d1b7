# SPDX-License-Identifier: GPL-3.0-or-later
"""Quoted-printable: text however sloppy is never ambiguous; what is no text is, as soon as it is odd."""

import quopri
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.mime.encoder import ambiguous, first, read, whole

KEPT, SIGNS = "quoted-printable with blanks kept", "quoted-printable without stray signs"
ESCAPES, UP_TO = "quoted-printable without invalid escapes", "quoted-printable up to an invalid escape"


@given(st.binary(max_size=600))
def test_what_the_library_encodes_has_one_reading(octets: bytes) -> None:
    """And gives the same octets."""
    encoded = quopri.encodestring(octets.replace(b"\r", b""), quotetabs=True)
    assert read(encoded, "quoted-printable") == {"": octets.replace(b"\r", b"")}
    assert not first(encoded, "quoted-printable").is_odd


@pytest.mark.parametrize(
    ("encoded", "decoded"),
    [
        (b"a=4a=4A", b"aJJ"),
        (b"a=\r\nb=\nc", b"abc"),
        (b"a= \t\r\nb", b"ab"),
        (b"a \t\r\nb\t\n", b"a\r\nb\n"),
        (b"a=\rb", b"ab"),
        (b"a==41", b"a=A"),
        (b"<a href=x>=zz=4", b"<a href=x>=zz=4"),
        (b"at the end=", b"at the end"),
        (b"=0D=0A\r\n", b"\r\n\r\n"),
        (b"\xe4\0=3D", b"\xe4\0="),
        (b"=\r\n", b""),
        (b"", b""),
    ],
)
def test_the_first_reading(encoded: bytes, decoded: bytes) -> None:
    """Blanks at an end of line are none, lower case is as good as upper, what is no escape stands for itself."""
    assert whole(first(encoded, "quoted-printable")) == decoded


@pytest.mark.parametrize("encoded", [b"=4a", b"a ", b"a \r\n", b"= \n", b"a=", b"=x", b"\xe4", b"\0", b"a\rb"])
def test_what_is_not_by_the_book_is_odd(encoded: bytes) -> None:
    """Programs have been seen to differ on each."""
    assert first(encoded, "quoted-printable").is_odd


@pytest.mark.parametrize("text", [b'<a href="http://example.org/?a=x&b=q">\r\n', b"blanks \r\nat = \r\nends\t\r\n"])
def test_sloppy_text_is_not_ambiguous(text: bytes) -> None:
    """Real mailers forget to escape."""
    assert len(read(text, "quoted-printable")) > 1
    assert not ambiguous(text, "quoted-printable")


def test_an_invalid_escape_in_a_file_is_ambiguous() -> None:
    """It is kept, left out with or without its letters, or the end."""
    found = read(b"PK=03=04=x!=41", "quoted-printable")
    assert found == {"": b"PK\3\4=x!A", SIGNS: b"PK\3\4x!A", ESCAPES: b"PK\3\4A", UP_TO: b"PK\3\4"}
    assert ambiguous(b"PK=03=04=x!=41", "quoted-printable") == [SIGNS, ESCAPES, UP_TO]


def test_a_soft_break_with_blanks_in_a_file_is_ambiguous() -> None:
    """Some programs take it for a sign and a line end."""
    assert read(b"PK=03= \r\n=04", "quoted-printable") == {"": b"PK\3\4", KEPT: b"PK\3= \r\n\4"}
    assert ambiguous(b"PK=03= \r\n=04", "quoted-printable") == [KEPT]


@pytest.mark.parametrize("line", [b"=41=4a=zz text =\r\n", b"A" * 1000 + b"=3D"])
def test_blocks_fit_together_wherever_they_are_cut(line: bytes) -> None:
    """Lines longer than a block among them."""
    count = 600_000 // len(line)
    once = whole(first(line + b"\n", "quoted-printable"))[:-1]
    assert whole(first(line * count + b"\n", "quoted-printable"))[:-1] == once * count


@pytest.mark.parametrize("unit", [b" ", b"=", b"= ", b"=\r", b"a \n", b"=4", b"=4a", b"\t\r", b"\n"])
def test_time_is_linear(unit: bytes) -> None:
    """Ten times the octets take about ten times as long."""

    def seconds(size: int) -> float:
        octets = unit * (size // len(unit))
        began = time.process_time()
        read(octets, "quoted-printable")
        return time.process_time() - began

    assert seconds(2_000_000) < 25 * seconds(200_000) + 0.2
