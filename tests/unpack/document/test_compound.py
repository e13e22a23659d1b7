# SPDX-License-Identifier: GPL-3.0-or-later
"""Compound files: streams as other readers see them, and what is broken about them."""

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from milterguard.unpack.document.compound import Compound
from milterguard.unpack.source import Source, Undecodable
from tests.unpack.document.cfb import Tree, compound
from tests.unpack.document.looking import CLAM

LARGE = bytes(range(256)) * 64
TREE: Tree = {
    "Small": b"little",
    "Large": LARGE,
    "Folder": {"Inner": {"Deep": b"x" * 5000}},
    "Empty": b"",
}


@contextmanager
def opened(octets: bytes) -> Iterator[Compound]:
    descriptor = os.memfd_create("compound")
    try:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(octets)
        yield Compound(Source(descriptor))
    finally:
        os.close(descriptor)


def streams(found: Compound) -> dict[tuple[str, ...], bytes]:
    return {entry.path: b"".join(found.blocks(entry)) for entry in found.streams()}


def test_streams_come_out_as_they_went_in() -> None:
    """Small ones, large ones, empty ones, those in storages."""
    with opened(compound(TREE)) as found:
        assert streams(found) == {
            ("Small",): b"little",
            ("Large",): LARGE,
            ("Empty",): b"",
            ("Folder", "Inner", "Deep"): b"x" * 5000,
        }


def test_names_are_found_in_any_case() -> None:
    """As Windows finds them."""
    with opened(compound(TREE)) as found:
        entry = found.find("folder", "INNER", "deep")
        assert entry is not None
        assert found.read(entry, 3) == b"xxx"


def test_a_real_document_is_read() -> None:
    """Its streams, as a program not written here laid them out."""
    with opened((CLAM / "clam.ole.doc").read_bytes()) as found:
        sizes = {"/".join(path): len(data) for path, data in streams(found).items()}
    assert sizes["WordDocument"] == 4142
    assert sizes["ObjectPool/_1279313719/\x01Ole10Native"] == 597


def test_a_chain_that_loops_ends() -> None:
    """However long the stream claims to be."""
    octets = bytearray(compound({"Large": b"y" * 8192}))
    (fat,) = struct.unpack_from("<I", octets, 76)
    struct.pack_into("<I", octets, (fat + 1) * 512, 0)
    at = octets.find("Large".encode("utf-16-le")) + 120
    struct.pack_into("<I", octets, at, 0x7FFFFFFF)
    with opened(bytes(octets)) as found:
        assert all(len(data) <= len(octets) + 1024 for data in streams(found).values())


def test_a_stream_that_hangs_on_no_tree_is_told() -> None:
    """Programs that repair documents find it."""
    octets = bytearray(compound({"Lost": b"payload"}))
    struct.pack_into("<I", octets, octets.find("Root".encode("utf-16-le")) + 76, 0xFFFFFFFF)
    with opened(bytes(octets)) as found:
        assert streams(found) == {("Lost",): b"payload"}


@pytest.mark.parametrize("octets", [b"", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"MZ" * 600])
def test_what_is_none_is_undecodable(octets: bytes) -> None:
    """Too short, or something else."""
    with pytest.raises(Undecodable), opened(octets):
        pass
