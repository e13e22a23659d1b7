# SPDX-License-Identifier: GPL-3.0-or-later
"""One pass over a leaf tells its size, digest and kind, and leaves a file where that is worth it."""

import os
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from milterguard.unpack.survey import survey

MIB = 1 << 20
ZIP_END = b"PK\x05\x06" + bytes(18)


class Passes:
    """Gives octets in blocks, and counts how often it is asked for them."""

    def __init__(self, octets: bytes, *, block: int = 65536) -> None:
        self.octets = octets
        self.count = 0
        self._block = block

    def __call__(self) -> Iterator[bytes]:
        self.count += 1
        yield from (self.octets[start : start + self._block] for start in range(0, len(self.octets), self._block))


def content(file: int | None) -> bytes:
    assert file is not None
    try:
        return os.pread(file, os.fstat(file).st_size + 1, 0)
    finally:
        os.close(file)


@pytest.mark.parametrize("size", [0, 1, 100_000, MIB, MIB + 1, 3 * MIB])
def test_size_and_digest_are_those_of_all_octets(size: int) -> None:
    """Whatever the blocks."""
    octets = bytes(range(256)) * (size // 256) + bytes(size % 256)
    seen = survey(Passes(octets, block=1000))
    assert (seen.size, seen.digest) == (size, sha256(octets).hexdigest())
    assert seen.file is None


@pytest.mark.parametrize(
    ("octets", "passes"),
    [
        (b"PK\x03\x04" + bytes(1000), 1),
        (b"PK\x03\x04" + bytes(3 * MIB), 1),
        (b"a picture" + bytes(1000) + ZIP_END, 1),
        (b"a picture" + bytes(3 * MIB) + ZIP_END, 2),
    ],
    ids=["small", "large", "small, told by its end", "large, told by its end"],
)
def test_what_is_worth_opening_is_written_to_a_file(octets: bytes, passes: int) -> None:
    """In one pass, but for what is both large and told by its end."""
    source = Passes(octets)
    seen = survey(source)
    assert "zip" in seen.kinds
    assert content(seen.file) == octets
    assert source.count == passes


def test_the_file_has_no_name(tmp_path: Path) -> None:
    """A crash leaves nothing behind."""
    seen = survey(Passes(b"PK\x03\x04" + bytes(3 * MIB)), str(tmp_path))
    assert list(tmp_path.iterdir()) == []
    content(seen.file)


@pytest.mark.parametrize("size", [10, 3 * MIB])
def test_octets_that_break_off_leave_nothing_open(size: int) -> None:
    """The error goes on."""

    def broken() -> Iterator[bytes]:
        yield b"PK\x03\x04" + bytes(size)
        raise ValueError

    before = open_files()
    with pytest.raises(ValueError):
        survey(broken)
    assert open_files() == before


def test_memory_is_bounded() -> None:
    """A large leaf that nobody opens is not held."""
    import tracemalloc

    blocks: Callable[[], Iterator[bytes]] = lambda: (bytes(65536) for _ in range(500))  # noqa: E731
    tracemalloc.start()
    try:
        survey(blocks)
        assert tracemalloc.get_traced_memory()[1] < 4 * MIB
    finally:
        tracemalloc.stop()


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())
