# SPDX-License-Identifier: GPL-3.0-or-later
"""What clamd reaches by itself, and what it has to be given: the table agrees with the real clamd."""

import bz2
import gzip
import lzma
import shutil
import struct
import tarfile
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest

from milterguard.core.part import Flag
from milterguard.unpack.kind import HEAD_BYTES, TAIL_BYTES, kinds_of
from milterguard.unpack.member import Request
from milterguard.unpack.reach import UNREACHED
from tests.daemons import Clamd
from tests.unpack.examined import EXECUTABLE, Examined, examined, made, tarred, zipped
from tests.unpack.foreign import deb, lha, rar4, rar5, rpm, warc, xar
from tests.unpack.test_zipdir import Entry, written

PROGRAM = EXECUTABLE.read_bytes()
HARMLESS = b"harmless text\n" * 20
PIECE = PROGRAM[:200]

REACHED: dict[str, Callable[[Path], bytes]] = {
    "zip": lambda _: zipped({"p.exe": PROGRAM}),
    "7z": lambda folder: program(folder, "7zz a -bd o.7z p.exe", "o.7z"),
    "tar": lambda _: tarred({"a.txt": HARMLESS, "p.exe": PROGRAM}),
    "cpio": lambda folder: program(folder, "echo p.exe | cpio --quiet -o -H newc > o.cpio", "o.cpio"),
    "gz": lambda _: gzip.compress(PROGRAM),
    "xz": lambda _: lzma.compress(PROGRAM),
    "bz2": lambda _: bz2.compress(PROGRAM),
    "cab": lambda _: (EXECUTABLE.parent / "clam.cab").read_bytes(),
    "arj": lambda folder: program(folder, "arj a o.arj p.exe", "o.arj"),
    "iso": lambda folder: program(folder, "genisoimage -quiet -J -o o.iso p.exe", "o.iso"),
    "a": lambda folder: program(folder, "ar rc o.a p.exe", "o.a"),
    "xar": lambda _: xar("p.exe", PROGRAM),
}
"""Plain ones, in which clamd finds the program."""

GIVEN: dict[str, Callable[[Path], bytes]] = {
    "rar, version 4": lambda _: rar4("p.exe", PROGRAM),
    "rar, version 5": lambda _: rar5("p.exe", PROGRAM),
    "deb": lambda _: deb(tarred({"./p.exe": PROGRAM})),
    "rpm": lambda folder: rpm(program(folder, "echo p.exe | cpio --quiet -o -H newc | gzip > o.gz", "o.gz")),
    "lha": lambda _: lha("p.exe", PROGRAM),
    "warc": lambda _: warc("p.exe", PROGRAM),
    "compress": lambda folder: program(folder, "compress -f p.exe", "p.exe.Z"),
    "zstd": lambda folder: program(folder, "zstd -q p.exe", "p.exe.zst"),
    "zstd behind a frame to be passed over": lambda folder: (
        b"\x50\x2a\x4d\x18\x04\0\0\0abcd" + program(folder, "zstd -q p.exe", "p.exe.zst")
    ),
    "lz4": lambda folder: program(folder, "lz4 -q p.exe o.lz4", "o.lz4"),
    "lzma": lambda folder: program(folder, "xz --format=lzma p.exe", "p.exe.lzma"),
    "7z with bzip2": lambda folder: program(folder, "7zz a -bd -m0=BZip2 o.7z p.exe", "o.7z"),
    "second stream of bzip2": lambda _: bz2.compress(b"") + bz2.compress(PROGRAM),
    "gzip with a checksum of its header": lambda _: _gzip_with_checksum(),
    "zip of 64 bits": lambda _: _zip64(),
    "zip with a 64-bit end record": lambda _: _zip64_end(),
    "zip with an odd bit": lambda _: written([Entry(b"p.exe", PROGRAM, local_bits=0x2000, central_bits=0x2000)]),
    "zip with another method": lambda folder: program(folder, "7zz a -bd -tzip -mm=LZMA o.zip p.exe", "o.zip"),
    "tar behind a tar": lambda _: tarred({"a.txt": HARMLESS}) + tarred({"p.exe": PROGRAM}),
    "tar far behind a tar": lambda _: tarred({"a": b""}) + bytes(30_000 // 512 * 512) + tarred({"p.exe": PROGRAM}),
    "cpio behind a cpio": lambda folder: (
        program(folder, ": > a; echo a | cpio --quiet -o -H newc > o.cpio", "o.cpio")
        + program(folder, "echo p.exe | cpio --quiet -o -H newc > o.cpio", "o.cpio")
    ),
    "tar with an entry of another type": lambda _: _tar_of_type(b"N"),
    "tar with an extended size": lambda _: _tar_with_extension({"size": str(len(PROGRAM))}),
}
"""In which clamd finds nothing."""


def program(folder: Path, command: str, result: str) -> bytes:
    """What a program makes of the executable."""
    (folder / "p.exe").write_bytes(PROGRAM)
    return made(folder, ["sh", "-c", command], result=result)


def _gzip_with_checksum() -> bytes:
    octets = gzip.compress(PROGRAM)
    return octets[:3] + b"\x02" + octets[4:10] + b"\0\0" + octets[10:]


def _zip64() -> bytes:
    """Sizes in an extra field of the local header, as Info-ZIP writes them to a pipe."""
    packed = zlib.compress(PROGRAM, wbits=-15)
    numbers = struct.pack("<HHQQ", 1, 16, len(PROGRAM), len(packed))
    crc = zlib.crc32(PROGRAM)
    local = struct.pack("<4s5H3L2H", b"PK\3\4", 45, 0, 8, 0, 0, crc, 0xFFFFFFFF, 0xFFFFFFFF, 5, len(numbers))
    local += b"p.exe" + numbers + packed
    sizes = (crc, len(packed), len(PROGRAM))
    central = struct.pack("<4s6H3L5H2L", b"PK\1\2", 45, 45, 0, 8, 0, 0, *sizes, 5, 0, 0, 0, 0, 0, 0) + b"p.exe"
    return local + central + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, len(central), len(local), 0)


