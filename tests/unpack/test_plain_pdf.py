# SPDX-License-Identifier: GPL-3.0-or-later
"""A PDF that is called plain has nothing that its reader would tell; whatever is not certain is looked into."""

import contextlib
import os
import random
import struct
import zlib
from collections.abc import Callable

import pikepdf
import pytest
from pikepdf import Dictionary, Name, ObjectStreamMode

from milterguard.core.part import Flag
from milterguard.unpack.document import pdf
from milterguard.unpack.plain_pdf import is_plain
from milterguard.unpack.source import Undecodable
from milterguard.unpack.survey import survey
from tests.unpack.document.looking import CLAM, look_at
from tests.unpack.document.test_mutations import mutated
from tests.unpack.document.test_pdf import made, opens_with, scripted, with_file

Change = Callable[[pikepdf.Pdf], object]
MIB = 1 << 20


def open_document(change: Change = lambda document: None, *, padding: int = 0) -> bytes:
    """Return a PDF whose objects all stand in the open, with an image of so many octets."""

    def padded(document: pikepdf.Pdf) -> None:
        change(document)
        document.Root.Image = document.make_stream(random.Random(1).randbytes(padding))

    how = {"object_stream_mode": ObjectStreamMode.disable, "compress_streams": False}
    return made(padded if padding else change, **how)


def acting(document: pikepdf.Pdf) -> None:
    document.pages[0].obj.AA = Dictionary(O=Dictionary(S=Name.URI, URI="http://x.example/"))


def with_form(document: pikepdf.Pdf) -> None:
    document.Root.AcroForm = Dictionary(XFA=document.make_stream(b"<script"))


TELLING: dict[str, Change] = {
    "script": scripted,
    "file": with_file,
    "action": opens_with(S=Name.Launch),
    "action of a page": acting,
    "form": with_form,
}


@pytest.mark.parametrize("padding", [0, 1000, 3 * MIB])
def test_a_document_without_anything_is_plain(padding: int) -> None:
    """And no process is made for it."""
    octets = open_document(padding=padding)
    assert is_plain([octets])
    seen = survey(lambda: iter([octets[:700], octets[700:]]))
    assert (seen.kinds, seen.file) == (("pdf",), None)


@pytest.mark.parametrize("name", TELLING)
def test_a_telling_document_is_not(name: str) -> None:
    """Its reader tells of it, so it has to be asked."""
    octets = open_document(TELLING[name], padding=1000)
    seen = look_at(pdf.look, octets)
    assert seen.flags
    assert not is_plain([octets])


@pytest.mark.parametrize("padding", [0, 3 * MIB])
def test_a_telling_document_is_written_to_a_file(padding: int) -> None:
    """As everything that is opened."""
    octets = open_document(scripted, padding=padding)
    seen = survey(lambda: iter([octets]))
    assert seen.file is not None
    assert os.pread(seen.file, len(octets) + 1, 0) == octets
    os.close(seen.file)


@pytest.mark.parametrize(
    "octets",
    [
        made(object_stream_mode=ObjectStreamMode.generate),
        made(encryption=pikepdf.Encryption(owner="x", user="")),
        made(force_version="2.0", object_stream_mode=ObjectStreamMode.disable),
        b"x\n" + open_document(),
        open_document() + b"x",
        open_document()[:-8],
        open_document().replace(b"trailer", b"railert"),
        (CLAM / "clam.pdf").read_bytes(),
        b"%PDF-1.4 is what a document begins with.\n" * 50,
        b"",
    ],
    ids=[
        "object streams",
        "encrypted",
        "2.0",
        "in front",
        "behind",
        "cut short",
        "no trailer",
        "clam",
        "text",
        "empty",
    ],
)
def test_what_is_not_certain_is_not_plain(octets: bytes) -> None:
    """Whatever it may be."""
    assert not is_plain([octets])


@pytest.mark.parametrize(
    "name", ["JavaScript", "JS", "EF", "OpenAction", "AA", "Launch", "XFA", "ObjStm", "XRef", "Encrypt"]
)
@pytest.mark.parametrize("how", ["#%02x", "#%02X"])
def test_a_disguised_name_is_not_plain(name: str, how: str) -> None:
    """One letter in hex, whichever, or all of them."""
    spellings = [name[:at] + how % ord(name[at]) + name[at + 1 :] for at in range(len(name))]
    for spelling in (name, *spellings, "".join(how % ord(letter) for letter in name)):
        octets = open_document().replace(b"/Root", b"/" + spelling.encode() + b" 1 /Root")
        assert not is_plain([octets]), spelling


