# SPDX-License-Identifier: GPL-3.0-or-later
"""Zips whose directory and local headers tell different stories."""

import io
import struct
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from milterguard.core.part import Flag
from tests.unpack.examined import EXECUTABLE, Examined, examined, made, zipped

PROGRAM = EXECUTABLE.read_bytes()
HARMLESS = b"harmless text\n" * 20


@dataclass
class Entry:
    """One member, written as badly as a test wants it."""

    name: bytes
    content: bytes
    method: int = 8
    local_name: bytes | None = None
    local_method: int | None = None
    local_bits: int = 0
    central_bits: int = 0
    is_zeroed: bool = False
    is_central: bool = True
    is_local: bool = True

    @property
    def packed(self) -> bytes:
        return self.content if self.method == 0 else zlib.compress(self.content, wbits=-15)

    def local(self) -> bytes:
        if not self.is_local:
            return b""
        name = self.name if self.local_name is None else self.local_name
        method = self.method if self.local_method is None else self.local_method
        return (
            struct.pack("<4s5H", b"PK\x03\x04", 20, self.local_bits, method, 0, 0)
            + self._numbers()
            + struct.pack("<2H", len(name), 0)
            + name
            + self.packed
        )

    def central(self, offset: int) -> bytes:
        if not self.is_central:
            return b""
        return (
            struct.pack("<4s6H", b"PK\x01\x02", 20, 20, self.central_bits, self.method, 0, 0)
            + self._numbers()
            + struct.pack("<5H2L", len(self.name), 0, 0, 0, 0, 0, offset)
            + self.name
        )

    def _numbers(self) -> bytes:
        if self.is_zeroed:
            return bytes(12)
        return struct.pack("<3L", zlib.crc32(self.content), len(self.packed), len(self.content))


def written(
    entries: Sequence[Entry], *, front: bytes = b"", between: bytes = b"", shift: int = 0, behind: bytes = b""
) -> bytes:
    """A zip; ``shift`` is what offsets do not count of what stands in front."""
    octets, directory = front, b""
    for entry in entries:
        directory += entry.central(len(octets) - shift)
        octets += entry.local()
    octets += between
    count = sum(entry.is_central for entry in entries)
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, len(directory), len(octets) - shift, 0)
    return octets + directory + end + behind


def seen(octets: bytes) -> Examined:
    return examined(octets)


