# SPDX-License-Identifier: GPL-3.0-or-later
"""Members of archives, by libarchive: 7z, ar, cab, cpio, deb, iso, lha, rar, rpm, tar, warc, xar, zip; and what
single compressed files hold.

A compressed tar is looked into in two steps, as one thing in another. What stands behind a member that
was not read to its end is reached only where that costs little: in zip and tar, not in a solid 7z. A tar
or cpio that stands behind another one is looked into as well: some programs go on there.

*Errors:* Undecodable with libarchive's words; a broken member is flagged by itself and the next one tried.
"""

import mmap
import re
from collections.abc import Iterator

from libarchive.exception import ArchiveError

from milterguard.core.part import Flag
from milterguard.unpack import rar, tar_header
from milterguard.unpack.libarchive_door import FILTERS, FORMATS, Entry, Reader, is_fatal, text_of
from milterguard.unpack.quota import OverLimits, Quota
from milterguard.unpack.source import Child, Find, Note, Source, Undecodable

COMPRESSIONS = frozenset({"gz", "bz2", "xz", "zst", "lz4", "lz", "lzma", "Z"})
ARCHIVES = frozenset({"zip", "7z", "rar", "tar", "cpio", "rpm", "deb", "a", "cab", "lha", "iso", "udf", "xar", "warc"})
_SELF_EXTRACTING = ("7zip", "cab", "rar", "rar5", "zip")
_STEP_FREE = frozenset({"zip", "tar", "cpio", "deb", "a", "iso", "udf", "warc"})
"""Kinds in which the next member is found without decompressing this one."""
_CONCATENATED = frozenset({"tar", "cpio"})
_BEARERS = frozenset({"exe", "dll", "image"})
"""Kinds that an archive may stand behind."""
_SIGNATURES = (b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07", b"MSCF\x00\x00\x00\x00")
_TAR_SUFFIX = re.compile(r"\.(tgz|taz|tbz2?|txz|tlz|tzst)$", re.IGNORECASE)
_MAX_NAME_BYTES = 4096
_GZIP_UNUSUAL = 0xE2
"""Bits of a gzip header: a checksum of the header, which not everybody checks, and reserved ones."""
_NOT_ZERO = re.compile(rb"[^\0]")
_MAX_STARTS = 16
_MAX_CONCATENATED = 1000
_MAX_BROKEN = 50
"""After that many broken headers there is no point in going on."""


def look(source: Source, quota: Quota) -> Iterator[Find]:
    """Yield the members of an archive."""
    if "rar" in source.kinds:
        yield from rar.notes(source)
    formats = FORMATS if not ARCHIVES.isdisjoint(source.kinds) else _SELF_EXTRACTING
    filters = ("rpm", *FILTERS) if "rpm" in source.kinds else ()
    with _mapped(source) as octets:
        password = _password(source, octets, quota) if source.passwords else None
        starts = _starts(source, octets)
        for start in starts:
            with Reader(octets, formats=formats, filters=filters) as reader:
                is_last = start == starts[-1]
                if (first := _first(source, reader, password, start=start, is_last=is_last)) is not None:
                    yield from _members(source, reader, first, quota=quota, password=password)
                    yield from _behind(source, octets, reader.position, quota=quota)
                    return


def _behind(source: Source, octets: mmap.mmap, position: int, *, quota: Quota) -> Iterator[Find]:
    """Yield the members of what stands behind the end of a tar or cpio, where most programs do not look."""
    if _CONCATENATED.isdisjoint(source.kinds):
        return
    for _ in range(_MAX_CONCATENATED):
        if (found := _NOT_ZERO.search(octets, position)) is None:
            return
        start = found.start()
        if "tar" in source.kinds:
            start -= start % tar_header.BLOCK_BYTES
        with Reader(octets, formats=("cpio", "tar"), filters=()) as reader:
            try:
                first = _opened(reader, None, start=max(start, position))
            except Undecodable:
                return
            yield Note(is_hiding=True)
            yield from _members(source, reader, first, quota=quota, password=None)
            position = max(reader.position, start + tar_header.BLOCK_BYTES)
    raise OverLimits("too many archives in a row")


def look_compressed(source: Source, _quota: Quota) -> Iterator[Find]:
    """Yield the one thing that a compressed file holds."""
    with _mapped(source) as octets, Reader(octets, formats=("raw",), filters=FILTERS) as reader:
        try:
            reader.open()
            entry = reader.next()
        except ArchiveError as error:
            if "too many filters" in text_of(error):
                raise OverLimits("nested too deep") from error
            raise Undecodable(text_of(error)) from error
        if entry is None:
            raise Undecodable("nothing in it")
        if not reader.is_filtered:
            raise Undecodable("not compressed in a way that is known here")
        if "gz" in source.kinds and source.read(3, 1)[0] & _GZIP_UNUSUAL:
            yield Note(is_hiding=True)
        stored = () if entry.raw_name in (b"data", b"") else readings(entry.raw_name)
        yield Child(names=tuple(dict.fromkeys([*stored, *_uncompressed(source.names)])), blocks=_blocks(reader))


def readings(raw: bytes, *, is_zip: bool = False) -> tuple[str, ...]:
    """Return every way to read a name: UTF-8, the DOS code page of zip, Latin-1. A long one loses its middle."""
    if len(raw) > _MAX_NAME_BYTES:
        raw = raw[: _MAX_NAME_BYTES // 2] + raw[-_MAX_NAME_BYTES // 2 :]
    if raw.isascii():
        return (raw.decode("ascii"),)
    codecs = ("utf-8", "cp437", "latin-1") if is_zip else ("utf-8", "latin-1")
    found = []
    for codec in codecs:
        try:
            found.append(raw.decode(codec))
        except UnicodeDecodeError:
            continue
    return tuple(dict.fromkeys(found))


def _mapped(source: Source) -> mmap.mmap:
    """A private mapping: ctypes takes only memory that it might write to."""
    if not source.size:
        raise Undecodable("nothing in it")
    return mmap.mmap(source.descriptor, source.size, access=mmap.ACCESS_COPY)


def _starts(source: Source, octets: mmap.mmap) -> list[int]:
    """Where an archive may begin: behind a program or a picture in front of it, else at once."""
    if _BEARERS.isdisjoint(source.kinds) and ("rar" not in source.kinds or octets[:4] in (b"Rar!", b"RE~^")):
        return [0]
    found: list[int] = []
    for signature in _SIGNATURES:
        start = octets.find(signature)
        while start >= 0 and len(found) < _MAX_STARTS * len(_SIGNATURES):
            found.append(start)
            start = octets.find(signature, start + 1)
    return [0, *sorted(start for start in found if start > 0)[:_MAX_STARTS]]


def _first(source: Source, reader: Reader, password: str | None, *, start: int, is_last: bool) -> Entry | None:
    """The first entry; None when there is nothing, or no archive where none need be."""
    try:
        return _opened(reader, password, start=start)
    except Undecodable as error:
        if error.flag is Flag.UNDECODABLE and not (is_last and _BEARERS.isdisjoint(source.kinds)):
            return None
        raise


def _opened(reader: Reader, password: str | None, *, start: int) -> Entry | None:
    try:
        reader.open((password,) if password is not None else (), start=start)
    except ArchiveError as error:
        raise Undecodable(text_of(error)) from error
    return _next(reader)


def _members(
    source: Source, reader: Reader, entry: Entry | None, *, quota: Quota, password: str | None
) -> Iterator[Find]:
    is_step_free = not _STEP_FREE.isdisjoint(source.kinds) and "rar" not in source.kinds
    is_told = False
    while entry is not None:
        if Flag.ENCRYPTED in entry.flags and not is_told:
            is_told = True
            yield _encrypted_note(password)
        child = _child(source, entry, reader, password=password)
        yield child
        if child.blocks is not None and not is_step_free:
            _skip(reader, entry, quota)
        entry = _next(reader)
    if reader.complaint:
        yield Note(frozenset({Flag.UNDECODABLE}), reader.complaint)
    if reader.has_encrypted and not is_told:
        yield Note(frozenset({Flag.ENCRYPTED}), "encrypted")


def _next(reader: Reader) -> Entry | None:
    """The next entry whose header can be read."""
    for _ in range(_MAX_BROKEN):
        try:
            return reader.next()
        except ArchiveError as error:
            if "ncrypt" in text_of(error):
                raise Undecodable("its list is encrypted", Flag.ENCRYPTED) from error
            if is_fatal(error):
                raise Undecodable(text_of(error)) from error
            reader.complaint = reader.complaint or text_of(error)
    raise Undecodable("too many broken members")


def _child(source: Source, entry: Entry, reader: Reader, *, password: str | None) -> Child:
    names = readings(entry.raw_name, is_zip="zip" in source.kinds)
    is_odd = "tar" in source.kinds and tar_header.is_odd(reader.octets, entry.position)
    if entry.wide_name and entry.wide_name not in names:
        names += (entry.wide_name,)
    flags, detail = entry.flags, ""
    can_read = entry.is_file
    if Flag.ENCRYPTED in flags:
        can_read = can_read and password is not None
        flags |= {Flag.MAIL_PASSWORD} if can_read else frozenset()
        detail = "opened with a password" if can_read else "encrypted"
    return Child(
        names=names,
        blocks=_blocks(reader, entry.size if "warc" in source.kinds else None) if can_read else None,
        size=entry.size,
        flags=flags,
        detail=detail,
        is_hidden=Flag.MAIL_PASSWORD in flags or is_odd,
    )


def _encrypted_note(password: str | None) -> Note:
    if password is None:
        return Note(frozenset({Flag.ENCRYPTED}), "encrypted")
    return Note(frozenset({Flag.ENCRYPTED, Flag.MAIL_PASSWORD}), "opened with a password")


def _blocks(reader: Reader, size: int | None = None) -> Iterator[bytes]:
    """The octets; ``size`` cuts what libarchive 3.6 appends to a record of WARC: zeros for the separator."""
    left = size
    try:
        for block in reader.blocks():
            yield block[:left]
            left = None if left is None else max(0, left - len(block))
    except ArchiveError as error:
        raise Undecodable(text_of(error)) from error


def _skip(reader: Reader, entry: Entry, quota: Quota) -> None:
    """Read the rest of a member where the next one cannot be had otherwise; that counts as well."""
    if entry.size is not None and entry.size > quota.room:
        raise OverLimits("a member is larger than the limit")
    try:
        for block in reader.blocks():
            quota.take(len(block))
    except ArchiveError:
        return  # the member was flagged when it was read


def _password(source: Source, octets: mmap.mmap, quota: Quota) -> str | None:
    """The first password that really opens the first encrypted member."""
    for password in source.passwords:
        with Reader(octets, formats=("zip",), filters=()) as reader:
            try:
                reader.open((password,))
                while (entry := reader.next()) is not None:
                    if Flag.ENCRYPTED in entry.flags and entry.is_file:
                        for block in reader.blocks():
                            quota.take(len(block))
                        return password
                return None  # nothing is encrypted
            except ArchiveError:
                continue
    return None


def _uncompressed(names: tuple[str, ...]) -> Iterator[str]:
    """What the content is called: its name without what stands behind the last dot, whatever that is."""
    for name in names:
        tar = _TAR_SUFFIX.sub(".tar", name)
        yield tar if tar != name else name.rpartition(".")[0] or name