def _zip64_end() -> bytes:
    octets = zipped({"p.exe": PROGRAM})
    *_, size, offset, _ = struct.unpack("<4s4H2LH", octets[-22:])
    end = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, size, offset)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, offset + size, 1)
    short = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return octets[:-22] + end + locator + short


def _tar_of_type(kind: bytes) -> bytes:
    entry = tarfile.TarInfo("p.exe")
    entry.size, entry.type = len(PROGRAM), kind
    return entry.tobuf(tarfile.USTAR_FORMAT) + PROGRAM.ljust(1024, b"\0") + bytes(1024)


def _tar_with_extension(extension: dict[str, str]) -> bytes:
    """The plain header says that there are no octets."""
    octets = BytesIO()
    with tarfile.open(fileobj=octets, mode="w", format=tarfile.PAX_FORMAT) as archive:
        entry = tarfile.TarInfo("p.exe")
        entry.pax_headers = extension
        archive.addfile(entry)
    return octets.getvalue()[:1536] + PROGRAM.ljust(1024, b"\0") + bytes(1024)


def seen(octets: bytes) -> Examined:
    return examined(octets, Request(kinds=kinds_of(octets[:HEAD_BYTES], octets[-TAIL_BYTES:], len(octets))))


@pytest.mark.parametrize("name", GIVEN)
def test_what_clamd_does_not_reach_is_given(tmp_path: Path, name: str) -> None:
    """The program, octet by octet; and it is told with its kind and, where there is one, its name."""
    found = seen(GIVEN[name](tmp_path))
    assert PROGRAM in found.given.values()
    assert any("exe-ms" in member.kinds for member in found.members)
    assert Flag.AMBIGUOUS not in found.flags


@pytest.mark.parametrize("name", REACHED)
def test_what_clamd_reaches_is_told(tmp_path: Path, name: str) -> None:
    """By its kind at least."""
    found = seen(REACHED[name](tmp_path))
    assert any("exe-ms" in member.kinds for member in found.members)
    assert not found.flags & {Flag.AMBIGUOUS, Flag.UNDECODABLE, Flag.OVER_LIMITS, Flag.ENCRYPTED}


@pytest.mark.parametrize("name", [*REACHED, *GIVEN])
def test_the_table_agrees_with_clamd(tmp_path: Path, clamd: Clamd, name: str) -> None:
    """It finds the program in what it reaches, and nothing in what it has to be given."""
    octets = {**REACHED, **GIVEN}[name](tmp_path)
    answer = clamd.scan(octets)
    assert answer.endswith("FOUND" if name in REACHED else "OK")
    # What is rare or cannot be told from outside is given more often than it has to be.
    assert name not in REACHED or name in ("7z", "bz2") or name not in UNREACHED


def test_every_kind_that_is_out_of_reach_has_a_sample() -> None:
    """But those that are not opened here, or that no program at hand writes."""
    spoken = {word for name in GIVEN for word in name.replace(",", " ").split()}
    spelled = {"Z": "compress", "zst": "zstd", "bz2": "bzip2"}
    missing = {kind for kind in UNREACHED if spelled.get(kind, kind) not in spoken}
    assert missing == {"lz", "lzo", "lrz", "wim"}


def test_a_second_archive_behind_a_program_is_found(tmp_path: Path) -> None:
    """Whatever looks like one before it."""
    archive = program(tmp_path, "7zz a -bd o.7z p.exe", "o.7z")
    found = seen(b"MZ" + bytes(3000) + archive[:6] + bytes(100) + archive)
    assert "p.exe" in found.names


def test_many_archives_in_a_row_are_bounded() -> None:
    """A tar of one small file, five thousand times."""
    one = tarred({"a": b"x"})[:1024] + bytes(1024)
    assert Flag.OVER_LIMITS in seen(one * 5000).flags


def test_the_programs_that_make_samples_are_there() -> None:
    """Else the samples above would fail without a reason."""
    for name in ("7zz", "arj", "genisoimage", "cpio", "compress", "zstd", "lz4", "xz", "ar"):
        assert shutil.which(name), name
