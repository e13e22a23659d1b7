# SPDX-License-Identifier: GPL-3.0-or-later
"""Fields and bodies as they are hashed: octet for octet, however the blocks are cut, in linear time."""

import hashlib
import re
import time
from itertools import pairwise

import pytest
from dkim.canonicalization import Relaxed, Simple
from hypothesis import given
from hypothesis import strategies as st

from milterguard.core.message import Field
from milterguard.dkim.canonical import (
    BodyHasher,
    BodyKind,
    Canonical,
    canonical_field,
    relaxed_field,
    selected,
)

SIMPLE, RELAXED = Canonical.SIMPLE, Canonical.RELAXED


def plain(body: bytes, way: Canonical) -> bytes:
    """RFC 6376 section 3.4.3 and 3.4.4, word for word and without regard to time."""
    lines = body.split(b"\r\n")
    if way is RELAXED:
        lines = [re.sub(rb"[ \t]+", b" ", line).rstrip(b" ") for line in lines]
    while lines and not lines[-1]:
        lines.pop()
    if not lines:
        return b"\r\n" if way is SIMPLE else b""
    return b"".join(line + b"\r\n" for line in lines)


def hashed(blocks: list[bytes], kind: BodyKind) -> bytes:
    hasher = BodyHasher([kind])
    for block in blocks:
        hasher.update(block)
    return hasher.finish()[kind].sha256


BODIES = st.lists(
    st.sampled_from([b" ", b"\t", b"\r", b"\n", b"\r\n", b"a", b"b c", b"  ", b"\r\n\r\n", b" \r\n", b"\0", b"\xff"]),
    max_size=40,
).map(b"".join)


@given(BODIES, st.sampled_from(Canonical), st.lists(st.integers(0, 60), max_size=6), st.none() | st.integers(0, 50))
def test_a_body_however_it_is_cut(body: bytes, way: Canonical, cuts: list[int], length: int | None) -> None:
    """The same as the RFC's words come to, and cut at l=."""
    places = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    blocks = [body[begin:end] for begin, end in pairwise(places)]
    wanted = plain(body, way)[:length]
    assert hashed(blocks, BodyKind(way, length)) == hashlib.sha256(wanted).digest()


@given(BODIES)
def test_a_body_by_dkimpy(body: bytes) -> None:
    """The same as another implementation has it, where that keeps to CRLF."""
    lines = body.replace(b"\r\n", b"\n").replace(b"\r", b"").replace(b"\n", b"\r\n") + b"\r\n"
    assert hashed([lines], BodyKind(SIMPLE)) == hashlib.sha256(Simple.canonicalize_body(lines) or b"\r\n").digest()
    if lines.strip():
        assert hashed([lines], BodyKind(RELAXED)) == hashlib.sha256(Relaxed.canonicalize_body(lines)).digest()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b" x", b"subject:x\r\n"),
        (b"x", b"subject:x\r\n"),
        (b"  a \t b  ", b"subject:a b\r\n"),
        (b" a\n b", b"subject:a b\r\n"),
        (b" a\r\n\tb", b"subject:a b\r\n"),
        (b"", b"subject:\r\n"),
        (b" a\x0b", b"subject:a\x0b\r\n"),
    ],
)
def test_a_field_relaxed(value: bytes, expected: bytes) -> None:
    """Name in small letters, one line, single blanks; other control characters are no blanks."""
    assert relaxed_field(Field(b"SubJect ", value)) == expected


def test_a_field_simple_is_untouched() -> None:
    """Leading blanks above all: an MTA that takes one away breaks the signature."""
    assert canonical_field(Field(b"SubJect", b"   a\n\t b "), SIMPLE) == b"SubJect:   a\r\n\t b \r\n"


def test_fields_are_taken_from_the_lowest_upward() -> None:
    """Each once, and none where there are no more."""
    fields = [Field(b"A", b"1"), Field(b"B", b"2"), Field(b"a", b"3")]
    names = [b"a", b"b", b"a", b"a", b"c"]
    assert [field.value for field in selected(fields, names)] == [b"3", b"2", b"1"]


@pytest.mark.parametrize(
    "unit", [b" ", b"\t", b"\r", b"\n", b"\r\n", b" \r", b"a ", b" \r\n", b"\n\r\n", b"x" * 70 + b" \r\n"]
)
@pytest.mark.parametrize("way", Canonical)
def test_time_grows_with_length_only(unit: bytes, way: Canonical) -> None:
    """Twice the body takes twice as long, at most three times with the machine's noise."""

    def seconds(size: int) -> float:
        body = unit * (size // len(unit))
        best = float("inf")
        for _ in range(3):
            began = time.perf_counter()
            hashed([body[start : start + 65536] for start in range(0, len(body), 65536)], BodyKind(way))
            best = min(best, time.perf_counter() - began)
        return best

    small, large = seconds(2_000_000), seconds(8_000_000)
    assert large < max(4 * small * 1.8, 0.05), (small, large)
