# SPDX-License-Identifier: GPL-3.0-or-later
"""BinHex 4.0: forks told apart, runs expanded in small pieces, no frame needed."""

from hypothesis import given
from hypothesis import strategies as st

from milterguard.mime.binhex import file_name
from tests.mime.encoder import binhex_text, first, read, whole

INTRODUCTION = b"(This file must be converted with BinHex 4.0)\r\n\r\n"
BOTH = "BinHex with both forks"


@given(
    data=st.binary(max_size=500), introduction=st.sampled_from((b"", INTRODUCTION, b"Hello: you\r\n" + INTRODUCTION))
)
def test_the_data_fork_is_the_first_reading(data: bytes, introduction: bytes) -> None:
    """Whether or not a line announces it."""
    encoded = introduction + binhex_text(b"a.exe", data)
    found = read(encoded, "binhex")
    assert found.get("", b"") == data
    assert data in found[BOTH]
    assert not first(encoded, "binhex").is_odd


def test_a_resource_fork_is_odd_and_read_too() -> None:
    """A scanner is given both."""
    encoded = binhex_text(b"a.exe", b"data", resource=b"resource")
    assert first(encoded, "binhex").is_odd
    assert b"resource" in read(encoded, "binhex")[BOTH]


def test_the_file_name_stands_in_it() -> None:
    """And is found without the rest."""
    encoded = INTRODUCTION + binhex_text(b"evil.exe", b"x" * 99)
    assert file_name(encoded, 0, len(encoded)) == "evil.exe"
    assert file_name(b"hello", 0, 5) == ""


def test_without_its_colons_it_is_read_from_the_first_letter() -> None:
    """To the end of the range."""
    encoded = binhex_text(b"a.exe", b"some data").replace(b":", b"")
    assert read(encoded, "binhex")[""] == b"some data"
    assert first(encoded, "binhex").is_odd


def test_what_has_no_header_is_given_as_it_is() -> None:
    """Some program may find something in it."""
    assert list(read(b":" + b"9" * 400 + b":", "binhex")) == [""]
    assert read(b"", "binhex") == {"": b""}


def test_runs_are_expanded_a_little_at_a_time() -> None:
    """Three octets make 255, and no block is the larger for it."""
    packed = binhex_text(b"a", b"a\x90\xff" * 50_000).replace(b"\r\n", b"")
    # The encoder keeps the mark literal, a nought after it: what comes out is the same as what went in.
    assert read(packed, "binhex")[""] == b"a\x90\xff" * 50_000
    bomb = first(b":" + b'"' * 3 + b"K2r" * 200_000, "binhex")
    assert all(len(block) <= 1 << 20 for block in bomb.blocks())
    assert whole(bomb)
