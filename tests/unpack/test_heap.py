# SPDX-License-Identifier: GPL-3.0-or-later
"""Octets from archives wait in one unnamed file for the scanner."""

import gc
from pathlib import Path

import pytest

from milterguard.errors import ContentError
from milterguard.unpack.heap import Heap


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_what_was_put_is_read_back_as_often_as_wanted(tmp_path: Path) -> None:
    """Several scanners may want the same octets."""
    heap = Heap(str(tmp_path))
    heap.put(b"first")
    start = heap.end
    heap.put(b"second" * 50_000)
    read = heap.blocks(start, heap.end)
    assert b"".join(read()) == b"".join(read()) == b"second" * 50_000


def test_the_file_has_no_name(tmp_path: Path) -> None:
    """A crash leaves nothing behind."""
    heap = Heap(str(tmp_path))
    heap.put(b"x")
    assert list(tmp_path.iterdir()) == []


def test_the_file_goes_with_the_last_who_refers_to_it(tmp_path: Path) -> None:
    """A check that is late reads on; then nothing is left open."""
    before = descriptors()
    heap = Heap(str(tmp_path))
    heap.put(b"late")
    read = heap.blocks(0, heap.end)
    del heap
    gc.collect()
    assert b"".join(read()) == b"late"
    del read
    gc.collect()
    assert descriptors() == before


def test_an_empty_heap_opens_no_file(tmp_path: Path) -> None:
    """Most messages have no archives."""
    before = descriptors()
    heap = Heap(str(tmp_path))
    assert b"".join(heap.blocks(0, 0)()) == b""
    assert descriptors() == before


def test_octets_that_cannot_be_kept_are_a_content_error(tmp_path: Path) -> None:
    """A missing folder stands for a full disk."""
    with pytest.raises(ContentError):
        Heap(str(tmp_path / "missing")).put(b"x")
