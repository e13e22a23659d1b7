# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes the objects out of RTF, whose octets stand in it as hex digits with anything in between.

*Source:* RTF specification 1.9.1, "Objects"; MS-OLEDS section 2.2 (ObjectHeader).
"""

import mmap
import re
import struct
from binascii import unhexlify
from collections.abc import Iterator
from dataclasses import dataclass, field

from milterguard.core.part import Flag
from milterguard.unpack.document import native
from milterguard.unpack.document.compound import MAGIC
from milterguard.unpack.quota import Quota
from milterguard.unpack.source import Child, Find, Note, Source

_OBJECT = re.compile(rb"\\objdata(?![a-zA-Z])")
_TOKEN = re.compile(
    rb"(?P<text>[^\\{}]{1,65536})|(?P<bin>\\bin(?P<count>\d{0,10})(?![a-zA-Z0-9]) ?)|(?P<next>\\objdata(?![a-zA-Z]))"
    rb"|(?P<star>\\\*)|\\'[0-9A-Fa-f]{0,2}|\\[a-zA-Z]{1,64}-?\d{0,20} ?|(?P<open>\{)|(?P<close>\})|\\."
    rb"|\\",
    re.DOTALL,
)
_NOT_HEX = bytes(set(range(256)) - set(b"0123456789abcdefABCDEF"))
_BLANKS = b" \t\r\n"
_ELSEWHERE = re.compile(
    rb"\\\*\\template[\s{}]{1,8}(?:https?:|ftp:|\\\\\\\\|file://[^/])|\\fldinst\b[^}]{0,200}?\bDDE(?:AUTO)?\b",
    re.IGNORECASE,
)
_LINKED = 1
_FETCHING = (b"ole2link", b"equation.")
_LONGEST_CLASS = 256
_LOOK_FOR_MAGIC = 4096
_MAX_OBJECTS = 10_000


@dataclass(slots=True)
class _Object:
    octets: bytearray = field(default_factory=bytearray)
    digits: bytes = b""
    """One hex digit that waits for its other half."""
    is_odd: bool = False
    """There is more than digits and line ends between its ends."""

    def add(self, text: bytes) -> None:
        digits = self.digits + text.translate(None, _NOT_HEX)
        if text.translate(None, _BLANKS).translate(None, _NOT_HEX) != text.translate(None, _BLANKS):
            self.is_odd = True
        even = len(digits) & ~1
        self.octets += unhexlify(digits[:even])
        self.digits = digits[even:]


def look(source: Source, quota: Quota) -> Iterator[Find]:
    """Yield what it fetches from elsewhere, then each object."""
    octets = source.mapped()
    try:
        # Every place that is searched from is behind the one before.
        if _ELSEWHERE.search(octets):
            yield Note(frozenset({Flag.EXTERNAL}), "fetches from elsewhere")
        match = _OBJECT.search(octets)
        for _ in range(_MAX_OBJECTS):
            if match is None:
                return
            found, end = _object(octets, match.end())
            yield from _finds(found, quota)
            match = _OBJECT.search(octets, end)
    finally:
        if isinstance(octets, mmap.mmap):
            octets.close()


def _object(octets: "mmap.mmap | bytes", position: int) -> tuple[_Object, int]:
    """Return the object whose digits begin at a place, and where it ends."""
    found, depth, ignored = _Object(), 0, 0
    while (match := _TOKEN.match(octets, position)) is not None:
        position = match.end()
        kind = match.lastgroup
        if match["next"]:
            return found, match.start()
        if match["close"]:
            depth -= 1
            if depth < 0:
                break
            ignored = 0 if depth < ignored else ignored
        elif match["open"]:
            depth += 1
        elif kind == "star":
            # A destination that nobody knows is skipped with its group.
            ignored = ignored or depth
        elif match["bin"]:
            count = min(int(match["count"] or b"0"), len(octets) - position)
            if not ignored:
                found.octets += octets[position : position + count]
            position += count
        elif match["text"] and not ignored:
            found.add(match["text"])
        found.is_odd = found.is_odd or not match["text"]
    return found, position


def _finds(found: _Object, quota: Quota) -> Iterator[Find]:
    content = bytes(found.octets)
    if not content:
        return
    quota.take(len(content))
    yield Note(frozenset({Flag.EMBEDDED}))
    inner, class_name, is_linked = _unwrapped(content)
    if is_linked or class_name.startswith(_FETCHING):
        yield Note(frozenset({Flag.EXTERNAL}), "an object that fetches")
    child = native.packed(inner) or Child(blocks=(inner,), size=len(inner))
    yield Child(child.names, child.blocks, child.size, is_hidden=found.is_odd)


def _unwrapped(content: bytes) -> tuple[bytes, bytes, bool]:
    """Return the native data, its class in lower case, whether it is but linked; all of it where that is no OLE 1."""
    start = content.find(MAGIC, 0, _LOOK_FOR_MAGIC)
    whole = content[max(start, 0) :]
    try:
        _version, kind, length = struct.unpack_from("<III", content)
        if length > _LONGEST_CLASS:
            return whole, b"", False
        name = content[12 : 12 + length].rstrip(b"\0").lower()
        position = 12 + length
        for _ in range(2):
            position += 4 + struct.unpack_from("<I", content, position)[0]
        size = struct.unpack_from("<I", content, position)[0]
    except struct.error:
        return whole, b"", False
    inner = content[position + 4 : position + 4 + size]
    # Programs do not mind a wrong size.
    return (inner if size and len(inner) == size and start in (-1, position + 4) else whole), name, kind == _LINKED
