# SPDX-License-Identifier: GPL-3.0-or-later
"""What the sets of the program ban and let through."""

import pytest

from milterguard.config.banned_rules import shipped
from milterguard.core.banned import Action, Inspection
from milterguard.core.part import Flag, Part

SETS = {each.name: each for each in shipped()}


def is_banned(part: Part, *names: str) -> bool:
    answers = Inspection((part,)).answers([SETS[name] for name in names or ("DEFAULT",)])
    return any(answer.rule.action is Action.BAN for answer in answers)


@pytest.mark.parametrize(
    "name",
    [
        "a.exe",
        "A.SCR",
        "a.jpg.exe",
        "a.pdf      .cpl",
        "a.com. .",
        "photo\u202egpj.exe",
        "report\u202excod.pdf",
        "a.exe\0.pdf",
        "ａ．ｖｂｓ",
        "a.js",
        "a.ps1",
        "a.hta",
        "a.jar",
        "a.lnk",
        "a.url",
        "a.settingcontent-ms",
        "a.search-ms",
        "a.iso",
        "a.img",
        "a.vhdx",
        "a.one",
        "a.chm",
        "a.xll",
        "a.iqy",
        "a.accde",
        "a.msix",
        "a.reg",
        "a.{20D04FE0-3AEA-1069-A2D8-08002B30309D}",
        "a.txt.{20d04fe0-3aea-1069-a2d8-08002b30309d} .",
        "dir/sub/a.exe",
    ],
)
def test_the_default_bans_what_a_double_click_would_run(name: str) -> None:
    """In every spelling, as a file of the mail and as a member of an archive."""
    assert is_banned(Part("1", names=(name,)))
    assert is_banned(Part("1", names=("harmless.txt", name), is_member=True))


@pytest.mark.parametrize(
    "name",
    [
        "invoice.pdf",
        "letter.docx",
        "table.xlsm",
        "photo.jpg",
        "archive.zip",
        "archive.tar.gz",
        "backup.rar",
        "page.html",
        "message.eml",
        "card.vcf",
        "event.ics",
        "smime.p7s",
        "key.asc",
        "cert.crt",
        "program.py",
        "data.mdb",
        "exe",
        "setup.exe.txt",
        "דוח.pdf",
        "\u200fדוח\u200f.docx",
        "報告書.pdf",
        "a.{20D04FE0}",
        "image001.png",
        "winmail.dat",
        "version 1.0",
    ],
)
def test_the_default_leaves_what_people_send(name: str) -> None:
    """Documents, pictures, archives, certificates, names in any script."""
    assert not is_banned(Part("1", names=(name,)))


@pytest.mark.parametrize("kind", ["exe-ms", "dll", "lnk", "url", "reg", "iso", "img", "vhd", "one", "chm"])
def test_the_default_looks_at_content(kind: str) -> None:
    """Whatever the name says."""
    assert is_banned(Part("1", names=("a.txt",), kinds=(kind,)))


@pytest.mark.parametrize(
    "declared", ["message/partial", "message/external-body", "application/x-msdownload", "application/hta"]
)
def test_the_default_looks_at_declared_types(declared: str) -> None:
    """Programs, and messages of which the rest comes by another way."""
    assert is_banned(Part("1", types=(declared,)))


def test_the_default_leaves_what_is_encrypted_or_has_macros() -> None:
    """Only macros that start themselves are banned; sets for more are there to be named."""
    encrypted, macro = (Part("1", flags=frozenset((flag,))) for flag in (Flag.ENCRYPTED, Flag.MACRO))
    assert not is_banned(encrypted)
    assert not is_banned(macro)
    assert is_banned(Part("1", flags=frozenset((Flag.AUTOEXEC,))))
    assert is_banned(encrypted, "NO_ENCRYPTED", "DEFAULT")
    assert is_banned(encrypted, "DEFAULT", "NO_UNDECIPHERABLE")
    assert is_banned(macro, "DEFAULT", "NO_MACROS")
    assert is_banned(Part("1", flags=frozenset((Flag.JAVASCRIPT,))), "NO_ACTIVE_PDF")
    assert is_banned(Part("1", names=("a.svg",)), "NO_WEB_PAGES")
    assert is_banned(Part("1", kinds=("Z",)), "NO_ARCHIVES")


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("ALLOW_EXECUTABLES", Part("1", names=("a.dat",), kinds=("exe", "exe-ms"))),
        ("ALLOW_EXECUTABLES", Part("1", names=("a.msi",))),
        ("ALLOW_EXECUTABLES", Part("1", types=("application/x-msdownload",))),
        ("ALLOW_SCRIPTS", Part("1", names=("a.js",))),
        ("ALLOW_SHORTCUTS", Part("1", names=("a.url",))),
        ("ALLOW_DISK_IMAGES", Part("1", names=("a.iso",), kinds=("iso",))),
        ("ALLOW_MACROS", Part("1", names=("a.xlsm",), flags=frozenset((Flag.AUTOEXEC, Flag.MACRO)))),
        ("ALLOW_ONENOTE", Part("1", names=("a.one",))),
        ("ALLOW_ACCESS", Part("1", names=("a.accde",))),
    ],
)
def test_an_exception_lets_its_kind_through_and_no_other(name: str, part: Part) -> None:
    """Before DEFAULT it wins; anything else stays banned."""
    other = Part("1", names=("a.js" if name != "ALLOW_SCRIPTS" else "a.exe",))
    assert is_banned(part)
    assert not is_banned(part, name, "DEFAULT")
    assert is_banned(part, "DEFAULT", name)
    assert is_banned(other, name, "DEFAULT")
    assert not is_banned(other, "ALLOW_ALL", "DEFAULT")
