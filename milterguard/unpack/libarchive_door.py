# SPDX-License-Identifier: GPL-3.0-or-later
"""The one door to libarchive: entries of an archive that lies in memory, and their octets.

Only formats and filters that libarchive reads by itself are switched on: none that would start a
program (lzop, lrzip, grzip) or name files of this machine (mtree).

*Errors:* ArchiveError for what libarchive says is wrong; ``is_fatal`` tells whether entries may follow.
"""

import ctypes
import logging
import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from stat import S_IFDIR, S_IFLNK, S_IFREG

from libarchive import ffi
from libarchive.exception import ArchiveError

from milterguard.core.part import Flag

FORMATS = ("7zip", "ar", "cab", "cpio", "iso9660", "lha", "rar", "rar5", "tar", "warc", "xar", "zip")
FILTERS = ("bzip2", "compress", "gzip", "lz4", "lzip", "lzma", "rpm", "xz", "zstd")

_BLOCK_BYTES = 65536
_is_data_encrypted = ffi.ffi("entry_is_data_encrypted", [ffi.c_archive_entry_p], ctypes.c_int)
_is_metadata_encrypted = ffi.ffi("entry_is_metadata_encrypted", [ffi.c_archive_entry_p], ctypes.c_int)
_has_encrypted = ffi.ffi("read_has_encrypted_entries", [ffi.c_archive_p], ctypes.c_int)
_filter_count = ffi.ffi("filter_count", [ffi.c_archive_p], ctypes.c_int)
_filter_bytes = ffi.ffi("filter_bytes", [ffi.c_archive_p, ctypes.c_int], ctypes.c_longlong)
_header_position = ffi.ffi("read_header_position", [ffi.c_archive_p], ctypes.c_longlong)
_pathname_utf8 = ffi.ffi("entry_pathname_utf8", [ffi.c_archive_entry_p], ctypes.c_char_p)


def preload() -> None:
    """Get ready before the process is sealed; libarchive's warnings go nowhere: our findings tell."""
    logging.getLogger("libarchive").disabled = True


def is_fatal(error: ArchiveError) -> bool:
    """Whether no entry can follow."""
    return error.retcode is None or error.retcode <= ffi.ARCHIVE_FATAL


def text_of(error: ArchiveError) -> str:
    """What libarchive says, short."""
    text = error.msg.decode("latin-1") if isinstance(error.msg, bytes) else error.msg
    return (text or "broken archive")[:120]


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry; valid until the next one is asked for."""

    raw_name: bytes
    """As it stands in the archive; where that is UTF-16, as UTF-8."""
    wide_name: str
    """As libarchive converts it; empty where it cannot."""
    size: int | None
    flags: frozenset[Flag]
    is_file: bool
    """Has octets of its own."""
    position: int
    """Where its headers begin, counted from the first octet of all."""


class Reader:
    """An archive that is read from memory. A context manager."""

    def __init__(self, octets: mmap.mmap | bytearray, *, formats: tuple[str, ...], filters: tuple[str, ...]) -> None:
        self._archive = ffi.read_new()
        self._entry = ffi.entry_new()
        self.octets = octets
        self._view = (ctypes.c_char * len(octets)).from_buffer(octets) if len(octets) else None
        self._buffer = ctypes.create_string_buffer(_BLOCK_BYTES)
        self.complaint = ""
        """About a header that was passed over."""
        self._start = 0
        self._has_entries = False
        self._is_sound = False
        for name in formats:
            ffi.get_read_format_function(name)(self._archive)
        for name in filters:
            ffi.get_read_filter_function(name)(self._archive)

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *_: object) -> None:
        ffi.read_free(self._archive)
        ffi.entry_free(self._entry)
        self._view = None

    def open(self, passwords: tuple[str, ...] = (), *, start: int = 0) -> None:
        """Take the octets from ``start`` on. Raises ArchiveError."""
        for password in passwords:
            ffi.read_add_passphrase(self._archive, password.encode("utf-8", "replace").replace(b"\0", b""))
        self._start = start
        # An address, not the array: an exception's traceback would keep that, and with it the mapping.
        address = ctypes.addressof(self._view) + start if self._view is not None else 0
        ffi.read_open_memory(self._archive, address, max(0, len(self.octets) - start))

    def next(self) -> Entry | None:
        """Return the next entry; None at the end. Raises ArchiveError."""
        self._is_sound = False
        if ffi.read_next_header2(self._archive, self._entry) == ffi.ARCHIVE_EOF:
            self._is_sound = self._has_entries
            return None
        self._is_sound = self._has_entries = True
        entry = self._entry
        kind = ffi.entry_filetype(entry)
        flags: set[Flag] = set()
        if ffi.entry_hardlink(entry) is not None or kind == S_IFLNK:
            flags.add(Flag.LINK)
        elif kind == S_IFDIR:
            flags.add(Flag.DIRECTORY)
        elif kind not in (0, S_IFREG):
            flags.add(Flag.SPECIAL)
        if _is_data_encrypted(entry) or _is_metadata_encrypted(entry):
            flags.add(Flag.ENCRYPTED)
        wide = _pathname_utf8(entry) or b""
        return Entry(
            raw_name=ffi.entry_pathname(entry) or wide,
            wide_name=wide.decode("utf-8", "replace"),
            size=max(0, ffi.entry_size(entry)) if ffi.entry_size_is_set(entry) else None,
            flags=frozenset(flags),
            is_file=not flags & {Flag.DIRECTORY, Flag.SPECIAL, Flag.LINK},
            position=self._start + int(_header_position(self._archive)),
        )

    def blocks(self) -> Iterator[bytes]:
        """Yield the octets of the entry that was returned last. Raises ArchiveError."""
        while (size := ffi.read_data(self._archive, self._buffer, _BLOCK_BYTES)) > 0:
            yield self._buffer.raw[:size] if size < _BLOCK_BYTES else self._buffer.raw
        if size < 0:  # a warning, which the binding lets pass: the same would come again and again
            raise ArchiveError("its octets are broken")

    @property
    def is_filtered(self) -> bool:
        """Whether anything is decompressed; to be asked once it is open."""
        return bool(_filter_count(self._archive) > 1)

    @property
    def position(self) -> int:
        """What was read up to, counted from the first octet of all."""
        return self._start + int(_filter_bytes(self._archive, 0))

    @property
    def has_encrypted(self) -> bool:
        """Whether anything that was seen so far is encrypted, the list of entries included."""
        # libarchive 3.6.2 crashes when it is asked after a header that it could not read.
        return self._is_sound and bool(_has_encrypted(self._archive) > 0)
