# SPDX-License-Identifier: GPL-3.0-or-later
"""The sets of rules that come with the program: one that bans, some that make exceptions, some that are stricter.

A list of endings says what a double click would run, not what could be harmful: documents, pictures
and certificates are not in it. What only developers send (``.py``, ``.sh``, ``.jar`` apart) is not
run by a double click either and stays out, and so does ``.mdb``, which people keep data in.

*Source:* Debian's ``20-debian_defaults`` for amavis; the types that Outlook blocks; what campaigns of
late years came with: disk images and notes since Office stopped macros of mail, then shortcuts.
"""

from functools import cache

from milterguard.config.expression import Expression
from milterguard.core.banned import Action, Rule, RuleSet
from milterguard.core.part import Flag


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_PROGRAMS = _set(
    "exe scr pif com cpl dll ocx sys drv vxd msi msp mst msu msix msixbundle appx appxbundle appinstaller application "
    "appref-ms gadget diagcab diagcfg diagpkg xbap vsto jar jnlp xll wll ax efi mui tsp"
)
_SCRIPTS = _set(
    "bat cmd vb vbe vbs vbp vsmacros vsw js jse jsx ws wsc wsf wsh hta htc ps1 ps1xml ps2 ps2xml psc1 psc2 psd1 psdm1 "
    "psm1 pssc cdxml msh msh1 msh2 mshxml msh1xml msh2xml msc sct scf inf ins isp its reg job grp xnk shb shs prg fxp "
    "ops pcd plg bas command terminal scpt scptd applescript workflow pkg mpkg desktop"
)
_OLD_HELP = _set("chm hlp hpj cnt chi")
_DATABASES = _set(
    # Access: what runs, not what only stores.
    "ade adp accde accdr accda accdu mad maf mag mam maq mar mas mat mau mav maw mda mde mdt mdw mdz"
)
_ADD_INS = _set("xla xlam ppa ppam")
_QUERIES = _set("iqy oqy dqy rqy slk odc udl")
_SHORTCUTS = _set(
    "lnk url website rdp ica searchconnector-ms search-ms library-ms settingcontent-ms mcf mapimail mydocs osd prf "
    "theme themepack deskthemepack desktopthemepackfile ani"
)
_IMAGES = _set("iso img udf vhd vhdx vmdk vdi wim swm esd dmg daa isz nrg")
_NOTES = _set("one onepkg onetoc onetoc2")
_MACRO_DOCUMENTS = _set("docm dotm xlsm xltm xlsb xlam pptm potm ppsm ppam sldm")
_PAGES = _set("htm html shtml xht xhtm xhtml mht mhtml svg svgz")
_ARCHIVES = _set("zip 7z rar arj lha lzh cab ace tar tgz tbz txz gz bz2 xz zst z lz4 lzma cpio")

_PROGRAM_TYPES = _set("exe-ms dll")
_IMAGE_TYPES = _set("iso udf img vhd vhdx vmdk qcow wim squashfs dmg")
_SHORTCUT_TYPES = _set("lnk url")
_NOTE_TYPES = _set("one")
_ZIPPED_DOCUMENT_TYPES = _set("docx xlsx pptx odt ods odp epub")
"""Zips by their octets, and nobody calls them so."""
_ARCHIVE_TYPES = _set("zip 7z rar arj lha cab ace arc zoo sit tar gz bz2 xz zst lz4 lzma lzo lz z cpio")
_PROGRAM_MIMES = (
    "application/x-msdownload",
    "application/x-msdos-program",
    "application/x-msdos-windows",
    "application/x-dosexec",
    "application/x-ms-dos-executable",
    "application/vnd.microsoft.portable-executable",
    "application/x-msi",
    "application/x-ms-installer",
    "application/x-ms-application",
    "application/x-ms-shortcut",
    "application/internet-shortcut",
    "application/x-java-jnlp-file",
    "application/hta",
    "application/java-archive",
    "application/x-java-archive",
)
_SCRIPT_MIMES = (
    # Mail programs give a file without a name the ending of its type.
    "application/javascript",
    "application/x-javascript",
    "text/javascript",
    "text/vbscript",
    "text/vbs",
    "text/scriptlet",
    "text/x-scriptlet",
    "application/x-sh",
    "application/x-shellscript",
    "application/x-bat",
    "application/bat",
    "application/x-ms-dos-batch",
    "application/x-desktop",
)
_IMAGE_MIMES = ("application/x-iso9660-image", "application/x-apple-diskimage", "application/x-cd-image")
_NOTE_MIMES = ("application/onenote", "application/msonenote")
_CLASS_ID = Expression(r"(?i)\{[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\}?[ .]*$")
"""Windows takes it for the type of the file, and does not show it."""
_TURNED = Expression("[\u202d\u202e]")
"""Overrides of the reading direction: no language needs them; its marks and embeddings are left alone."""

