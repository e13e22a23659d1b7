# SPDX-License-Identifier: GPL-3.0-or-later
"""The packets of sealed children: what is said arrives, and nothing but Garbled comes of what is not."""

import contextlib
import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milterguard.core.part import Flag
from milterguard.unpack import wire
from milterguard.unpack.member import Member, Request

WORDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9.+_-]{0,31}", fullmatch=True)
TEXTS = st.text(st.characters(codec=None), max_size=60)
"""Half surrogate pairs too: names of files are no valid text."""
MEMBERS = st.builds(
    Member,
    path=st.lists(st.integers(1, 10**6), max_size=20).map(tuple),
    names=st.lists(TEXTS, max_size=8).map(tuple),
    kinds=st.lists(WORDS, max_size=5).map(tuple),
    size=st.integers(0, 2**62 - 1),
    digest=st.sampled_from(["", "0f" * 32]),
    flags=st.frozensets(st.sampled_from(Flag)),
    detail=TEXTS,
    has_octets=st.booleans(),
)
RECORD = json.loads(wire.member_packet(Member((1,), size=3))[1:])


def packet(**changes: object) -> bytes:
    """Return the packet of a member with some of it changed."""
    return b"M" + json.dumps(RECORD | changes).encode()


def octets(number: int) -> bytes:
    return b"O" + bytes(number)


def member(*path: int, size: int = 0) -> bytes:
    return wire.member_packet(Member(path, size=size, has_octets=size > 0))


@given(MEMBERS)
def test_a_member_comes_back_as_it_was(member: Member) -> None:
    """Every attribute, whatever characters are in it."""
    assert wire.parse(wire.member_packet(member)) == member


@given(st.builds(Request, names=st.lists(TEXTS).map(tuple), passwords=st.lists(TEXTS, max_size=20).map(tuple)))
def test_a_request_comes_back_as_it_was(request: Request) -> None:
    """With the first eight names."""
    back = wire.parse_request(wire.request_packet(request))
    assert back == replace(request, names=request.names[:8])


@given(st.binary(max_size=300))
def test_any_octets_raise_garbled_only(octets: bytes) -> None:
    """Whatever a child that was taken over sends."""
    for letter in (b"", b"M", b"E", b"O", b"R", b"H", b"T"):
        for read in (wire.parse, wire.parse_request, wire.parse_hello, wire.parse_order):
            with contextlib.suppress(wire.Garbled):
                read(letter + octets)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(sorted(RECORD)), VALUES))
@settings(max_examples=300)
def test_wrong_values_raise_garbled_only(changes: dict[str, object]) -> None:
    """And what is taken is a member of our own types."""
    with contextlib.suppress(wire.Garbled):
        told = wire.parse(packet(**changes))
        assert isinstance(told, Member)
        assert isinstance(hash(told), int)


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"M",
        b"O",
        b"X{}",
        b"M[]",
        b"M" + b"[" * 60000,
        b"M" + b'{"path":' * 7000,
        packet(path=[0]),
        packet(path=[-1]),
        packet(path=[True]),
        packet(path=[1.0]),
        packet(path="1"),
        packet(path=[1] * 257),
        packet(size=-1),
        packet(size=2**62),
        packet(size=1.0),
        packet(size=True),
        packet(size=None, has_octets=True),
        packet(has_octets=1),
        packet(digest="0F" * 32),
        packet(digest="0f"),
        packet(kinds=["a b"]),
        packet(kinds=["é"]),
        packet(kinds="exe"),
        packet(flags=["unknown"]),
        packet(flags=[[]]),
        packet(flags={}),
        packet(names=["a"] * 9),
        packet(names=["a" * 1025]),
        packet(names=[b"a".hex(), 3]),
        packet(detail="a" * 513),
        packet(more=1),
        b'M{"path":[1]}',
        b'M{"size":' + b"9" * 5000 + b"}",
        b'E{"trouble":"words of the mail"}',
        b'E{"trouble":"failed (a b)"}',
        b'E{"trouble":"out of time\\n"}',
        b'E{"trouble":[]}',
        b"O" + bytes(wire.PACKET_BYTES),
    ],
)
def test_what_no_child_of_ours_says_is_garbled(octets: bytes) -> None:
    """Wrong form, wrong type, out of range, too long."""
    with pytest.raises(wire.Garbled):
        wire.parse(octets)


def test_the_longest_member_fits_a_packet() -> None:
    """With characters that JSON makes six octets of."""
    longest = Member(
        path=(10**6,) * 102,
        names=("\0" * 5000,) * 9,
        kinds=("k" * 32,) * 40,
        digest="0" * 64,
        flags=frozenset(Flag),
        detail="\0" * 5000,
        size=2**70,
    )
    octets = wire.member_packet(longest)
    assert len(octets) <= wire.PACKET_BYTES
    told = wire.parse(octets)
    assert isinstance(told, Member)
    assert told.size == 2**62 - 1


