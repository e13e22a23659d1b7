# SPDX-License-Identifier: GPL-3.0-or-later
"""Carving finds base64 wherever it stands, however it was broken up, and leaves prose and fields alone."""

from base64 import b64encode

import pytest

from milterguard.mime.carve import carved
from milterguard.mime.decode import decodings
from tests.data import evasions
from tests.mime.encoder import base64_lines, lines, whole

# The first octets of a zip of the scanner's test file, and its end.
FILE = bytes.fromhex("504b03041400020008001 14a8e493ccf51684600000044000000".replace(" ", "")) + b"eicar.com" * 3
ENCODED = b64encode(FILE)


def _first(text: bytes) -> bytes:
    start, end = carved(text, 0, len(text))[0]
    return whole(decodings(text, start, end, "base64")[0])


@pytest.mark.parametrize(
    "encoded",
    [
        base64_lines(FILE),
        lines(ENCODED, 7),
        lines(ENCODED, 4, end=b"\n"),
        lines(ENCODED, 20, end=b"\r\n  "),
        lines(ENCODED, 10, end=b"!\r\n"),
        lines(ENCODED, 4, end=b"\r\n!!!\r\n"),
        lines(ENCODED, 4, end=b"\r\n\r\n"),
        lines(ENCODED, 3, end=b"!"),
    ],
)
@pytest.mark.parametrize("around", [b"", b"--X\r\nContent-Type: a/b\r\n\r\n", b"Some prose about it:\r\n\r\n"])
def test_a_file_is_found_however_it_is_broken_up(encoded: bytes, around: bytes) -> None:
    """Odd lines, blanks, junk in lines and between them."""
    assert _first(around + encoded + b"\r\n" + around) == FILE


@pytest.mark.parametrize("message", evasions().values())
def test_the_program_in_the_scanners_samples_is_found(message: bytes) -> None:
    """Whichever boundary is the right one."""
    assert _first(message).startswith(b"MZ")


@pytest.mark.parametrize(
    "text",
    [
        b"Hello,\r\n\r\nthis is prose of several lines.\r\nRegards\r\nNobody\r\n" * 20,
        b"Content-Transfer-Encoding:base64\r\nX-Long-Field:aB1cD2eF3gH4iJ5kL6mN7oP8\r\n",
        b"--=_aB1cD2eF3gH4iJ5kL6mN7oP8\r\n",
        b"UEsDBBQ=\r\n",
        b"",
    ],
)
def test_prose_fields_and_delimiters_are_left_alone(text: bytes) -> None:
    """And what is too short to be a file."""
    assert carved(text, 0, len(text)) == ()


def test_parts_are_told_apart() -> None:
    """By the delimiter between them."""
    text = base64_lines(FILE) + b"--X\r\n\r\n" + base64_lines(FILE)
    assert len(carved(text, 0, len(text))) == 2


def test_only_so_many_are_told() -> None:
    """The first ones."""
    text = (base64_lines(FILE) + b"--X\r\n\r\n") * 9
    assert carved(text, 0, len(text), at_most=3) == carved(text, 0, len(text))[:3]


def test_a_run_goes_on_through_blocks() -> None:
    """However long."""
    text = base64_lines(bytes(range(251)) * 4000)
    assert carved(text, 0, len(text)) == ((0, len(text)),)
