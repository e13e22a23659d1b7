# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks into compound files: old Office documents, Outlook messages, installers, encrypted new documents.

*Source:* MS-CFB; MS-DOC section 2.5.1 (FibBase); see the modules for what is theirs.

*Errors:* Undecodable where it is no compound file after all.
"""

import re
import struct
from collections.abc import Iterator

from milterguard.core.part import Flag
from milterguard.unpack.document import biff, macro, msg, native, password, powerpoint
from milterguard.unpack.document.compound import MAGIC, Compound, Entry
from milterguard.unpack.quota import OverLimits, Quota
from milterguard.unpack.source import Child, Find, Note, Source

_MAX_STREAM_BYTES = 64 << 20
_MAX_TEXT_BYTES = 4 << 20
_MSI_CLASS = bytes.fromhex("84100c0000000000c000000000000046")
_FILE_STREAMS = frozenset({"contents", "package", "embeddedodf", "\x01ole10itemname"})
_HEADS = (b"MZ", b"PK\x03\x04", b"%PDF", MAGIC, b"{\\rt", b"Rar!", b"7z\xbc\xaf\x27\x1c", b"MSCF", b"\x78\x9f\x3e\x22")
"""What a stream begins with that is a file by itself."""
_DDE = re.compile(rb"\x13[ \x00]{0,8}\"?D\x00?D\x00?E\x00?(?:A\x00?U\x00?T\x00?O\x00?)?\"?\x00?[ \x00]", re.IGNORECASE)
_TEXT = re.compile(rb"(?:[!-~]\x00){10,}+")
_REMOTE = re.compile(rb"(?:https?:|\\\\)", re.IGNORECASE)
_FIB_ENCRYPTED = 0x0100


def look(source: Source, quota: Quota) -> Iterator[Find]:
    """Yield what kind of compound file it is and what it does by itself, then what stands in it."""
    compound = Compound(source)
    if compound.class_id == _MSI_CLASS:
        yield Note(kinds=("msi",))
    if compound.find("EncryptedPackage"):
        yield from password.look(source, compound, quota)
        return
    yield from _macros(compound, quota)
    yield from _programs(source, compound, quota)
    yield from msg.attachments_in(compound)
    yield from _objects(compound, quota)


def _macros(compound: Compound, quota: Quota) -> Iterator[Note]:
    if flags := macro.vba_in(compound, quota):
        yield Note(flags, "VBA" + (" that starts itself" if Flag.AUTOEXEC in flags else ""))


def _programs(source: Source, compound: Compound, quota: Quota) -> Iterator[Find]:
    """What Word, Excel and PowerPoint say in streams of their own."""
    is_encrypted = bool(compound.find("\x09DRMContent"))
    for entry in compound.streams():
        name = entry.name.lower()
        if name in ("workbook", "book"):
            flags = biff.flags_of(_whole(compound, entry, quota))
            is_encrypted = is_encrypted or Flag.ENCRYPTED in flags
            yield Note(flags - {Flag.ENCRYPTED}, "Excel 4 macros" if Flag.MACRO in flags else "")
        elif name == "worddocument":
            is_encrypted = is_encrypted or _is_word_encrypted(compound.read(entry, 32))
            yield from _word(compound, entry)
        elif name == "current user":
            is_encrypted = is_encrypted or powerpoint.is_encrypted(compound.read(entry, 64))
        elif name == "powerpoint document":
            yield Note(kinds=("ppt",))
            for child in powerpoint.objects_in(_whole(compound, entry, quota)):
                yield Note(frozenset({Flag.EMBEDDED}))
                yield child
    if is_encrypted:
        yield from password.look(source, compound, quota)


def _is_word_encrypted(head: bytes) -> bool:
    return len(head) > 12 and bool(struct.unpack_from("<H", head, 10)[0] & _FIB_ENCRYPTED)


def _word(compound: Compound, document: Entry) -> Iterator[Note]:
    if _DDE.search(compound.read(document, _MAX_TEXT_BYTES)):
        yield Note(frozenset({Flag.EXTERNAL}), "DDE field")
    for name in ("0Table", "1Table"):
        table = compound.find(name)
        if table and _has_remote_template(compound.read(table, _MAX_TEXT_BYTES)):
            yield Note(frozenset({Flag.EXTERNAL}), "template from elsewhere")
            return


def _has_remote_template(table: bytes) -> bool:
    for match in _TEXT.finditer(table):
        text = match[0][::2].lower()
        if (start := _REMOTE.search(text)) and text.find(b".dot", start.end()) >= 0:
            return True
    return False


def _objects(compound: Compound, quota: Quota) -> Iterator[Find]:
    """Streams that are files; inside a message's attachment they were told already."""
    for entry in compound.streams():
        name = entry.name.lower()
        if not entry.size or name.startswith("__substg1.0_3701"):
            continue
        if name == "\x01ole10native":
            child: Child | None = native.package(_whole(compound, entry, quota))
        elif name in _FILE_STREAMS or compound.read(entry, 16).startswith(_HEADS):
            child = Child((_shown(entry),), compound.blocks(entry), entry.size)
        else:
            child = None
        if child is not None:
            yield Note(frozenset({Flag.EMBEDDED}))
            yield child


def _shown(entry: Entry) -> str:
    return "/".join("".join(letter for letter in name if letter >= " ") for name in entry.path)


def _whole(compound: Compound, entry: Entry, quota: Quota) -> bytes:
    """Return a stream that has to be seen whole. Raises OverLimits when it is longer than is read."""
    limit = min(quota.room, _MAX_STREAM_BYTES)
    found = compound.read(entry, limit + 1)
    if len(found) > limit:
        raise OverLimits("a stream longer than is read")
    return found
