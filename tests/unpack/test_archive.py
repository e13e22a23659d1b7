# SPDX-License-Identifier: GPL-3.0-or-later
"""Members of archives of all formats."""

import bz2
import gzip
import io
import lzma
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from milterguard.core.part import Flag
from milterguard.unpack.archive import readings
from milterguard.unpack.member import Request
from tests.unpack.examined import EXECUTABLE, TESTFILES, examined, made, tarred, zipped
from tests.unpack.foreign import rar4, rar5

PROGRAM = EXECUTABLE.read_bytes()
ARCHIVES = (
    *("clam.7z", "clam.arj", "clam.bin-be.cpio", "clam.bin-le.cpio", "clam.bz2.zip", "clam.cab", "clam.newc.cpio"),
    *("clam.odc.cpio", "clam.tar.gz", "clam.zip", "clam.exe.bz2", "clam.exe.binhex"),
)
HIDDEN = {"clam.7z"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "p.exe").write_bytes(PROGRAM)
    return tmp_path


@pytest.mark.parametrize("name", ARCHIVES)
def test_archives_of_clamav_are_opened(name: str) -> None:
    """The program in each of them is told with its name and kind."""
    member = examined(TESTFILES.joinpath(name).read_bytes(), Request(names=(name,))).named("clam.exe")
    assert "exe-ms" in member.kinds
    assert member.size == len(PROGRAM)
    assert not member.flags


@pytest.mark.parametrize("name", ["clam.d64.zip", "clam.impl.zip", "clam.chm", "clam.exe.szdd", "clam.sis"])
def test_what_is_not_opened_is_said_to_be_so(name: str) -> None:
    """Containers that stay closed are undecodable."""
    assert Flag.UNDECODABLE in examined(TESTFILES.joinpath(name).read_bytes()).flags


@pytest.mark.parametrize("name", ["clam_IScab_int.exe", "clam-upx.exe", "clam.exe"])
def test_a_program_without_archive_is_nothing_special(name: str) -> None:
    """Programs are no broken archives; where one carries a cabinet, that is opened."""
    assert not examined(TESTFILES.joinpath(name).read_bytes()).leaf.flags


@pytest.mark.parametrize(
    ("command", "result"),
    [
        (["7zz", "a", "-m0=BZip2", "a.7z", "p.exe"], "a.7z"),
        (["7zz", "a", "-m0=PPMd", "a.7z", "p.exe"], "a.7z"),
        (["7zz", "a", "-tzip", "-mm=LZMA", "a.zip", "p.exe"], "a.zip"),
        (["7zz", "a", "-tzip", "-mm=PPMd", "a.zip", "p.exe"], "a.zip"),
        (["7zz", "a", "-tzip", "-mm=BZip2", "a.zip", "p.exe"], "a.zip"),
        (["arj", "a", "a.arj", "p.exe"], "a.arj"),
        (["arj", "a", "-m0", "a.arj", "p.exe"], "a.arj"),
        (["ar", "rc", "a.a", "p.exe"], "a.a"),
        (["genisoimage", "-quiet", "-J", "-o", "a.iso", "p.exe"], "a.iso"),
        (["zstd", "-q", "p.exe"], "p.exe.zst"),
        (["lz4", "-q", "p.exe", "p.exe.lz4"], "p.exe.lz4"),
        (["xz", "-k", "p.exe"], "p.exe.xz"),
        (["xz", "-k", "--format=lzma", "p.exe"], "p.exe.lzma"),
        (["compress", "-f", "p.exe"], "p.exe.Z"),
        (["tar", "--zstd", "-cf", "a.tar.zst", "p.exe"], "a.tar.zst"),
    ],
)
def test_programs_archives_are_opened(folder: Path, command: list[str], result: str) -> None:
    """What the usual programs make comes out as it went in."""
    octets = made(folder, command, result=result)
    found = examined(octets, Request(names=(result,), give_all=True))
    member = found.named("p.exe")
    assert "exe-ms" in member.kinds
    assert found.given[member.path] == PROGRAM


