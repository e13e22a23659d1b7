# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives as honest programs write them are not ambiguous: that is a reason to reject a message."""

import io
import struct
import sys
import zipapp
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from milterguard.core.part import Flag
from milterguard.unpack.kind import HEAD_BYTES, TAIL_BYTES, kinds_of
from milterguard.unpack.member import Request
from tests.unpack.examined import EXECUTABLE, Examined, examined, made, zipped

TEXT = b"harmless text\n" * 200
WRONG = {Flag.AMBIGUOUS, Flag.UNDECODABLE, Flag.ENCRYPTED}


class Pipe(io.BytesIO):
    """Takes what is written, and cannot go back."""

    def seekable(self) -> bool:
        return False

    def tell(self) -> int:
        raise OSError("a pipe")


def seen(octets: bytes) -> Examined:
    return examined(octets, Request(kinds=kinds_of(octets[:HEAD_BYTES], octets[-TAIL_BYTES:], len(octets))))


def streamed(names: list[str], *, method: int = zipfile.ZIP_DEFLATED, is_wide: bool = False) -> bytes:
    """A zip whose sizes follow the octets."""
    octets = Pipe()
    with zipfile.ZipFile(octets, "w", method) as archive:
        for name in names:
            with archive.open(name, "w", force_zip64=is_wide) as file:
                file.write(TEXT)
    return octets.getvalue()


def commented(octets: bytes, comment: bytes) -> bytes:
    return octets[:-2] + struct.pack("<H", len(comment)) + comment


def office(names: tuple[str, ...]) -> bytes:
    return zipped({"[Content_Types].xml": TEXT, "_rels/.rels": TEXT, **dict.fromkeys(names, TEXT)})


def stored_first(mimetype: str) -> bytes:
    """ODF and EPUB: the type stands first and is not compressed."""
    octets = io.BytesIO()
    with zipfile.ZipFile(octets, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", mimetype, zipfile.ZIP_STORED)
        archive.mkdir("META-INF")
        archive.writestr("META-INF/manifest.xml", TEXT)
        archive.writestr("content.xml", TEXT)
    return octets.getvalue()


def shifted(front: bytes, *, is_counted: bool) -> bytes:
    """A zip behind something; its offsets may count that."""
    octets = io.BytesIO()
    if is_counted:
        octets.write(front)
    with zipfile.ZipFile(octets, "a" if is_counted else "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", TEXT)
    return octets.getvalue() if is_counted else front + octets.getvalue()


def signed_package() -> bytes:
    """An Android package: a block of signatures before the directory."""
    octets = zipped({"AndroidManifest.xml": TEXT, "classes.dex": b"dex\n035\0" + TEXT})
    *_, size, offset, _ = struct.unpack("<4s4H2LH", octets[-22:])
    pairs = struct.pack("<QL", 1004, 0x7109871A) + bytes(1000)
    length = struct.pack("<Q", len(pairs) + 24)
    block = length + pairs + length + b"APK Sig Block 42"
    end = octets[-22:-6] + struct.pack("<LH", offset + len(block), 0)
    return octets[:offset] + block + octets[offset : offset + size] + end


def aligned() -> bytes:
    """zipalign pads stored members by zeros in the extra field."""
    raw, name = TEXT, b"resources.arsc"
    head = struct.pack("<3L2H", 0, len(raw), len(raw), len(name), 3)
    local = struct.pack("<4s5H", b"PK\3\4", 20, 0, 0, 0, 0) + head + name + bytes(3) + raw
    head = struct.pack("<3L5H2L", 0, len(raw), len(raw), len(name), 0, 0, 0, 0, 0, 0)
    central = struct.pack("<4s6H", b"PK\1\2", 20, 20, 0, 0, 0, 0) + head + name
    return local + central + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, len(central), len(local), 0)


def application(script: bytes) -> bytes:
    return script + zipped({"__main__.py": TEXT})


