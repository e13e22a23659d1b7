# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes the attachments out of a TNEF stream (winmail.dat), and of the messages attached in it.

Checksums are not looked at: programs differ in whether they care. What is cut short is told as far as
it goes.

*Source:* MS-OXTNEF sections 2.1.3 (structure), 2.1.3.4 (attachment attributes), 2.2 (properties).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from milterguard.core.part import Flag
from milterguard.unpack.document.property import Property, properties
from milterguard.unpack.quota import OverLimits, Quota
from milterguard.unpack.source import Child, Find, Note, Source, Undecodable

SIGNATURE = b"\x78\x9f\x3e\x22"
_RENDER_DATA, _TITLE, _DATA, _PROPERTIES = 0x9002, 0x8010, 0x800F, 0x9005
_TRANSPORT_NAME = 0x9001
_MESSAGE_LEVEL, _ATTACHMENT_LEVEL = 1, 2
_NAMES = (0x3707, 0x3704, 0x3001)
_OBJECT = 0x3701
_MAX_ATTRIBUTES = 200_000
_MAX_PROPERTY_BYTES = 64 << 20
_INTERFACE_BYTES = 16


@dataclass(slots=True)
class _Attachment:
    names: dict[str, None] = field(default_factory=dict)
    data: tuple[int, int] | None = None
    """Where it lies."""
    objects: list[bytes] = field(default_factory=list)

    def name(self, raw: bytes, encoding: str = "cp1252") -> None:
        if shown := raw.decode(encoding, "replace").split("\0")[0]:
            self.names[shown] = None


def look(source: Source, quota: Quota) -> Iterator[Find]:
    """Yield every attachment."""
    if source.read(0, 4) != SIGNATURE:
        raise Undecodable("no TNEF")
    attachment = _Attachment()
    for level, kind, offset, size in _attributes(source):
        if level != _ATTACHMENT_LEVEL:
            continue
        if kind == _RENDER_DATA:
            yield from _children(source, attachment)
            attachment = _Attachment()
        else:
            _attribute(source, attachment, quota, kind=kind, offset=offset, size=size)
    yield from _children(source, attachment)
    if attachment.data and attachment.data[0] + attachment.data[1] > source.size:
        yield Note(frozenset({Flag.UNDECODABLE}), "cut short")


def _attributes(source: Source) -> Iterator[tuple[int, int, int, int]]:
    """Yield level, number, offset and size of each attribute."""
    position = 6
    for _ in range(_MAX_ATTRIBUTES):
        head = source.read(position, 9)
        if len(head) < 9:
            return
        level, kind, size = head[0], *struct.unpack("<HxxI", head[1:])
        if level not in (_MESSAGE_LEVEL, _ATTACHMENT_LEVEL):
            raise Undecodable("broken attributes")
        yield level, kind, position + 9, size
        position += 9 + size + 2
    raise OverLimits("too many attributes")


def _attribute(source: Source, attachment: _Attachment, quota: Quota, *, kind: int, offset: int, size: int) -> None:
    if kind in (_TITLE, _TRANSPORT_NAME):
        attachment.name(source.read(offset, min(size, 4096)))
    elif kind == _DATA:
        attachment.data = offset, size
    elif kind == _PROPERTIES:
        if min(size, source.size - offset) > min(_MAX_PROPERTY_BYTES, quota.room):
            raise OverLimits("properties longer than are read")
        for each in properties(source.read(offset, size)):
            _property(attachment, each)


def _property(attachment: _Attachment, found: Property) -> None:
    if found.tag in _NAMES and found.is_text:
        for value in found.values:
            attachment.name(value, "utf-16-le" if found.is_wide else "cp1252")
    elif found.tag == _OBJECT:
        attachment.objects += found.values


def _children(source: Source, attachment: _Attachment) -> Iterator[Find]:
    names = tuple(attachment.names)
    if attachment.data or attachment.objects:
        yield Note(frozenset({Flag.EMBEDDED}))
    for content in attachment.objects:
        # An object, which may be a message in TNEF, has the number of its interface in front.
        inner = content[_INTERFACE_BYTES:] if content[16:20] == SIGNATURE or content[16:18] == b"\xd0\xcf" else content
        yield Child(names, (inner,), len(inner))
    if attachment.data:
        offset, size = attachment.data
        yield Child(names, source.blocks(offset, size), size)
