# SPDX-License-Identifier: GPL-3.0-or-later
"""Old Office documents, Outlook messages and installers: what they carry and what they do."""

import struct

import pytest

from milterguard.core.part import Flag
from milterguard.unpack.document import ole
from tests.unpack.document.cfb import BOF, Tree, compound, package, records, vba
from tests.unpack.document.looking import CLAM, look_at

AUTO = b"Sub AutoOpen()\r\nMsgBox 1\r\nEnd Sub\r\n"
PLAIN = b"Sub Tidy()\r\nMsgBox 1\r\nEnd Sub\r\n"
BUTTON = b"Private Sub CommandButton1_Click()\r\nEnd Sub\r\n"
EXE = b"MZ" + bytes(300)


def sheet(kind: int, *, visibility: int = 0) -> tuple[int, bytes]:
    return 0x85, struct.pack("<IBBBB", 0, visibility, kind, 1, 0) + b"M"


def built_in_name(code: int) -> tuple[int, bytes]:
    return 0x18, struct.pack("<HBBHHHBBBB", 0x20, 0, 1, 0, 0, 1, 0, 0, 0, 0) + bytes([0, code])


def spelled_name(name: bytes) -> tuple[int, bytes]:
    return 0x18, struct.pack("<HBBHHHBBBB", 0, 0, len(name), 0, 0, 0, 0, 0, 0, 0) + b"\0" + name


@pytest.mark.parametrize("folder", ["Macros", "_VBA_PROJECT_CUR"])
def test_vba_is_told(folder: str) -> None:
    """Of Word and of Excel."""
    assert look_at(ole.look, compound({folder: vba(PLAIN)})).flags == {Flag.MACRO}


def test_vba_that_starts_itself_is_told() -> None:
    """By the name of a procedure."""
    assert look_at(ole.look, compound({"Macros": vba(AUTO)})).flags == {Flag.MACRO, Flag.AUTOEXEC}


def test_a_button_does_not_start_itself() -> None:
    """Half of all forms have one."""
    assert look_at(ole.look, compound({"Macros": vba(BUTTON)})).flags == {Flag.MACRO}


def test_a_starter_far_down_is_found() -> None:
    """Behind comments that fill many chunks."""
    assert Flag.AUTOEXEC in look_at(ole.look, compound({"Macros": vba(b"' x\r\n" * 40_000 + AUTO)})).flags


def test_a_project_without_its_source_is_told() -> None:
    """What runs is the compiled form; its names stand in the clear."""
    stomped = {"VBA": {"_VBA_PROJECT": b"\xcc\x61" + b"\0\0Document_Open\0", "Module1": b"\x01\x16\x03"}}
    assert look_at(ole.look, compound({"Macros": stomped})).flags == {Flag.MACRO, Flag.AUTOEXEC}


@pytest.mark.parametrize("visibility", [0, 1, 2])
def test_a_macro_sheet_is_told(visibility: int) -> None:
    """However well it is hidden."""
    workbook = records(BOF, sheet(0), sheet(1, visibility=visibility))
    assert look_at(ole.look, compound({"Workbook": workbook})).flags == {Flag.MACRO}


@pytest.mark.parametrize("name", [built_in_name(1), spelled_name(b"aUto_Open22"), built_in_name(2)])
def test_a_macro_sheet_that_starts_itself_is_told(name: tuple[int, bytes]) -> None:
    """By a name that is built in, or spelled out."""
    workbook = records(BOF, sheet(1), name)
    assert look_at(ole.look, compound({"Workbook": workbook})).flags == {Flag.MACRO, Flag.AUTOEXEC}


def test_a_workbook_without_macros_is_clean() -> None:
    """Sheets and names of all other sorts."""
    workbook = records(BOF, sheet(0), sheet(2), built_in_name(6), spelled_name(b"Total"))
    assert look_at(ole.look, compound({"Workbook": workbook})).flags == set()


def test_an_encrypted_workbook_is_told() -> None:
    """By its record FilePass."""
    workbook = records(BOF, (0x2F, bytes(6)), sheet(0))
    assert Flag.ENCRYPTED in look_at(ole.look, compound({"Workbook": workbook})).flags


