# SPDX-License-Identifier: GPL-3.0-or-later
"""PDF: files, scripts and actions in it, and what is encrypted."""

import io
from collections.abc import Callable

import pikepdf
import pytest
from pikepdf import Array, Dictionary, Name

from milterguard.core.part import Flag
from milterguard.unpack.document import pdf
from milterguard.unpack.source import Undecodable
from tests.unpack.document.looking import CLAM, look_at

EXE = b"MZ" + bytes(300)


def made(change: Callable[[pikepdf.Pdf], object] = lambda document: None, **how: object) -> bytes:
    """Return a PDF of one page that was changed."""
    out = io.BytesIO()
    with pikepdf.new() as document:
        document.add_blank_page()
        change(document)
        document.save(out, **how)  # type: ignore[arg-type]
    return out.getvalue()


def opens_with(**action: object) -> Callable[[pikepdf.Pdf], object]:
    def change(document: pikepdf.Pdf) -> None:
        document.Root.OpenAction = Dictionary({f"/{key}": value for key, value in action.items()})

    return change


def scripted(document: pikepdf.Pdf) -> None:
    script = document.make_indirect(Dictionary(S=Name.JavaScript, JS="app.alert(1)"))
    document.Root.Names = Dictionary(JavaScript=Dictionary(Names=Array(["x", script])))


def with_file(document: pikepdf.Pdf) -> None:
    document.attachments["a.exe"] = EXE


def test_a_plain_document_is_plain() -> None:
    """With nothing told of it."""
    assert look_at(pdf.look, made()).flags == set()


@pytest.mark.parametrize("mode", list(pikepdf.ObjectStreamMode))
def test_a_script_is_told(mode: pikepdf.ObjectStreamMode) -> None:
    """Inside an object stream, too."""
    assert look_at(pdf.look, made(scripted, object_stream_mode=mode)).flags == {Flag.JAVASCRIPT}


def test_a_script_under_a_disguised_name_is_told() -> None:
    """Names may be written in hex."""
    octets = made(scripted).replace(b"/JavaScript", b"/Java#53cript").replace(b"/JS", b"/#4aS")
    assert look_at(pdf.look, octets).flags == {Flag.JAVASCRIPT}


def test_a_script_that_starts_by_itself_is_both() -> None:
    """Script and action."""
    seen = look_at(pdf.look, made(opens_with(S=Name.JavaScript, JS="app.alert(1)")))
    assert seen.flags == {Flag.JAVASCRIPT, Flag.AUTOACTION}


@pytest.mark.parametrize("action", [Name.Launch, Name.SubmitForm, Name.GoToR, Name.GoToE, Name.URI])
def test_an_action_on_opening_is_told(action: Name) -> None:
    """Whatever leaves the document."""
    assert look_at(pdf.look, made(opens_with(S=action))).flags == {Flag.AUTOACTION}


def test_an_action_behind_a_harmless_one_is_told() -> None:
    """They form a chain."""
    change = opens_with(S=Name.GoTo, Next=Array([Dictionary(S=Name.Launch)]))
    assert look_at(pdf.look, made(change)).flags == {Flag.AUTOACTION}


@pytest.mark.parametrize("action", [Name.GoTo, Name.Named])
def test_a_place_in_the_document_is_no_action(action: Name) -> None:
    """Half of all documents open at one."""
    assert look_at(pdf.look, made(opens_with(S=action))).flags == set()


def test_an_action_of_a_page_is_told() -> None:
    """When it is shown."""

    def change(document: pikepdf.Pdf) -> None:
        document.pages[0].obj.AA = Dictionary(O=Dictionary(S=Name.URI, URI="http://x.example/"))

    assert look_at(pdf.look, made(change)).flags == {Flag.AUTOACTION}


@pytest.mark.parametrize("mode", list(pikepdf.ObjectStreamMode))
def test_a_file_is_taken_out(mode: pikepdf.ObjectStreamMode) -> None:
    """With its name, once."""
    seen = look_at(pdf.look, made(with_file, object_stream_mode=mode))
    assert seen.children == [(("a.exe",), EXE)]
    assert seen.flags == {Flag.EMBEDDED}


def test_a_file_at_the_end_of_filters_is_taken_out() -> None:
    """And clamd is given it."""

    def change(document: pikepdf.Pdf) -> None:
        stream = pikepdf.Stream(document, EXE.hex().encode() + b">", Filter=Array([Name.ASCIIHexDecode]))
        document.Root.X = Dictionary(Type=Name.Filespec, F="b.exe", EF=Dictionary(F=stream))

    seen = look_at(pdf.look, made(change, stream_decode_level=pikepdf.StreamDecodeLevel.none, compress_streams=False))
    assert seen.children == [(("b.exe",), EXE)]
    assert seen.hidden == 1


def test_a_real_document_gives_its_program() -> None:
    """Which hangs on an annotation."""
    seen = look_at(pdf.look, (CLAM / "clam.pdf").read_bytes())
    assert seen.children == [(("clam.exe",), (CLAM / "clam.exe").read_bytes())]


def test_octets_in_front_do_not_hide_it() -> None:
    """Programs look for its head in the first KiB."""
    assert look_at(pdf.look, b"x" * 900 + b"\n" + made(with_file)).children == [(("a.exe",), EXE)]


def test_a_document_without_its_end_is_repaired() -> None:
    """As programs repair it."""
    octets = made(with_file, object_stream_mode=pikepdf.ObjectStreamMode.disable)
    assert look_at(pdf.look, octets[: octets.rfind(b"xref\n")]).children == [(("a.exe",), EXE)]


def test_a_document_that_everybody_can_open_is_not_encrypted() -> None:
    """The empty password opens it; its files are told."""
    octets = made(with_file, encryption=pikepdf.Encryption(owner="x", user=""))
    seen = look_at(pdf.look, octets)
    assert (seen.flags, seen.children, seen.hidden) == ({Flag.EMBEDDED}, [(("a.exe",), EXE)], 1)


def test_a_document_that_needs_a_password_is_told() -> None:
    """And opened, where the mail has it."""
    octets = made(with_file, encryption=pikepdf.Encryption(owner="x", user="geheim"))
    assert look_at(pdf.look, octets, passwords=("no",)).flags == {Flag.ENCRYPTED}
    seen = look_at(pdf.look, octets, passwords=("no", "geheim"))
    assert seen.flags == {Flag.ENCRYPTED, Flag.MAIL_PASSWORD, Flag.EMBEDDED}
    assert seen.children == [(("a.exe",), EXE)]


def test_a_broken_document_is_undecodable() -> None:
    """When there is something of one."""
    with pytest.raises(Undecodable):
        look_at(pdf.look, b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog\n")


def test_what_only_begins_like_one_is_nothing() -> None:
    """A text, perhaps, on the format."""
    assert look_at(pdf.look, b"%PDF-1.4 is what a document begins with.\n" * 50).flags == set()
