# SPDX-License-Identifier: GPL-3.0-or-later
"""What files are by their octets."""

import gzip
import io
import random
import tarfile
import timeit
import zipfile

import pytest

from milterguard.unpack.kind import HEAD_BYTES, TAIL_BYTES, is_openable, is_text, kinds_of
from milterguard.unpack.magic_kind import kinds_of_description
from tests.unpack.examined import TESTFILES, tarred, zipped

JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + bytes(range(256)) * 8


@pytest.mark.parametrize(
    ("octets", "kinds"),
    [
        (b"", ("empty",)),
        (b"Hello, world.\n", ("asc",)),
        ("Grüße\n".encode(), ("txt",)),
        ("\ufeffWide".encode("utf-16-le"), ("txt",)),
        (b"<!DOCTYPE html><html>", ("html", "asc")),
        (b"<?xml version='1.0'?><a/>", ("xml", "asc")),
        (b"#!/usr/bin/perl -w\nprint 1;\n", ("txt", "perl", "asc")),
        (b"@echo off\r\ndel x\r\n", ("txt", "bat", "asc")),
        (b"Received: from a by b\r\n\tfor c\r\nSubject: x\r\n\r\nbody", ("mail",)),
        (b"Cc: a@example.org\r\nSubject: x\r\n\r\nbody", ("mail",)),
        (b"ARC-Seal: i=1;\r\n\ta=rsa\r\nTo: b\r\n\r\n\0", ("mail",)),
        (b"\r\n\r\nReceived: from a\r\n\tby b\r\n\r\n", ("mail",)),
        (b"\xef\xbb\xbfFrom: a\r\nTo: b\r\n\r\n", ("mail", "txt")),
        (b"Content-Type: multipart/mixed;\r\n\tboundary=b\r\n\r\n--b\r\n\0", ("mail",)),
        (b"Content-Type: this is what a text on mail may begin with\r\nand so it goes on\r\n", ("asc",)),
        (b"\0\5\x16\0" + bytes(40), ("applesingle",)),
        (b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00" + bytes(46), ("exe", "exe-unix")),
        (b"\xca\xfe\xba\xbe\x00\x00\x00\x34" + bytes(90), ("java",)),
        (b"\xca\xfe\xba\xbe\x00\x00\x00\x02" + bytes(90), ("exe", "exe-unix")),
        (b"%PDF-1.7\n" + bytes(range(256)), ("pdf",)),
        (b"junk\x00%PDF-1.7\n" + bytes(range(256)), ("pdf",)),
        (b"{\\rt\x01", ("rtf",)),
        (b"\x4c\x00\x00\x00\x01\x14\x02\x00" + bytes(70), ("lnk",)),
        (b"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d\xae\xb1\x53\x78\xd0\x29\x96\xd3", ("one",)),
        (b"\x00" * 16, ("dat",)),
        (JPEG, ("image", "jpg")),
        (b"-----BEGIN PGP MESSAGE-----\n", ("pgp", "pgp.enc")),
        (gzip.compress(b"x"), ("gz",)),
        (b"\x1f\x9d\x90abc", ("Z",)),
        (b"\x1f\x9dabc", ("dat",)),
        (b"MZ", ("exe", "exe-ms")),
        (b"MZ is how a letter to Mozart might begin, and it goes on for some time like that.", ("asc",)),
        (b"BZh is no archive", ("asc",)),
        (b"begin 644 a.exe\n#0V%T\n`\nend\n", ("uue", "asc")),
        (b"begin 644 things today\nand then rest\n", ("asc",)),
    ],
)
def test_octets_have_kinds(octets: bytes, kinds: tuple[str, ...]) -> None:
    """The first octets tell."""
    assert kinds_of(octets) == kinds


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("clam.exe", "exe-ms"),
        ("clam.7z", "7z"),
        ("clam.arj", "arj"),
        ("clam.cab", "cab"),
        ("clam.bin-be.cpio", "cpio"),
        ("clam.bin-le.cpio", "cpio"),
        ("clam.newc.cpio", "cpio"),
        ("clam.chm", "chm"),
        ("clam.exe.binhex", "hqx"),
        ("clam.exe.bz2", "bz2"),
        ("clam.exe.html", "html"),
        ("clam.exe.szdd", "szdd"),
        ("clam.exe.rtf", "rtf"),
        ("clam.mail", "mail"),
        ("clam.ole.doc", "doc"),
        ("clam.ppt", "ppt"),
        ("clam.pdf", "pdf"),
        ("clam.sis", "sis"),
        ("clam.tnef", "tnef"),
        ("clam.zip", "zip"),
    ],
)
def test_files_of_clamav_have_their_kinds(name: str, kind: str) -> None:
    """Real files of all kinds are known."""
    octets = TESTFILES.joinpath(name).read_bytes()
    assert kind in kinds_of(octets[:HEAD_BYTES], octets[-TAIL_BYTES:], len(octets))


