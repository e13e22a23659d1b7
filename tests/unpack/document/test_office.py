# SPDX-License-Identifier: GPL-3.0-or-later
"""Office documents in zips: what they do."""

import io
import zipfile

import pytest

from milterguard.core.part import Flag
from milterguard.unpack.document import office
from tests.unpack.document.cfb import compound, vba
from tests.unpack.document.looking import look_at

TYPES = b'<?xml version="1.0"?><Types><Default Extension="xml" ContentType="application/xml"/></Types>'
AUTO = compound(vba(b"Sub Document_Open()\r\nEnd Sub\r\n"))
PLAIN = compound(vba(b"Sub Tidy()\r\nEnd Sub\r\n"))
RELATIONSHIP = (
    '<Relationships><Relationship Id="r1" TargetMode="%s" '
    'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/%s" Target="%s"/></Relationships>'
)


def zipped(**members: bytes) -> bytes:
    """Return a zip; a name is spelled with ``__`` for a slash and ``_`` for a dot."""
    return packed({name.replace("__", "/").replace("_", "."): data for name, data in members.items()})


def packed(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def flags_of(members: dict[str, bytes], *, types: bytes = TYPES) -> set[Flag]:
    return look_at(office.look, packed({"[Content_Types].xml": types, **members})).flags


@pytest.mark.parametrize("folder", ["word", "xl", "ppt"])
def test_macros_are_told(folder: str) -> None:
    """By the name of the project."""
    assert flags_of({f"{folder}/vbaProject.bin": PLAIN}) == {Flag.MACRO}


def test_macros_that_start_themselves_are_told() -> None:
    """By a name in their source."""
    assert flags_of({"word/vbaProject.bin": AUTO}) == {Flag.MACRO, Flag.AUTOEXEC}


def test_macros_under_another_name_are_told() -> None:
    """By their content type."""
    types = b'<Types><Override PartName="/word/x.dat" ContentType="application/vnd.ms-office.vbaProject"/></Types>'
    assert flags_of({"word/x.dat": PLAIN}, types=types) == {Flag.MACRO}


def test_types_in_two_octets_a_letter_are_read() -> None:
    """As XML may be written."""
    types = '<Types><Override ContentType="application/vnd.ms-office.vbaProject"/></Types>'.encode("utf-16")
    assert flags_of({}, types=types) == {Flag.MACRO}


def test_macro_sheets_are_told() -> None:
    """Also where a name starts them, in either form of workbook."""
    sheet = {"xl/macrosheets/sheet1.xml": b"<xm:macrosheet/>"}
    assert flags_of(sheet) == {Flag.MACRO}
    name = b'<workbook><definedName name="_xlnm.Auto_Open22" hidden="1">M!$A$1</definedName></workbook>'
    assert flags_of({**sheet, "xl/workbook.xml": name}) == {Flag.MACRO, Flag.AUTOEXEC}
    assert flags_of({**sheet, "xl/workbook.bin": "Auto_Open".encode("utf-16-le")}) == {Flag.MACRO, Flag.AUTOEXEC}


def test_a_ribbon_that_starts_macros_is_told() -> None:
    """By its attribute onLoad; without macros it starts nothing."""
    ribbon = {"customUI/customUI14.xml": b'<customUI xmlns="x" onLoad="Started"></customUI>'}
    assert flags_of({**ribbon, "word/vbaProject.bin": PLAIN}) == {Flag.MACRO, Flag.AUTOEXEC}
    assert flags_of(ribbon) == set()


@pytest.mark.parametrize("kind", ["attachedTemplate", "oleObject", "frame"])
@pytest.mark.parametrize(
    "target",
    ["http://x.example/a", "\\\\192.0.2.1\\a", "file:///\\\\x.example\\a", "file://x.example/a", "mhtml:http://x"],
)
def test_what_is_fetched_is_told(kind: str, target: str) -> None:
    """Templates, objects and frames, from any other machine."""
    rels = (RELATIONSHIP % ("External", kind, target)).encode()
    assert flags_of({"word/_rels/settings.xml.rels": rels}) == {Flag.EXTERNAL}


def test_what_is_fetched_is_told_in_character_references() -> None:
    """Which the program resolves."""
    rels = RELATIONSHIP.encode() % (b"&#69;xternal", b"&#x6f;leObject", b"&#104;ttp://x.example/a")
    assert flags_of({"word/_rels/document.xml.rels": rels}) == {Flag.EXTERNAL}


@pytest.mark.parametrize(
    ("mode", "kind", "target"),
    [
        ("External", "hyperlink", "http://x.example/"),
        ("External", "image", "http://x.example/a.png"),
        ("External", "attachedTemplate", "file:///C:\\Users\\x\\Normal.dotm"),
        ("Internal", "oleObject", "embeddings/oleObject1.bin"),
    ],
)
def test_what_is_ordinary_is_not_told(mode: str, kind: str, target: str) -> None:
    """Links to click on, pictures, the template on somebody's disk."""
    rels = (RELATIONSHIP % (mode, kind, target)).encode()
    assert flags_of({"word/_rels/document.xml.rels": rels}) == set()


def test_dde_is_told() -> None:
    """In text of Word, in links of Excel."""
    field = b'<w:instrText xml:space="preserve"> DDEAUTO c:\\\\cmd.exe "/k" </w:instrText>'
    assert flags_of({"word/document.xml": field}) == {Flag.EXTERNAL}
    link = b'<externalLink><ddeLink ddeService="cmd" ddeTopic="/c calc"/></externalLink>'
    assert flags_of({"xl/externalLinks/externalLink1.xml": link}) == {Flag.EXTERNAL}


def test_what_is_embedded_is_told() -> None:
    """The files themselves are members of the zip."""
    assert flags_of({"word/embeddings/oleObject1.bin": b"x"}) == {Flag.EMBEDDED}


def test_macros_of_open_documents_are_told() -> None:
    """Basic modules and scripts; a library that is empty is none."""
    manifest = {"META-INF/manifest.xml": b"<manifest/>"}
    assert flags_of({**manifest, "Basic/Standard/script-lb.xml": b"<library/>"}) == set()
    assert flags_of({**manifest, "Basic/Standard/Module1.xml": b"Sub x"}) == {Flag.MACRO}
    assert flags_of({**manifest, "Scripts/python/x.py": b"def x"}) == {Flag.MACRO}


def test_an_open_document_that_starts_its_macros_is_told() -> None:
    """By a listener for its loading."""
    content = (
        b'<office:event-listeners><script:event-listener script:language="ooo:script" '
        b'script:event-name="dom:load" xlink:href="x"/></office:event-listeners>'
    )
    members = {"META-INF/manifest.xml": b"<m/>", "Basic/Standard/M.xml": b"Sub x", "content.xml": content}
    assert flags_of(members) == {Flag.MACRO, Flag.AUTOEXEC}


def test_an_encrypted_open_document_is_told() -> None:
    """By its manifest."""
    manifest = b'<manifest:file-entry><manifest:encryption-data manifest:checksum="x"/></manifest:file-entry>'
    assert look_at(office.look, packed({"mimetype": b"x", "META-INF/manifest.xml": manifest})).flags == {Flag.ENCRYPTED}


def test_another_zip_is_none_of_its_business() -> None:
    """Whatever its members are called."""
    assert look_at(office.look, packed({"word/vbaProject.bin": AUTO})).flags == set()


def test_a_part_that_expands_without_end_is_read_in_part() -> None:
    """Only so much of each is looked at."""
    assert flags_of({"word/document.xml": b" " * (20 << 20), "word/vbaProject.bin": AUTO}) >= {Flag.AUTOEXEC}


def test_a_bracket_in_quotes_ends_no_tag() -> None:
    """It may stand there, before what matters."""
    rels = b'<Relationship Id=">" TargetMode="External" Type="x/oleObject" Target="http://x.example/">'
    assert flags_of({"word/_rels/document.xml.rels": rels}) == {Flag.EXTERNAL}
