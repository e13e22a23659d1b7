# SPDX-License-Identifier: GPL-3.0-or-later
"""Members of a zip, from its directory and from its local headers, and where the two contradict each other.

A program that trusts the directory and one that reads from the front see different files when the two
disagree; so everything that either might see is told, and the zip is ambiguous.

*Source:* PKWARE APPNOTE 6.3.10; attacks as in the catalogues of zip parser differentials.

*Errors:* none but what ``source`` allows.
"""

import mmap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from stat import S_IFMT, S_ISLNK

from milterguard.core.part import Flag
from milterguard.unpack import archive, zip_data
from milterguard.unpack.quota import OverLimits, Quota
from milterguard.unpack.reach import ZIP_METHODS_REACHED
from milterguard.unpack.source import Child, Find, Note, Source, Undecodable
from milterguard.unpack.zip_layout import Layout, Pair, layout_of

_CARRIERS = (b"#!", b"Cr24")
"""What else has a zip behind it by design: scripts (zipapp, executable jar), and Chrome's extensions."""


def look(source: Source, quota: Quota) -> Iterator[Find]:
    """Yield what is odd about the zip, then its members."""
    octets = source.mapped()
    try:
        layout = layout_of(octets, is_program="exe" in source.kinds or octets[:4].startswith(_CARRIERS))
    finally:
        if isinstance(octets, mmap.mmap):
            octets.close()
    yield from _notes(layout)
    others: list[Pair] = []
    for pair in layout.pairs:
        if pair.is_encrypted or not pair.methods <= zip_data.OPENED:
            others.append(pair)
        else:
            yield from _opened(source, pair)
    if others:
        yield from _by_library(source, quota, others)
    if layout.is_cut:
        raise OverLimits("more entries than are read")


def _notes(layout: Layout) -> Iterator[Note]:
    if layout.is_wide:
        yield Note(is_hiding=True)
    if layout.is_split:
        yield Note(frozenset({Flag.FRAGMENT, Flag.UNDECODABLE}), "one volume of several")
    for contradiction in layout.contradictions:
        yield Note(frozenset({Flag.AMBIGUOUS}), contradiction, is_hiding=True)


def _opened(source: Source, pair: Pair) -> Iterator[Find]:
    """The member in every way that its headers allow."""
    for index, (method, stop) in enumerate(pair.extents()):
        counted = _Counted(zip_data.unpacked(source, method=method, start=pair.data, stop=stop))
        yield _child(pair, blocks=counted, method=method)
        if counted.is_over and index == 0 and counted.size not in pair.sizes:
            yield Note(frozenset({Flag.AMBIGUOUS}), "the size of a member is not as declared", is_hiding=True)


def _child(pair: Pair, *, blocks: Iterable[bytes] | None, method: int, flags: frozenset[Flag] = frozenset()) -> Child:
    return Child(
        names=names_of(pair),
        blocks=blocks,
        size=max(pair.sizes),
        flags=flags | _flags(pair),
        is_hidden=pair.is_unusual or method not in ZIP_METHODS_REACHED,
    )


def names_of(pair: Pair) -> tuple[str, ...]:
    """Return what both headers call it, in every reading, also cut at a NUL as programs in C do."""
    found: list[str] = []
    for raw in pair.names:
        found += archive.readings(raw, is_zip=True)
        if b"\0" in raw:
            found += archive.readings(raw.split(b"\0")[0], is_zip=True)
    return tuple(dict.fromkeys(found))


def _flags(pair: Pair) -> frozenset[Flag]:
    flags = set()
    if any(raw.endswith((b"/", b"\\")) for raw in pair.names) and max(pair.sizes) == 0:
        flags.add(Flag.DIRECTORY)
    if S_ISLNK(S_IFMT(pair.mode)):
        flags.add(Flag.LINK)
    return frozenset(flags)


def _by_library(source: Source, quota: Quota, pairs: list[Pair]) -> Iterator[Find]:
    """Members that are encrypted, or of a method that only libarchive knows."""
    wanted = {name: pair for pair in pairs for name in names_of(pair)}
    missing = {id(pair): pair for pair in pairs}
    failure: Exception | None = None
    try:
        for find in archive.look(source, quota):
            if isinstance(find, Note):
                yield find
            elif (pair := next((wanted[name] for name in find.names if name in wanted), None)) and id(pair) in missing:
                del missing[id(pair)]
                yield _merged(pair, find)
    except (Undecodable, OverLimits) as error:
        failure = error
    for pair in missing.values():
        flag = Flag.ENCRYPTED if pair.is_encrypted else Flag.UNDECODABLE
        yield Note(frozenset({flag}), "members that cannot be opened")
        yield _child(pair, blocks=None, method=0, flags=frozenset({flag}))
    if failure is not None:
        raise failure


def _merged(pair: Pair, child: Child) -> Child:
    names = tuple(dict.fromkeys([*names_of(pair), *child.names]))
    is_hidden = child.is_hidden or pair.is_unusual or not pair.methods <= ZIP_METHODS_REACHED
    return Child(names, child.blocks, child.size, child.flags | _flags(pair), child.detail, is_hidden)


@dataclass(slots=True)
class _Counted:
    """Blocks, and how many octets they were in the end."""

    blocks: Iterator[bytes]
    size: int = 0
    is_over: bool = False

    def __iter__(self) -> Iterator[bytes]:
        for block in self.blocks:
            self.size += len(block)
            yield block
        self.is_over = True