def test_a_dll_is_no_plain_program() -> None:
    """amavis says exe and dll of a library."""
    octets = bytearray(TESTFILES.joinpath("clam.exe").read_bytes())
    octets[int.from_bytes(octets[60:64], "little") + 23] |= 0x20
    assert kinds_of(bytes(octets)) == ("exe", "dll")


def test_a_picture_with_a_zip_behind_it_is_both() -> None:
    """Every program's view counts."""
    octets = JPEG + zipped({"a.txt": b"x" * 500})
    assert kinds_of(octets[:100], octets[100:], len(octets)) == ("image", "jpg", "zip")


def test_a_self_extractor_is_program_and_zip() -> None:
    """The end record of the zip is found in the last octets."""
    octets = TESTFILES.joinpath("clam.exe").read_bytes() + zipped({"a.txt": b"x"})
    assert kinds_of(octets) == ("exe", "exe-ms", "zip")


def test_a_zip_stored_in_a_tar_makes_no_zip_of_the_tar() -> None:
    """An end record that is not at the end is somebody else's."""
    assert kinds_of(tarred({"a.zip": zipped({"b": b"c"})})) == ("tar",)


def test_an_old_tar_is_known_by_its_checksum() -> None:
    """Before POSIX there was no magic."""
    octets = io.BytesIO()
    with tarfile.open(fileobj=octets, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a"))
    header = bytearray(octets.getvalue())
    header[257:265] = bytes(8)
    header[148:156] = b" " * 8
    header[148:155] = f"{sum(header[:512]):06o}\0".encode()
    assert "tar" in kinds_of(bytes(header))


def test_office_documents_are_zip_and_document() -> None:
    """amavis' rules for doc go on working, and so do those for zip."""
    octets = zipped({"[Content_Types].xml": b"<x/>", "word/document.xml": b"<y/>"})
    assert kinds_of(octets) == ("zip", "docx", "doc")


def test_an_odt_is_told_by_its_first_member() -> None:
    """The type stands first, stored."""
    octets = zipped({"mimetype": b"application/vnd.oasis.opendocument.text"}, method=zipfile.ZIP_STORED)
    assert kinds_of(octets) == ("zip", "odt")


def test_what_can_hold_files_is_openable() -> None:
    """Text and pictures are not worth a process."""
    assert is_openable(("image", "zip"))
    assert is_openable(("exe", "exe-ms"))
    assert not is_openable(("asc",))
    assert not is_openable(("image", "jpg"))


def test_control_characters_are_no_text() -> None:
    """Tabs, line ends, form feeds and escapes are."""
    assert is_text(b"a\tb\r\n\x0c\x1b[1m")
    assert not is_text(b"a\x00b")
    assert not is_text(b"a\x01b")


def test_any_octets_have_some_kind() -> None:
    """Nothing raises, and nothing is of no kind."""
    chance = random.Random(3)
    starts = [
        b"",
        b"MZ",
        b"PK\x03\x04",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        b"\x60\xea",
        b"\x1a\x05",
        b"\xc7\x71",
        b"RIFF",
    ]
    for _ in range(500):
        octets = chance.choice(starts) + chance.randbytes(chance.randrange(0, 700))
        assert kinds_of(octets)


def test_it_costs_microseconds() -> None:
    """Every part of every message is asked."""
    text = b"Hello world, this is some text.\r\n" * 2000
    seconds = min(
        timeit.repeat(lambda: kinds_of(text[:HEAD_BYTES], text[-TAIL_BYTES:], len(text)), number=100, repeat=3)
    )
    assert seconds / 100 < 0.001


@pytest.mark.parametrize(
    ("description", "kinds"),
    [
        ("PE32 executable (DLL) (GUI) Intel 80386, for MS Windows, 4 sections", ("exe", "dll")),
        ("PE32+ executable (console) x86-64, for MS Windows", ("exe", "exe-ms")),
        ("ELF 64-bit LSB pie executable, x86-64", ("exe", "exe-unix")),
        ("COM executable for DOS", ("dat",)),
        ("Zip archive data, at least v2.0 to extract", ("zip",)),
        ("Microsoft Word 2007+", ("doc",)),
        ("Composite Document File V2 Document, Little Endian", ("cdf-ms",)),
        ("ISO-8859 text, with CRLF line terminators", ("txt",)),
        ("ASCII text", ("asc",)),
        ("Unicode text, UTF-8 text", ("txt",)),
        ("Python script, ASCII text executable", ("txt",)),
        ("JPEG image data, JFIF standard 1.01", ("image", "jpg")),
        ("RIFF (little-endian) data, AVI, 320 x 240", ("movie", "avi")),
        ("something new", ("dat",)),
    ],
)
def test_descriptions_have_kinds(description: str, kinds: tuple[str, ...]) -> None:
    """What file(1) says becomes amavis' short names."""
    assert kinds_of_description(description) == kinds
