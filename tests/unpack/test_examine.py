# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking into one leaf: order, flags, limits, and octets that nobody should have written."""

import gzip
import hashlib
import os
import random
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from milterguard.core.part import Flag
from milterguard.unpack.examine import examine
from milterguard.unpack.looks import looks_for
from milterguard.unpack.member import Request
from milterguard.unpack.quota import Quota
from milterguard.unpack.source import BLOCK_BYTES, Child, Find, Note, Source, Undecodable
from tests.unpack.examined import EXECUTABLE, TESTFILES, examined, tarred, zipped

PROGRAM = EXECUTABLE.read_bytes()


def test_parents_are_told_before_their_children() -> None:
    """With placements from 1 on each level; the leaf comes last."""
    octets = zipped({"a.txt": b"a", "in.tar": tarred({"b.txt": b"b", "c.exe": PROGRAM}), "d.txt": b"d"})
    found = examined(octets)
    assert [(member.path, member.names) for member in found.members] == [
        ((1,), ("a.txt",)),
        ((2,), ("in.tar",)),
        ((2, 1), ("b.txt",)),
        ((2, 2), ("c.exe",)),
        ((3,), ("d.txt",)),
        ((), ()),
    ]


def test_members_are_digested_and_typed() -> None:
    """By what came out."""
    member = examined(zipped({"a.txt": PROGRAM})).members[0]
    assert member.digest == hashlib.sha256(PROGRAM).hexdigest()
    assert (member.kinds, member.size) == (("exe", "exe-ms"), len(PROGRAM))


def test_an_empty_member_is_empty() -> None:
    """Its digest is that of nothing."""
    member = examined(zipped({"a": b""})).members[0]
    assert (member.kinds, member.size, member.digest) == (("empty",), 0, hashlib.sha256().hexdigest())


def test_all_octets_are_given_on_request() -> None:
    """Of containers inside as well, each behind its member."""
    inner = zipped({"b": b"bbb"})
    assert examined(zipped({"a": b"aaa", "in.zip": inner}), Request(give_all=True)).given == {
        (1,): b"aaa",
        (2,): inner,
        (2, 1): b"bbb",
    }


def test_large_members_are_given_whole() -> None:
    """Those that do not stay in memory."""
    large = random.Random(1).randbytes(3_000_000)
    assert examined(zipped({"a": large}), Request(give_all=True)).given == {(1,): large}


def test_what_is_in_a_hidden_container_is_given() -> None:
    """clamd does not see into a compress file, nor into the zip in it."""
    octets = TESTFILES.joinpath("clam.7z").read_bytes()
    assert list(examined(zipped({"a.7z": octets})).given) == [(1, 1)]


def test_a_leaf_that_is_no_container_has_only_itself() -> None:
    """Its kinds are told."""
    found = examined(b"some text\n")
    assert [member.path for member in found.members] == [()]
    assert found.leaf.kinds == ("asc",)


def test_an_empty_leaf_is_told() -> None:
    """There is nothing to read or map."""
    assert examined(b"").leaf.kinds == ("empty",)


def test_depth_is_limited() -> None:
    """What is too deep is told and not opened."""
    octets = zipped({"a.exe": PROGRAM})
    for _ in range(6):
        octets = zipped({"in.zip": octets})
    found = examined(octets, Request(max_depth=3))
    assert max(len(member.path) for member in found.members) == 3
    assert Flag.OVER_LIMITS in found.members[2].flags


def test_members_beyond_the_limit_are_listed() -> None:
    """A banned name behind a thousand others is still seen; their octets are not."""
    found = examined(
        zipped({**{f"{number}.txt": b"x" for number in range(40)}, "a.exe": PROGRAM}), Request(max_members=8)
    )
    assert Flag.OVER_LIMITS in found.leaf.flags
    assert found.named("a.exe").digest == ""
    assert Flag.OVER_LIMITS in found.named("a.exe").flags
    assert found.named("3.txt").digest


def test_listing_is_limited_as_well() -> None:
    """To ten times as many."""
    found = examined(zipped({f"{number}.txt": b"x" for number in range(200)}), Request(max_members=8))
    assert 80 <= len(found.members) <= 100


