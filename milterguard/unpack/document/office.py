# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells what Office documents in zips do: macros, what starts them, what they fetch, whether they are encrypted.

Their members are told by whoever looks into the zip; here the few that say something are read, no
more than a bounded number of octets each. XML is searched, never parsed: no entity is expanded.

*Source:* ECMA-376 part 2 (packages), part 1; MS-OFFMACRO2; OpenDocument 1.2 parts 1 and 3.
"""

import mmap
import re
from collections.abc import Iterator

from milterguard.core.part import Flag
from milterguard.unpack import zip_data
from milterguard.unpack.content import Content
from milterguard.unpack.document import macro
from milterguard.unpack.document.compound import MAGIC, Compound
from milterguard.unpack.document.markup import is_fetching, plain_markup, starts_macros
from milterguard.unpack.quota import OverLimits, Quota
from milterguard.unpack.source import Find, Note, Source
from milterguard.unpack.zip_layout import Pair, layout_of
from milterguard.unpack.zipdir import names_of

_OPEN_XML = "[content_types].xml"
_OPEN_DOCUMENT = "meta-inf/manifest.xml"
_MAX_PART_BYTES = 4 << 20
_MAX_PROJECT_BYTES = 32 << 20
_MAX_PARTS = 1000

_PROJECT = re.compile(r"vbaproject[^/]*\.bin$|(?:^|/)(?:word|xl|ppt)/[^/]*vba[^/]*\.bin$")
_EMBEDDED = re.compile(r"/(?:embeddings|activex)/[^/]+$|/afchunk[^/]*$|(?:^|/)object(?: \d+|replacements)/")
_MACRO_SHEET = re.compile(r"/(?:macrosheets|intlmacrosheets)/[^/]+$")
_SCRIPT = re.compile(r"^basic/(?!.*script-l[bc]\.xml$).+[^/]$|^scripts/.+[^/]$")
_READ = re.compile(
    r"^\[content_types\]\.xml$|\.rels$|^xl/workbook\.(?:xml|bin)$|^customui\d*/[^/]*\.xml$|^xl/externallinks/[^/]*\.xml$"
    r"|^word/(?:document|header\d*|footer\d*|footnotes|endnotes|comments)\.xml$|^meta-inf/manifest\.xml$"
    r"|^(?:.*/)?(?:content|styles)\.xml$"
)
_TELLING = tuple(
    (re.compile(place), re.compile(telling, re.IGNORECASE), flag)
    for place, telling, flag in (
        (r"^\[content", rb"vnd\.ms-office\.vbaProject|macrosheet", Flag.MACRO),
        (r"^xl/workbook\.", rb"auto_(?:open|close|activate|deactivate)", Flag.AUTOEXEC),
        (r"^word/|^xl/ext", rb"<(?:\w{1,20}:)?ddeLink\b|\bDDEAUTO\b|[\">]\s{0,8}DDE\s", Flag.EXTERNAL),
        (r"^meta-inf/", rb"<(?:\w{1,20}:)?encryption-data\b", Flag.ENCRYPTED),
    )
)
"""In which part which words say what."""


def look(source: Source, quota: Quota) -> Iterator[Find]:
    """Yield notes, when the zip is an Office document; else nothing."""
    parts = _parts(source)
    if _OPEN_XML not in parts and _OPEN_DOCUMENT not in parts:
        return
    flags: set[Flag] = set()
    for name in parts:
        flags.update(_of_name(name))
    wanted = [name for name in parts if _READ.search(name) or _PROJECT.search(name)]
    for name in wanted[:_MAX_PARTS]:
        flags.update(_of_part(source, parts[name], quota, name=name))
    if Flag.MACRO not in flags:
        flags.discard(Flag.AUTOEXEC)
    if flags:
        yield Note(frozenset(flags), ", ".join(sorted(flags)))
    if len(wanted) > _MAX_PARTS:
        raise OverLimits(f"more than {_MAX_PARTS} parts that say what a document does")


def _parts(source: Source) -> dict[str, Pair]:
    """Return the members by their names in lower case; of two the last."""
    octets = source.mapped()
    try:
        layout = layout_of(octets, is_program="exe" in source.kinds)
    finally:
        if isinstance(octets, mmap.mmap):
            octets.close()
    return {
        name.replace("\\", "/").lstrip("/").lower(): pair
        for pair in layout.pairs
        if not pair.is_encrypted and pair.methods <= zip_data.OPENED
        for name in names_of(pair)
    }


def _of_name(name: str) -> Iterator[Flag]:
    if _PROJECT.search(name) or _MACRO_SHEET.search(name) or _SCRIPT.search(name):
        yield Flag.MACRO
    if _EMBEDDED.search(name):
        yield Flag.EMBEDDED


def _of_part(source: Source, pair: Pair, quota: Quota, *, name: str) -> Iterator[Flag]:
    if _PROJECT.search(name):
        yield from _of_project(source, pair, quota)
        return
    text = plain_markup(_octets(source, pair, quota, limit=_MAX_PART_BYTES))
    if name.endswith(".rels") and is_fetching(text):
        yield Flag.EXTERNAL
    if starts_macros(text):
        yield Flag.AUTOEXEC
    for place, telling, flag in _TELLING:
        if place.search(name) and telling.search(text):
            yield flag


def _of_project(source: Source, pair: Pair, quota: Quota) -> frozenset[Flag]:
    octets = _octets(source, pair, quota, limit=_MAX_PROJECT_BYTES)
    if not octets.startswith(MAGIC):
        return macro.MACRO
    content = Content()
    try:
        content.fill((octets,), quota)
        return macro.MACRO | macro.vba_in(Compound(Source(content.descriptor())), quota)
    finally:
        content.close()


def _octets(source: Source, pair: Pair, quota: Quota, *, limit: int) -> bytes:
    """Return the beginning of a member."""
    found = bytearray()
    for method, stop in pair.extents()[:1]:
        for block in zip_data.unpacked(source, method=method, start=pair.data, stop=stop):
            quota.take(len(block))
            found += block
            if len(found) >= limit:
                break
    return bytes(found[:limit])