WRITTEN: dict[str, Callable[[], bytes]] = {
    "stored": lambda: zipped({"a.txt": TEXT}, method=zipfile.ZIP_STORED),
    "bzip2": lambda: zipped({"a.txt": TEXT}, method=zipfile.ZIP_BZIP2),
    "LZMA": lambda: zipped({"a.txt": TEXT}, method=zipfile.ZIP_LZMA),
    "empty": lambda: zipped({}),
    "with an empty file": lambda: zipped({"empty": b"", "a.txt": TEXT}),
    "with a comment": lambda: commented(zipped({"a.txt": TEXT}), b"a comment"),
    "with the longest comment": lambda: commented(zipped({"a.txt": TEXT}), b"c" * 65535),
    "to a pipe": lambda: streamed(["a.txt", "b.txt"]),
    "to a pipe, stored": lambda: streamed(["a.txt", "b.txt"], method=zipfile.ZIP_STORED),
    "to a pipe, 64 bits": lambda: streamed(["a.txt", "b.txt"], is_wide=True),
    "to a pipe, stored, 64 bits": lambda: streamed(["a.txt"], method=zipfile.ZIP_STORED, is_wide=True),
    "a zip, stored in a zip": lambda: zipped({"in.zip": zipped({"a.txt": TEXT})}, method=zipfile.ZIP_STORED),
    "a zip to a pipe, stored in another": lambda: zipped({"in.zip": streamed(["a.txt"])}, method=zipfile.ZIP_STORED),
    "two zips, stored in a zip": lambda: zipped(
        {"1.zip": zipped({"a.txt": TEXT}), "2.zip": zipped({"a.txt": TEXT})}, method=zipfile.ZIP_STORED
    ),
    "docx": lambda: office(("word/document.xml", "docProps/app.xml")),
    "xlsx": lambda: office(("xl/workbook.xml", "xl/worksheets/sheet1.xml")),
    "odt": lambda: stored_first("application/vnd.oasis.opendocument.text"),
    "epub": lambda: stored_first("application/epub+zip"),
    "macOS": lambda: streamed(["a.txt", "__MACOSX/._a.txt"]),
    "android": signed_package,
    "aligned": aligned,
    "self-extracting": lambda: shifted(EXECUTABLE.read_bytes(), is_counted=False),
    "self-extracting, adjusted": lambda: shifted(EXECUTABLE.read_bytes(), is_counted=True),
    "script in front": lambda: application(b"#!/bin/sh\nexec java -jar $0\n"),
    "extension of Chrome": lambda: b"Cr24\x03\0\0\0\x10\0\0\0" + bytes(16) + zipped({"manifest.json": TEXT}),
    "large count": lambda: zipped({f"{number}": b"" for number in range(66_000)}, method=zipfile.ZIP_STORED),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_a_zip_that_nobody_forged_is_not_ambiguous(name: str) -> None:
    """Whichever library wrote it."""
    found = seen(WRITTEN[name]())
    assert {(member.path, flag, member.detail) for member in found.members for flag in member.flags & WRONG} == set()


@pytest.mark.parametrize(
    ("command", "result"),
    [
        ("zip -q o.zip a.txt b/c.txt b", "o.zip"),
        ("zip -q - a.txt b/c.txt > o.zip", "o.zip"),
        ("zip -q -0 - a.txt > o.zip", "o.zip"),
        ("zip -q -fz o.zip a.txt", "o.zip"),
        ("cat a.txt | zip -q - - > o.zip", "o.zip"),
        ("zip -q -Z bzip2 o.zip a.txt", "o.zip"),
        ("zip -q o.zip a.txt && echo comment | zip -q -z o.zip", "o.zip"),
        ("zip -q o.zip a.txt && zip -q o.zip b/c.txt && zip -q -d o.zip a.txt", "o.zip"),
        ("7zz a -bd -tzip -mm=Deflate64 o.zip a.txt b", "o.zip"),
        ("7zz a -bd -tzip -mm=LZMA o.zip a.txt b", "o.zip"),
        ("7zz a -bd -tzip -mm=PPMd o.zip a.txt b", "o.zip"),
        ("7zz a -bd -tzip -mx=0 o.zip a.txt b", "o.zip"),
        ("7zz a -bd -tzip -si o.zip < a.txt", "o.zip"),
        ("7zz a -bd o.7z a.txt b", "o.7z"),
        ("tar -cf o.tar a.txt b", "o.tar"),
        ("tar --format=posix -cf o.tar a.txt b", "o.tar"),
        ("tar --format=v7 -cf o.tar a.txt b", "o.tar"),
        ("tar --sparse -cf o.tar a.txt b", "o.tar"),
        ("tar -cf o.tar a.txt && tar -rf o.tar b", "o.tar"),
        ("tar -czf o.tgz a.txt b", "o.tgz"),
        ("tar -cJf o.txz a.txt b", "o.txz"),
        ("cat a.txt | gzip > o.gz", "o.gz"),
        ("cat a.txt | xz > o.xz", "o.xz"),
    ],
)
def test_what_programs_write_is_not_ambiguous(tmp_path: Path, command: str, result: str) -> None:
    """In the ways that people use them."""
    (tmp_path / "b").mkdir()
    (tmp_path / "a.txt").write_bytes(TEXT)
    (tmp_path / "b" / "c.txt").write_bytes(TEXT[:1000])
    flags = seen(made(tmp_path, ["sh", "-c", command], result=result)).flags & WRONG
    assert flags <= ({Flag.UNDECODABLE} if "Deflate64" in command else set())


def test_a_python_application_is_not_ambiguous(tmp_path: Path) -> None:
    """A line of script, then a zip."""
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "__main__.py").write_bytes(TEXT)
    zipapp.create_archive(tmp_path / "app", tmp_path / "app.pyz", interpreter=sys.executable)
    assert not seen((tmp_path / "app.pyz").read_bytes()).flags & WRONG