def test_a_regular_zip_is_not_ambiguous() -> None:
    """With directories, empty files, comments, data descriptors and names in UTF-8."""
    octets = io.BytesIO()
    with zipfile.ZipFile(octets, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir("folder")
        archive.writestr("empty", b"")
        archive.writestr("grün.txt", b"x" * 1000)
        archive.comment = b"a comment"
        with archive.open("large", "w", force_zip64=True) as file:
            file.write(b"y" * 100_000)
    assert not seen(octets.getvalue()).flags - {Flag.DIRECTORY}


def test_a_streamed_zip_is_not_ambiguous() -> None:
    """Sizes that follow the octets are by the book."""

    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def tell(self) -> int:
            raise OSError("a pipe")

    octets = Pipe()
    with zipfile.ZipFile(octets, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", HARMLESS)
        archive.writestr("b.bin", HARMLESS, zipfile.ZIP_STORED)
    found = seen(octets.getvalue())
    assert not found.flags
    assert found.names == ["a.txt", "b.bin"]


@pytest.mark.parametrize("options", [[], ["-mm=BZip2"], ["-mm=LZMA"], ["-mx=0"]])
def test_a_zip_of_7zip_is_not_ambiguous(tmp_path: Path, options: list[str]) -> None:
    """Another program's output, in several methods."""
    (tmp_path / "a.txt").write_bytes(HARMLESS)
    octets = made(tmp_path, ["7zz", "a", "-tzip", *options, "a.zip", "a.txt"], result="a.zip")
    assert not seen(octets).flags


def test_the_writer_of_these_tests_is_regular() -> None:
    """Else the tests below would prove nothing."""
    assert not seen(written([Entry(b"a", HARMLESS), Entry(b"b", HARMLESS, method=0)])).flags


@pytest.mark.parametrize(
    ("octets", "words"),
    [
        (written([Entry(b"a.txt", PROGRAM, local_name=b"a.exe")]), "names differ"),
        (written([Entry(b"a.exe", PROGRAM, central_bits=1)]), "one header says encrypted"),
        (written([Entry(b"a.exe", PROGRAM, local_bits=1)]), "one header says encrypted"),
        (written([Entry(b"a.exe", PROGRAM, local_method=0)]), "methods differ"),
        (written([Entry(b"a.exe", PROGRAM, is_zeroed=True)]), "size of a member"),
        (written([Entry(b"a.exe", PROGRAM, method=0, is_zeroed=True)]), "data between members"),
        (written([Entry(b"a.exe", PROGRAM)], front=b"junk" * 50), "data in front"),
        (written([Entry(b"a.exe", PROGRAM)], front=b"junk" * 50, shift=200), "data in front"),
        (written([Entry(b"a.exe", PROGRAM)], behind=b"junk" * 50), "data behind the end"),
        (written([Entry(b"a.txt", HARMLESS), Entry(b"a.exe", PROGRAM, is_central=False)]), "directory does not have"),
        (written([Entry(b"a.exe", PROGRAM)])[:-22], "no end record"),
        (written([Entry(b"a.txt", HARMLESS)]) + written([Entry(b"a.exe", PROGRAM)]), "data"),
        (written([Entry(b"a.exe", PROGRAM), Entry(b"b", HARMLESS, is_local=False)]), "without local header"),
        (written([Entry(b"a.exe", PROGRAM)], behind=written([])), "several end records"),
    ],
)
def test_contradictions_are_named(octets: bytes, words: str) -> None:
    """The zip is ambiguous, with which contradiction, and the program is told all the same."""
    found = seen(octets)
    assert Flag.AMBIGUOUS in found.leaf.flags
    assert words in found.leaf.detail
    assert "a.exe" in found.names


@pytest.mark.parametrize(
    "octets",
    [
        written([Entry(b"a.txt", PROGRAM, local_name=b"a.exe")]),
        written([Entry(b"a.exe", PROGRAM, local_method=0)]),
        written([Entry(b"a.exe", PROGRAM, is_zeroed=True)]),
        written([Entry(b"a.exe", PROGRAM, method=0, is_zeroed=True)]),
        written([Entry(b"a.exe", PROGRAM)], front=b"junk" * 50),
        written([Entry(b"a.txt", HARMLESS), Entry(b"a.exe", PROGRAM, is_central=False)]),
        written([Entry(b"a.exe", PROGRAM)])[:-22],
        written([Entry(b"a.txt", HARMLESS)]) + written([Entry(b"a.exe", PROGRAM)]),
        written([Entry(b"a.exe", PROGRAM)]) + written([Entry(b"a.txt", HARMLESS)]),
    ],
)
def test_members_of_an_ambiguous_zip_are_given(octets: bytes) -> None:
    """clamd may have read it in the other way."""
    assert PROGRAM in seen(octets).given.values()


def test_both_names_are_told() -> None:
    """A rule on names has to match either."""
    member = seen(written([Entry(b"a.txt", PROGRAM, local_name=b"a.exe")])).members[0]
    assert member.names == ("a.txt", "a.exe")


def test_a_name_with_nul_is_told_in_both_lengths() -> None:
    """Programs in C stop at it."""
    assert seen(written([Entry(b"a.exe\0.txt", PROGRAM)])).members[0].names == ("a.exe\0.txt", "a.exe")


def test_a_zip_in_the_header_of_a_member_is_a_contradiction() -> None:
    """Whoever looks for members everywhere finds others than whoever trusts the directory."""
    hidden = zipped({"a.exe": PROGRAM})
    extra = struct.pack("<HH", 0xFEFE, len(hidden)) + hidden
    local = bytearray(Entry(b"a.txt", HARMLESS).local())
    local[28:30] = len(extra).to_bytes(2, "little")
    local[35:35] = extra
    central = Entry(b"a.txt", HARMLESS).central(0)
    octets = bytes(local) + central + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, len(central), len(local), 0)
    assert "a member in the header of another one" in seen(octets).leaf.detail


def test_overlapping_members_are_ambiguous() -> None:
    """Two entries that share one local header."""
    entry = Entry(b"a.txt", HARMLESS)
    octets = entry.local()
    directory = entry.central(0) + entry.central(0)
    octets += directory + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 2, 2, len(directory), len(octets), 0)
    assert "overlapping members" in seen(octets).leaf.detail


def test_a_zip_in_a_program_is_no_contradiction() -> None:
    """A self-extractor has its code in front."""
    assert not seen(PROGRAM + zipped({"a.txt": HARMLESS})).flags


def test_a_wrong_number_of_entries_is_ambiguous() -> None:
    """Some programs count, others go on to the end."""
    octets = bytearray(written([Entry(b"a.txt", HARMLESS), Entry(b"b.txt", HARMLESS)]))
    octets[-14:-10] = struct.pack("<2H", 1, 1)
    assert "number of entries" in seen(bytes(octets)).leaf.detail


def test_a_volume_of_a_zip_is_a_fragment() -> None:
    """The end record counts disks."""
    octets = bytearray(written([Entry(b"a.txt", HARMLESS)]))
    octets[-18:-16] = b"\x03\x00"
    assert Flag.FRAGMENT in seen(bytes(octets)).leaf.flags


def test_many_headers_take_linear_time() -> None:
    """False local headers with long names, one every few octets."""
    false = struct.pack("<4s5H3L2H", b"PK\x03\x04", 20, 0, 0, 0, 0, 0, 0, 0, 0xFFFF, 0xFFFF)
    found = seen(written([Entry(b"a.exe", PROGRAM)], front=false * 50_000))
    assert "a.exe" in found.names


def test_every_name_in_an_extra_field_is_told() -> None:
    """Programs differ in which of two they take, and that is a contradiction."""
    extra = b"".join(
        struct.pack("<HHBL", 0x7075, 5 + len(name), 1, zlib.crc32(b"a.txt")) + name for name in (b"b.txt", b"evil.js")
    )
    octets = io.BytesIO()
    with zipfile.ZipFile(octets, "w") as archive:
        entry = zipfile.ZipInfo("a.txt")
        entry.extra = extra
        archive.writestr(entry, b"x")
    found = examined(octets.getvalue())
    assert {"a.txt", "b.txt", "evil.js"} <= set(found.names)
    assert Flag.AMBIGUOUS in found.leaf.flags