def test_a_single_compressed_file_is_called_as_gunzip_would() -> None:
    """The suffix goes, and tgz means tar."""
    assert "a.exe" in examined(bz2.compress(PROGRAM), Request(names=("a.exe.bz2",))).names
    assert "a.tar" in examined(lzma.compress(tarred({"x": b"y"})), Request(names=("a.txz",))).names


@pytest.mark.parametrize("name", ["evil.js.gz", "evil.js.GZ", "evil.js.gzip", "evil.js.dat", "evil.js.XZ"])
def test_the_content_has_the_name_before_the_last_dot(name: str) -> None:
    """Whatever stands behind it: programs open a file by its content, and call it so."""
    assert "evil.js" in examined(gzip.compress(b"x"), Request(names=(name,), kinds=("gz",))).names


@pytest.mark.parametrize("make", [rar4, rar5])
@pytest.mark.parametrize("before", [b"Hello, this is text.\r\n" * 5, b"\0\1\2\3" * 50, b"GIF89a" + bytes(100)])
def test_a_rar_behind_anything_is_opened(make: Callable[[str, bytes], bytes], before: bytes) -> None:
    """WinRAR searches for it."""
    found = examined(before + make("evil.js", b"x"))
    assert "rar" in found.leaf.kinds
    assert "evil.js" in found.names


def test_a_name_in_the_gzip_header_is_told_as_well(folder: Path) -> None:
    """Some programs restore it."""
    octets = made(folder, ["gzip", "p.exe"], result="p.exe.gz")
    assert examined(octets, Request(names=("harmless.txt.gz",))).members[0].names == ("p.exe", "harmless.txt")


@pytest.mark.parametrize(
    ("command", "result", "is_listed"),
    [
        (["7zz", "a", "-psecret", "a.7z", "p.exe"], "a.7z", True),
        (["7zz", "a", "-psecret", "-mhe=on", "a.7z", "p.exe"], "a.7z", False),
        (["7zz", "a", "-tzip", "-psecret", "a.zip", "p.exe"], "a.zip", True),
        (["7zz", "a", "-tzip", "-mem=AES256", "-psecret", "a.zip", "p.exe"], "a.zip", True),
        (["arj", "a", "-gsecret", "a.arj", "p.exe"], "a.arj", True),
    ],
)
def test_encrypted_archives_are_told_as_such(folder: Path, command: list[str], result: str, *, is_listed: bool) -> None:
    """Both the archive and what is in it, where that can be listed."""
    found = examined(made(folder, command, result=result))
    assert Flag.ENCRYPTED in found.leaf.flags
    assert found.names == (["p.exe"] if is_listed else [])
    assert all(Flag.ENCRYPTED in member.flags for member in found.members)


@pytest.mark.parametrize("method", [[], ["-mem=AES256"]])
def test_a_password_opens_a_zip(folder: Path, method: list[str]) -> None:
    """Both encryptions of zip; the octets are given, since clamd cannot have them otherwise."""
    octets = made(folder, ["7zz", "a", "-tzip", *method, "-psecret", "a.zip", "p.exe"], result="a.zip")
    found = examined(octets, Request(passwords=("wrong", "secret")))
    assert {Flag.ENCRYPTED, Flag.MAIL_PASSWORD} <= found.leaf.flags
    assert found.given == {(1,): PROGRAM}


def test_wrong_passwords_open_nothing(folder: Path) -> None:
    """It stays encrypted, and nothing is claimed."""
    octets = made(folder, ["7zz", "a", "-tzip", "-psecret", "a.zip", "p.exe"], result="a.zip")
    found = examined(octets, Request(passwords=tuple(f"wrong{number}" for number in range(300))))
    assert Flag.ENCRYPTED in found.flags
    assert Flag.MAIL_PASSWORD not in found.flags