def test_the_longest_request_fits_a_packet() -> None:
    """Names are cut; of the passwords the first are kept."""
    words = tuple(f"\0{number}" for number in range(100000))
    octets = wire.request_packet(Request(names=("\0" * 5000,) * 9, kinds=("k" * 32,) * 40, passwords=words))
    assert len(octets) <= wire.PACKET_BYTES
    passwords = wire.parse_request(octets).passwords
    assert len(passwords) > 1000
    assert passwords == words[: len(passwords)]


def test_of_a_long_name_the_end_is_kept() -> None:
    """There the extension stands; where names had to be left out the member is over limits."""
    told = wire.parse(wire.member_packet(Member((1,), names=("x" * 5000 + ".exe", *"abcdefgh"))))
    assert isinstance(told, Member)
    assert told.names[0].endswith("x.exe")
    assert Flag.OVER_LIMITS in told.flags


def test_a_long_block_becomes_several_packets() -> None:
    """None of them too long, and nothing of it lost."""
    block = bytes(range(256)) * 1000
    packets = [letter + piece for letter, piece in wire.octets_packets(block)]
    told = [wire.parse(each) for each in packets]
    assert b"".join(each.block for each in told if isinstance(each, wire.Octets)) == block
    assert wire.octets_packets(b"") == []


@pytest.mark.parametrize(
    "error", [ValueError("secret"), type("A b\n", (Exception,), {})(), type("é" * 99, (OSError,), {})()]
)
def test_a_failure_is_told_by_its_type_only(error: Exception) -> None:
    """In words that the other side takes."""
    told = wire.parse(wire.end_packet(wire.failure(error)))
    assert isinstance(told, wire.End)
    assert told.trouble.startswith("failed (")
    assert "secret" not in told.trouble


def test_hello_and_order_come_back() -> None:
    """What nursery and worker say to each other."""
    assert wire.parse_hello(wire.hello_packet(["limits", "seccomp"])) == ("limits", "seccomp")
    assert wire.parse_order(wire.order_packet(1.5)) == 1.5


@pytest.mark.parametrize("octets", [b"T{}", b'T{"seconds":NaN}', b'T{"seconds":"1"}', b"T"])
def test_an_order_needs_its_seconds(octets: bytes) -> None:
    """A number that is one."""
    with pytest.raises(wire.Garbled):
        wire.parse_order(octets)


@pytest.mark.parametrize(
    "packets",
    [
        [member(1, 1)],
        [member(1), member(2, 1)],
        [octets(1)],
        [member(1, size=3), octets(4)],
        [member(1, size=3), octets(2), octets(2)],
        [member(1, size=3), member(2)],
        [member(1, size=3), octets(2), wire.end_packet()],
        [member(1, size=3), octets(3), member(1, size=3)],
    ],
)
def test_what_does_not_follow_is_garbled(packets: list[bytes]) -> None:
    """Members before their parents, octets that nobody announced or that are missing."""
    hearing = wire.Hearing(Request())
    for each in packets[:-1]:
        hearing.take(each)
    with pytest.raises(wire.Garbled):
        hearing.take(packets[-1])


def test_what_follows_is_taken() -> None:
    """Parents first, octets after their member; a path told again is news on it; trouble may come at any time."""
    hearing = wire.Hearing(Request())
    for each in (member(), member(1, size=3), octets(1), octets(2), member(1, 7), member(1), member(2, size=9)):
        hearing.take(each)
    assert hearing.take(wire.end_packet(wire.MEMORY)) == wire.End(wire.MEMORY)


def test_too_much_is_an_excess() -> None:
    """Members, their text, octets and depth are bounded by the request, whatever the child goes by."""
    few = [member(number) for number in range(1, 100)]
    long = [wire.member_packet(Member((number,), names=("a" * 1024,) * 8)) for number in range(1, 10000)]
    deep = [member(*[1] * length) for length in range(1, 5)]
    assert is_excess(Request(max_members=1), few)
    assert is_excess(Request(max_members=10**6), long)
    assert is_excess(Request(max_bytes=1000), [member(1, size=10**6)])
    assert is_excess(Request(max_depth=1), deep)


def is_excess(request: Request, packets: list[bytes]) -> bool:
    """Tell whether a child that says this says too much."""
    hearing = wire.Hearing(request)
    try:
        for each in packets:
            hearing.take(each)
    except wire.Excess:
        return True
    return False
