# SPDX-License-Identifier: GPL-3.0-or-later
"""What a tar's own headers say of an entry that libarchive reads with more understanding than clamd does.

clamd takes the size that stands in the plain header and the octets that follow. Where an extension says
otherwise it sees other octets than those that come out.

*Source:* POSIX.1-2017 pax (extended headers), GNU tar manual (Basic Tar Format, sparse formats); measured
with clamd 1.4.6.

*Errors:* none.
"""

import mmap

BLOCK_BYTES = 512
_EXTENSIONS = b"xgXLK"
"""Types of headers that stand in front of another one."""
_PLAIN = b"\x00012345670"
"""Types of entries that clamd reads as files, or that have no octets."""
_TELLING = (b"size=", b"GNU.sparse.")
_MAX_HEADERS = 16
_MAX_EXTENSION_BYTES = 1_048_576


def is_odd(octets: mmap.mmap | bytes | bytearray, position: int) -> bool:
    """Whether clamd may see other octets of the entry whose headers begin there than libarchive."""
    for _ in range(_MAX_HEADERS):
        kind, size_field = octets[position + 156 : position + 157], octets[position + 124 : position + 136]
        if not kind or size_field[:1] >= b"\x80":
            return True
        if kind not in _EXTENSIONS:
            return kind not in _PLAIN
        size = _octal(size_field)
        start = position + BLOCK_BYTES
        if size is None or size > _MAX_EXTENSION_BYTES:
            return True
        extension = octets[start : start + size]
        if kind not in b"LK" and any(word in extension for word in _TELLING):
            return True
        position = start + -(-size // BLOCK_BYTES) * BLOCK_BYTES
    return True


def _octal(field: bytes | bytearray) -> int | None:
    digits = field.strip(b"\0 ")
    return int(digits, 8) if digits and not digits.translate(None, b"01234567") else None