def test_what_clamd_does_not_open_is_given(folder: Path) -> None:
    """A 7z with a program behind a picture, zstd; not a plain zip."""
    assert examined(made(folder, ["zstd", "-q", "-k", "p.exe"], result="p.exe.zst")).given == {(1,): PROGRAM}
    assert not examined(zipped({"p.exe": PROGRAM})).given


def test_an_archive_behind_a_program_is_found(folder: Path) -> None:
    """A self-extractor's stub may be of any length."""
    octets = PROGRAM + made(folder, ["7zz", "a", "a.7z", "p.exe"], result="a.7z")
    assert "exe-ms" in examined(octets).named("p.exe").kinds


def test_a_broken_archive_is_undecodable() -> None:
    """What came out before stands."""
    octets = tarred({"first.txt": b"1" * 600, "second.txt": b"2" * 600})
    found = examined(octets[:1536] + b"\xff" * 2000)
    assert "first.txt" in found.names
    assert Flag.UNDECODABLE in found.flags


def test_directories_and_links_are_told() -> None:
    """They have no octets."""
    octets = io.BytesIO()
    with tarfile.open(fileobj=octets, mode="w") as archive:
        for name, kind in (("d", tarfile.DIRTYPE), ("l", tarfile.SYMTYPE), ("f", tarfile.FIFOTYPE)):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, "/etc/passwd"
            archive.addfile(entry)
    flags = [member.flags for member in examined(octets.getvalue()).members if member.path]
    assert flags == [{Flag.DIRECTORY}, {Flag.LINK}, {Flag.SPECIAL}]


def test_a_volume_of_a_rar_is_a_fragment() -> None:
    """RAR 4 and RAR 5 say so in their first header."""
    old = b"Rar!\x1a\x07\x00" + b"\x00\x00\x73\x01\x00\x0d\x00" + bytes(6)
    new = b"Rar!\x1a\x07\x01\x00" + bytes(4) + b"\x05\x01\x00\x01\x00" + bytes(20)
    assert Flag.FRAGMENT in examined(old).leaf.flags
    assert Flag.FRAGMENT in examined(new).leaf.flags


def test_a_rar_with_an_encrypted_list_is_encrypted() -> None:
    """RAR 4 and RAR 5."""
    old = b"Rar!\x1a\x07\x00" + b"\x00\x00\x73\x80\x00\x0d\x00" + bytes(6)
    new = b"Rar!\x1a\x07\x01\x00" + bytes(4) + b"\x21\x04\x00\x00\x01\x0f" + bytes(30)
    assert Flag.ENCRYPTED in examined(old).leaf.flags
    assert Flag.ENCRYPTED in examined(new).leaf.flags


def test_members_of_a_volume_of_a_rar_are_told() -> None:
    """That it is a volume is told as well; so is that a member is encrypted."""
    volume = examined(rar4("p.exe", PROGRAM, main_bits=1))
    assert Flag.FRAGMENT in volume.leaf.flags
    assert volume.given == {(1,): PROGRAM}
    assert Flag.FRAGMENT in examined(rar5("p.exe", PROGRAM, main_bits=1)).leaf.flags
    shut = examined(rar4("p.exe", PROGRAM, file_bits=4))
    assert shut.flags & {Flag.ENCRYPTED, Flag.UNDECODABLE}
    assert "p.exe" in shut.names


def test_names_are_told_in_every_reading() -> None:
    """What is no ASCII may be read in several ways."""
    assert readings(b"plain") == ("plain",)
    assert readings("ü".encode()) == ("ü", "Ã¼")
    assert readings(b"\x81", is_zip=True) == ("ü", "\x81")


def test_two_gzip_files_in_a_row_are_one_content() -> None:
    """As gunzip does it."""
    assert examined(gzip.compress(b"MZ") + gzip.compress(b"x" * 70)).members[0].size == 72
