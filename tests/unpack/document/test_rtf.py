# SPDX-License-Identifier: GPL-3.0-or-later
"""RTF: objects, however their digits are scattered, and what is fetched."""

import struct

import pytest

from milterguard.core.part import Flag
from milterguard.unpack.document import rtf
from tests.unpack.document.cfb import compound, package
from tests.unpack.document.looking import CLAM, look_at

EXE = b"MZ" + bytes(range(256))
NAMES = ("a.exe", "C:\\a.exe", "C:\\Temp\\a.exe")


def wrapped(name: bytes, data: bytes, *, kind: int = 2) -> bytes:
    """Return an OLE 1 object."""
    head = struct.pack("<III", 0x501, kind, len(name) + 1) + name + b"\0"
    return head + struct.pack("<III", 0, 0, len(data)) + data


PACKAGE = wrapped(b"Package", package(b"a.exe", EXE)[4:])
HEX = PACKAGE.hex().encode()


def document(digits: bytes, *, before: bytes = b"") -> bytes:
    return b"{\\rtf1 " + before + b"{\\object\\objemb{\\*\\objdata " + digits + b"}{\\result x}}}"


def test_an_object_is_taken_out() -> None:
    """With the names of the package."""
    seen = look_at(rtf.look, document(b"\r\n".join(HEX[at : at + 64] for at in range(0, len(HEX), 64))))
    assert seen.children == [(NAMES, EXE)]
    assert (seen.flags, seen.hidden) == ({Flag.EMBEDDED}, 0)


@pytest.mark.parametrize(
    "digits",
    [
        b"{\\x }".join(HEX[at : at + 9] for at in range(0, len(HEX), 9)),
        b"\\'41".join(HEX[at : at + 9] for at in range(0, len(HEX), 9)),
        HEX[:100] + b"{\\*\\unknown 4142{43}44}" + HEX[100:],
        HEX[:100] + b"{\\known " + HEX[100:200] + b"}" + HEX[200:],
        HEX[:100] + b"\\bin10 " + PACKAGE[50:60] + HEX[120:],
        HEX[:101] + b"zzz\x80;" + HEX[101:].upper(),
        b"\\par\\objx1 " + HEX,
    ],
    ids=["groups", "quotes", "unknown destination", "nested", "binary", "junk", "control words"],
)
def test_an_object_whose_digits_are_scattered_is_taken_out(digits: bytes) -> None:
    """And clamd is given it."""
    seen = look_at(rtf.look, document(digits))
    assert seen.children == [(NAMES, EXE)]
    assert seen.hidden == 1


def test_an_object_in_an_object_is_taken_out() -> None:
    """Where the first one is not closed."""
    seen = look_at(rtf.look, document(b"0102{\\*\\objdata " + HEX))
    assert (NAMES, EXE) in seen.children


def test_a_compound_file_is_taken_out() -> None:
    """Even when its head lies about its length."""
    inner = compound({"x": b"y"})
    octets = wrapped(b"Word.Document.8", inner).replace(struct.pack("<I", len(inner)), b"\xff\xff\0\0", 1)
    assert look_at(rtf.look, document(octets.hex().encode())).children == [((), inner)]


def test_what_is_no_object_is_told_whole() -> None:
    """Nothing is dropped."""
    assert look_at(rtf.look, document(b"4d5a90")).children == [((), b"MZ\x90")]


@pytest.mark.parametrize(
    "found", [wrapped(b"OLE2Link", b"x"), wrapped(b"Equation.3", b"x"), wrapped(b"A", b"x", kind=1)]
)
def test_an_object_that_fetches_is_told(found: bytes) -> None:
    """Links, and the editor of formulas that is only ever abused."""
    assert Flag.EXTERNAL in look_at(rtf.look, document(found.hex().encode())).flags


@pytest.mark.parametrize(
    "text", [b"{\\*\\template http://x.example/a.dotm}", b'{\\field{\\*\\fldinst DDEAUTO cmd "/c calc"}}']
)
def test_what_is_fetched_is_told(text: bytes) -> None:
    """Templates and DDE."""
    assert look_at(rtf.look, b"{\\rtf1 " + text + b"}").flags == {Flag.EXTERNAL}


def test_a_template_on_a_disk_is_not_told() -> None:
    """It is that of whoever wrote it."""
    assert look_at(rtf.look, b"{\\rtf1 {\\*\\template C:\\\\Normal.dot}}").flags == set()


def test_a_real_one_gives_its_program() -> None:
    """With its names."""
    ((names, octets),) = look_at(rtf.look, (CLAM / "clam.exe.rtf").read_bytes()).children
    assert octets == (CLAM / "clam.exe").read_bytes()
    assert "Clam.exe" in names