DEFAULT = RuleSet(
    "DEFAULT",
    (
        Rule("executable", types=_PROGRAM_TYPES),
        Rule("executable by name", extensions=_PROGRAMS),
        Rule("executable by declared type", mimes=_PROGRAM_MIMES),
        Rule("script", extensions=_SCRIPTS),
        Rule("script by declared type", mimes=_SCRIPT_MIMES),
        Rule("registry file", types=_set("reg")),
        Rule("class ID as extension", names=(_CLASS_ID,)),
        Rule("name that turns the reading direction", names=(_TURNED,)),
        Rule("shortcut", types=_SHORTCUT_TYPES),
        Rule("shortcut by name", extensions=_SHORTCUTS),
        Rule("disk image", types=_IMAGE_TYPES),
        Rule("disk image by name", extensions=_IMAGES),
        Rule("disk image by declared type", mimes=_IMAGE_MIMES),
        Rule("macro that starts itself", flags=frozenset((Flag.AUTOEXEC,))),
        Rule("Office add-in or query", extensions=_ADD_INS | _QUERIES),
        Rule("OneNote", types=_NOTE_TYPES),
        Rule("OneNote by name", extensions=_NOTES),
        Rule("OneNote by declared type", mimes=_NOTE_MIMES),
        Rule("Access program", extensions=_DATABASES),
        Rule("compiled help", types=_set("chm hlp")),
        Rule("compiled help by name", extensions=_OLD_HELP),
        Rule("compiled help by declared type", mimes=("application/vnd.ms-htmlhelp",)),
        Rule("message in pieces", mimes=("message/partial",)),
        Rule("message elsewhere", mimes=("message/external-body",)),
    ),
)


@cache
def shipped() -> tuple[RuleSet, ...]:
    """Return the sets that come with the program; a file that defines one of these names replaces it."""
    return (
        DEFAULT,
        RuleSet("ALLOW_ALL", (Rule("anything", action=Action.ALLOW),)),
        _allowing("ALLOW_EXECUTABLES", types=_PROGRAM_TYPES, extensions=_PROGRAMS, mimes=_PROGRAM_MIMES),
        _allowing("ALLOW_SCRIPTS", types=_set("reg"), extensions=_SCRIPTS, mimes=_SCRIPT_MIMES),
        _allowing("ALLOW_SHORTCUTS", types=_SHORTCUT_TYPES, extensions=_SHORTCUTS),
        _allowing("ALLOW_DISK_IMAGES", types=_IMAGE_TYPES, extensions=_IMAGES, mimes=_IMAGE_MIMES),
        _allowing("ALLOW_MACROS", extensions=_ADD_INS, flags=frozenset((Flag.MACRO, Flag.AUTOEXEC))),
        _allowing("ALLOW_ONENOTE", types=_NOTE_TYPES, extensions=_NOTES, mimes=_NOTE_MIMES),
        _allowing("ALLOW_ACCESS", extensions=_DATABASES),
        RuleSet("NO_ENCRYPTED", (Rule("encrypted", flags=frozenset((Flag.ENCRYPTED,))),)),
        RuleSet(
            "NO_UNDECIPHERABLE",
            (Rule("cannot be opened", flags=frozenset((Flag.ENCRYPTED, Flag.UNDECODABLE, Flag.OVER_LIMITS))),),
        ),
        RuleSet(
            "NO_MACROS",
            (
                Rule("macros", flags=frozenset((Flag.MACRO, Flag.AUTOEXEC))),
                Rule("macros by name", extensions=_MACRO_DOCUMENTS),
            ),
        ),
        RuleSet(
            "NO_ACTIVE_PDF",
            (Rule("PDF that does something by itself", flags=frozenset((Flag.JAVASCRIPT, Flag.AUTOACTION))),),
        ),
        RuleSet("NO_WEB_PAGES", (Rule("web page as a file", extensions=_PAGES),)),
        RuleSet(
            "NO_ARCHIVES",
            (
                Rule("document", types=_ZIPPED_DOCUMENT_TYPES, action=Action.NEXT),
                Rule("archive", types=_ARCHIVE_TYPES),
                Rule("archive by name", extensions=_ARCHIVES),
            ),
        ),
    )


def _allowing(
    name: str,
    *,
    types: frozenset[str] = frozenset(),
    extensions: frozenset[str] = frozenset(),
    flags: frozenset[Flag] = frozenset(),
    mimes: tuple[str, ...] = (),
) -> RuleSet:
    """Return a set that lets through whatever has one of these, whichever."""
    title = name.removeprefix("ALLOW_").replace("_", " ").lower()
    rules = (
        Rule(title, types=types, action=Action.ALLOW) if types else None,
        Rule(f"{title} by name", extensions=extensions, action=Action.ALLOW) if extensions else None,
        Rule(f"{title} by declared type", mimes=mimes, action=Action.ALLOW) if mimes else None,
        Rule(title, flags=flags, action=Action.ALLOW) if flags else None,
    )
    return RuleSet(name, tuple(rule for rule in rules if rule is not None))