def test_dde_in_a_workbook_is_told() -> None:
    """A link with a program and a topic."""
    link = struct.pack("<HH", 0, 7) + b"\0cmd\x03/c "
    assert look_at(ole.look, compound({"Workbook": records(BOF, (0x1AE, link))})).flags == {Flag.EXTERNAL}


def test_an_encrypted_document_is_told() -> None:
    """By a bit of its head."""
    head = struct.pack("<HHHHHH", 0xA5EC, 0xC1, 0, 0x409, 0, 0x0100) + bytes(500)
    assert Flag.ENCRYPTED in look_at(ole.look, compound({"WordDocument": head})).flags


@pytest.mark.parametrize("command", [b"\x13 DDEAUTO c:\\\\x", "\x13 DDE cmd x".encode("utf-16-le")])
def test_a_dde_field_is_told(command: bytes) -> None:
    """In text of either width."""
    assert look_at(ole.look, compound({"WordDocument": bytes(600) + command})).flags == {Flag.EXTERNAL}


def test_a_template_from_elsewhere_is_told() -> None:
    """And one on a disk is not."""
    remote, local = ("http://x.example/a.dotm", "C:\\Users\\x\\Normal.dotm")
    for template, flags in ((remote, {Flag.EXTERNAL}), (local, set())):
        tree = {"WordDocument": bytes(600), "1Table": bytes(10) + template.encode("utf-16-le")}
        assert look_at(ole.look, compound(tree)).flags == flags


def test_a_package_is_taken_out() -> None:
    """With each of its names."""
    seen = look_at(ole.look, compound({"ObjectPool": {"_1": {"\x01Ole10Native": package(b"a.exe", EXE)}}}))
    assert seen.children == [(("a.exe", "C:\\a.exe", "C:\\Temp\\a.exe"), EXE)]
    assert seen.flags == {Flag.EMBEDDED}


def test_a_package_that_is_laid_out_otherwise_is_told_whole() -> None:
    """Nothing is lost for a broken label."""
    seen = look_at(ole.look, compound({"\x01Ole10Native": b"\x10\0\0\0" + b"\x07" + EXE}))
    assert seen.children == [((), b"\x07" + EXE)]


def test_a_stream_that_is_a_file_is_taken_out() -> None:
    """By its name, or by how it begins."""
    seen = look_at(ole.look, compound({"Folder": {"Package": b"data", "Odd": EXE, "Text": b"words"}}))
    assert sorted(seen.children) == [(("Folder/Odd",), EXE), (("Folder/Package",), b"data")]


def test_an_installer_is_known() -> None:
    """By the class of its root."""
    class_id = bytes.fromhex("84100c0000000000c000000000000046")
    assert look_at(ole.look, compound({"Property": b"x"}, class_id=class_id)).kinds == ["msi"]


def attachment(name: str, data: bytes) -> dict[str, bytes]:
    return {
        "__substg1.0_37010102": data,
        "__substg1.0_3707001F": name.encode("utf-16-le"),
        "__substg1.0_3704001E": b"SHORT~1.EXE\0",
    }


def test_attachments_of_outlook_messages_are_taken_out() -> None:
    """Also those of a message that is attached."""
    inner: Tree = {"__attach_version1.0_#00000000": attachment("inner.txt", b"in")}
    tree: Tree = {
        "__properties_version1.0": bytes(32),
        "__attach_version1.0_#00000000": attachment("näme.exe", EXE),
        "__attach_version1.0_#00000001": {"__substg1.0_3701000D": inner},
    }
    seen = look_at(ole.look, compound(tree))
    assert sorted(seen.children) == [(("inner.txt", "SHORT~1.EXE"), b"in"), (("näme.exe", "SHORT~1.EXE"), EXE)]


def test_a_real_document_gives_its_program() -> None:
    """Which Word packed."""
    seen = look_at(ole.look, (CLAM / "clam.ole.doc").read_bytes())
    assert seen.children == [(("Clam.exe", "C:\\clam.exe"), (CLAM / "clam.exe").read_bytes())]


def test_a_real_presentation_gives_its_program() -> None:
    """Out of the object that PowerPoint compressed."""
    (_, inner), *_ = look_at(ole.look, (CLAM / "clam.ppt").read_bytes()).children
    assert [data for _, data in look_at(ole.look, inner).children] == [(CLAM / "clam.exe").read_bytes()]