def packed(reference_type: bytes, object_type: bytes, trailer: bytes) -> bytes:
    """Return a PDF that starts a script, all its objects in a stream of objects, and a trailer for show."""
    found = bytearray(b"%PDF-1.7\n")
    starts: list[int] = []

    def write(number: int, dictionary: bytes, octets: bytes) -> None:
        starts.append(len(found))
        found.extend(b"%d 0 obj\n<< %s /Length %d >>\nstream\n" % (number, dictionary, len(octets)))
        found.extend(octets + b"\nendstream\nendobj\n")

    objects = {
        1: b"<< /Type /Catalog /Pages 2 0 R /OpenAction 4 0 R >>",
        2: b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        3: b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 100 100] >>",
        4: b"<< /S /JavaScript /JS (app.alert\\(1\\)) >>",
    }
    head = body = b""
    for number, each in objects.items():
        head += b"%d %d " % (number, len(body))
        body += each + b"\n"
    write(5, b"%s /N 4 /First %d /Filter /FlateDecode" % (object_type, len(head)), zlib.compress(head + body))
    rows = [(0, 0, 65535), *((2, 5, index) for index in range(4)), (1, starts[0], 0), (1, len(found), 0)]
    table = b"".join(struct.pack(">BIH", *row) for row in rows)
    write(6, b"%s /Size 7 /W [1 4 2] /Root 1 0 R /Filter /FlateDecode" % reference_type, zlib.compress(table))
    return bytes(found) + trailer + b"startxref\n%d\n%%%%EOF\n" % starts[1]


@pytest.mark.parametrize("reference_type", [b"/Type /XRef", b""])
@pytest.mark.parametrize("object_type", [b"/Type /ObjStm", b""])
@pytest.mark.parametrize("trailer", [b"trailer\n<< /Size 7 /Root 1 0 R >>\n", b"%trailer\n"])
def test_objects_in_a_stream_are_never_plain(reference_type: bytes, object_type: bytes, trailer: bytes) -> None:
    """Some programs read them whatever type the stream is said to be of, and look for no other trailer."""
    octets = packed(reference_type, object_type, trailer)
    assert not is_plain([octets])
    if reference_type:
        assert Flag.JAVASCRIPT in look_at(pdf.look, octets).flags


def test_an_outline_alone_hides_nothing() -> None:
    """Nor do widths: it takes all three names to have objects in a stream."""
    octets = open_document().replace(b"/Root", b"/First 1 /W 1 /Root")
    assert is_plain([octets])
    assert not is_plain([octets.replace(b"/Root", b"/N 1 /Root")])


def test_a_name_across_two_blocks_is_seen() -> None:
    """Wherever the cut is."""
    octets = open_document(scripted)
    for at in range(1, len(octets)):
        assert not is_plain([octets[:at], octets[at:]])
    assert not is_plain(octets[at : at + 1] for at in range(len(octets)))


def test_a_plain_document_is_plain_in_whatever_blocks() -> None:
    """One octet at a time, too, once its beginning is whole."""
    octets = open_document()
    for at in range(7, len(octets)):
        assert is_plain([octets[:at], octets[at:]])


@pytest.mark.parametrize("name", [*TELLING, "nothing"])
@pytest.mark.parametrize("seed", range(3))
def test_its_reader_has_nothing_to_tell(name: str, seed: int) -> None:
    """Of documents with octets changed, cut out and doubled: what is plain has no flags and no files, or is broken."""
    chance = random.Random(f"{name} {seed}")
    octets = open_document(TELLING.get(name, lambda document: None), padding=200)
    plain = 0
    for _ in range(200):
        changed = mutated(octets, chance)
        if is_plain([changed]):
            plain += 1
            with contextlib.suppress(Undecodable):
                seen = look_at(pdf.look, changed)
                assert (seen.flags - {Flag.OVER_LIMITS}, seen.children) == (set(), [])
    assert plain or name != "nothing"