def test_octets_are_limited() -> None:
    """What came out is told; what stands beside is not lost."""
    found = examined(zipped({"zeros": bytes(1_000_000), "a.exe": PROGRAM}), Request(max_bytes=100_000))
    assert Flag.OVER_LIMITS in found.leaf.flags
    zeros = found.named("zeros")
    assert Flag.OVER_LIMITS in zeros.flags
    assert zeros.digest == ""
    assert found.named("a.exe").kinds == ("exe", "exe-ms")


def _failing(_source: Source, _quota: Quota) -> Iterator[Find]:
    yield Note(frozenset({Flag.MACRO}), "one")
    yield Child(("a",), iter([b"x"]))
    yield Child(("b",), _broken())
    yield Note(frozenset({Flag.AUTOEXEC}), "two")
    raise KeyError("oops")


def _broken() -> Iterator[bytes]:
    yield b"y"
    raise Undecodable("broken")


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A format of ours, at the door where formats come in."""
    monkeypatch.setattr(
        "milterguard.unpack.examine.looks_for", lambda kinds: (_failing,) if "gif" in kinds else looks_for(kinds)
    )


@pytest.mark.usefixtures("failing")
def test_errors_become_flags() -> None:
    """What was told before stands."""
    found = examined(b"GIF89a")
    assert found.leaf.flags == {Flag.MACRO, Flag.AUTOEXEC, Flag.UNDECODABLE}
    assert found.leaf.detail == "one; two; not as expected (KeyError)"
    assert found.named("a").digest
    assert found.named("b").flags == {Flag.UNDECODABLE}
    assert found.named("b").detail == "broken"


@pytest.mark.usefixtures("failing")
def test_late_news_on_a_container_are_told_once_more() -> None:
    """Early ones come with it."""
    told = [member for member in examined(zipped({"a.gif": b"GIF89a"})).members if member.path == (1,)]
    assert [member.flags for member in told] == [{Flag.MACRO}, {Flag.AUTOEXEC, Flag.UNDECODABLE}]
    assert [member.names for member in told] == [("a.gif",), ()]


def test_a_source_reads_where_it_is_told_to(tmp_path: Path) -> None:
    """Positions are its own, and its file does not close the descriptor."""
    path = tmp_path / "x"
    path.write_bytes(b"0123456789" * BLOCK_BYTES)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        source = Source(descriptor)
        with source.file() as file:
            file.seek(-4, os.SEEK_END)
            assert file.read() == b"6789"
        assert source.read(5, 3) == b"567"
        assert source.read(source.size - 1, 9) == b"9"
        assert source.read(source.size, 9) == b""
        assert sum(map(len, source.blocks(7))) == source.size - 7
    finally:
        os.close(descriptor)


def _samples() -> list[bytes]:
    small = [path for path in sorted(TESTFILES.iterdir()) if path.suffix != ".exe" and path.stat().st_size < 12_000]
    made = [zipped({"a.exe": PROGRAM, "b.zip": zipped({"c": b"d"})}), gzip.compress(tarred({"a": PROGRAM}))]
    return [path.read_bytes() for path in small] + made


def _mutated(octets: bytes, chance: random.Random) -> bytes:
    damaged = bytearray(octets)
    for _ in range(chance.randrange(1, 12)):
        position = chance.randrange(len(damaged))
        match chance.randrange(4):
            case 0:
                damaged[position] = chance.randrange(256)
            case 1:
                damaged[position : position + chance.randrange(1, 40)] = b""
            case 2:
                damaged[position:position] = chance.randbytes(chance.randrange(1, 40))
            case _:
                damaged[position : position + 4] = chance.choice([b"\xff" * 4, bytes(4), b"\x01\x00\x00\x80"])
        if not damaged:
            return octets
    return bytes(damaged)


def _survives(octets: list[bytes]) -> int:
    """The exit status of a process that examines them: C code may crash, and must not take us along."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            resource.setrlimit(resource.RLIMIT_CPU, (30, 30))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            descriptor = os.memfd_create("leaf")
            for some in octets:
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, some, 0)
                examine(descriptor, Request(max_bytes=5_000_000, passwords=("x",)), lambda _: None, lambda _: None)
            status = 0
        finally:
            os._exit(status)
    return os.waitpid(child, 0)[1]


def test_damaged_files_raise_nothing() -> None:
    """Three hundred of them, from small samples of all kinds."""
    chance = random.Random(20)
    samples = _samples()
    assert _survives([_mutated(chance.choice(samples), chance) for _ in range(300)]) == 0
