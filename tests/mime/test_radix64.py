# SPDX-License-Identifier: GPL-3.0-or-later
"""Base64: the regular form cheaply and as one reading, everything else in each reading that programs have."""

import time
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.mime.encoder import ambiguous, base64_lines, first, lines, read, whole

FILE = b"PK\x03\x04" + bytes(range(256)) * 3 + b"PK\x05\x06"
MIDDLE = b64encode(FILE[:100]) + b"\r\n"
REST = lines(b64encode(FILE[100:]), 76)
RESTARTED, DROPPED = "base64 restarted after padding", "base64 padding dropped"
JUNK, SAFE, BY_LINE = "base64 up to junk", "base64 with URL-safe letters", "base64 line by line"


@given(
    octets=st.binary(max_size=2000),
    length=st.sampled_from((20, 60, 64, 72, 76, 996)),
    end=st.sampled_from((b"\n", b"\r\n")),
    after=st.sampled_from((b"", b"\r\n", b"\n\n\n")),
)
def test_the_regular_form_has_one_reading(octets: bytes, length: int, end: bytes, after: bytes) -> None:
    """Lines alike, padding at the end only, blank lines after it."""
    encoded = base64_lines(octets, length=length, end=end) + after
    assert read(encoded, "base64") == {"": octets}
    assert not first(encoded, "base64").is_odd


@given(octets=st.binary(max_size=400), junk=st.sampled_from((b" ", b"\t", b"\r\n")), step=st.sampled_from((4, 8, 40)))
def test_blanks_between_are_odd_and_change_nothing(octets: bytes, junk: bytes, step: int) -> None:
    """Nor do lines of several lengths, as long as each is of whole groups."""
    encoded = junk + lines(b64encode(octets), step, end=junk)
    assert read(encoded, "base64") == {"": octets}


@pytest.mark.parametrize(("missing", "kept"), [(1, 3), (2, 4)])
def test_missing_padding_is_odd(missing: int, kept: int) -> None:
    """What the letters before it hold is not lost."""
    encoded = b64encode(b"ABCDE"[: 6 - missing])[:-missing] + b"\r\n"
    assert whole(first(encoded, "base64")) == b"ABCDE"[: 6 - missing]
    assert first(encoded, "base64").is_odd
    assert not ambiguous(encoded, "base64")
    assert kept


def test_a_single_letter_over_is_left_out() -> None:
    """Six bits are no octet."""
    assert read(b"QUJDR\r\n", "base64") == {"": b"ABC"}


@pytest.mark.parametrize(
    "footer",
    [
        b"_______________________________________________\r\nThe Mailing List\r\nhttp://lists.example.org/info\r\n",
        b"\r\n---------------------\r\nDo You Want More? Free Email at http://mail.example.com/ only!\r\n",
        b"\r\n",
    ],
)
@pytest.mark.parametrize("octets", [FILE, FILE + b"!", FILE + b"!!"])
def test_a_footer_after_the_data_is_odd_only(octets: bytes, footer: bytes) -> None:
    """Mailing lists put it there, padding before it or not."""
    encoded = base64_lines(octets) + footer
    assert read(encoded, "base64") == {"": octets}


def test_data_after_padding_is_ambiguous() -> None:
    """Some programs stop, some begin anew, some go on as if nothing were."""
    found = read(MIDDLE + REST, "base64")
    assert found[""] == FILE[:100]
    assert found[RESTARTED] == FILE
    assert found[DROPPED][:99] == FILE[:99]
    assert ambiguous(MIDDLE + REST, "base64") == [RESTARTED, DROPPED]


def test_padding_of_every_line_is_followed() -> None:
    """Each line a base64 of its own."""
    encoded = b"".join(b64encode(FILE[at : at + 7]) + b"\r\n" for at in range(0, len(FILE), 7))
    assert read(encoded, "base64")[RESTARTED] == FILE


@pytest.mark.parametrize("junk", [b"!", b"\0", b"\xa4", b".."])
def test_junk_in_the_data_is_ambiguous(junk: bytes) -> None:
    """Most programs leave it out, some stop."""
    encoded = b64encode(FILE)
    encoded = encoded[:40] + junk + encoded[40:]
    assert read(encoded, "base64") == {"": FILE, JUNK: FILE[:30]}
    assert ambiguous(encoded, "base64") == [JUNK]


def test_letters_with_the_high_bit_are_junk_or_letters() -> None:
    """Some programs look at seven bits only."""
    high = bytes(letter | 128 for letter in b64encode(FILE)[20:28])
    encoded = b64encode(FILE)[:20] + high + b64encode(FILE)[28:]
    assert read(encoded, "base64")["base64 in seven bits"] == FILE
    assert "base64 in seven bits" in ambiguous(encoded, "base64")


def test_junk_between_any_two_letters_hides_nothing() -> None:
    """However much of it."""
    assert read(b"!".join(bytes((each,)) for each in b64encode(FILE)), "base64")[""] == FILE


def test_letters_of_the_other_alphabet_are_read_both_ways() -> None:
    """As junk and as letters."""
    octets = bytes(range(256))
    encoded = b64encode(octets).translate(bytes.maketrans(b"+/", b"-_"))
    found = read(encoded, "base64")
    assert found[SAFE] == octets
    assert found[""] != octets
    assert SAFE in ambiguous(encoded, "base64")


def test_lines_of_any_length_are_ambiguous() -> None:
    """A program that takes each line for itself loses what its groups share."""
    encoded = b64encode(FILE)
    encoded = b"\r\n".join((encoded[:5], encoded[5:12], encoded[12:50], encoded[50:]))
    found = read(encoded, "base64")
    assert found[""] == FILE
    assert found[BY_LINE][:3] == FILE[:3]
    assert ambiguous(encoded, "base64") == [BY_LINE]


def test_lines_of_one_odd_length_are_odd_only() -> None:
    """Real mailers write such."""
    encoded = base64_lines(FILE, length=75)
    assert read(encoded, "base64")[""] == FILE
    assert not ambiguous(encoded, "base64")


def test_blocks_fit_together_wherever_they_are_cut() -> None:
    """A part of several blocks is read like a short one, regular or not."""
    octets = bytes(range(251)) * 4000
    assert whole(first(base64_lines(octets), "base64")) == octets
    assert whole(first(b" \r\n" + base64_lines(octets, length=75), "base64")) == octets
    padded = MIDDLE + base64_lines(octets)
    assert read(padded, "base64")[RESTARTED] == FILE[:100] + octets


@pytest.mark.parametrize("unit", [b"A", b"=", b"AA==", b"\n", b"A\n", b"!", b"A!", b" ", b"aB1=\r\n", b"hello You "])
def test_time_is_linear(unit: bytes) -> None:
    """Ten times the octets take about ten times as long."""

    def seconds(size: int) -> float:
        octets = unit * (size // len(unit))
        began = time.process_time()
        read(octets, "base64")
        return time.process_time() - began

    assert seconds(2_000_000) < 25 * seconds(200_000) + 0.2
