# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes out of an S/MIME message what is signed or compressed in it, and not encrypted: mail programs show that.

A signature that stands beside what it signs has nothing in it. Nothing is verified here.

*Source:* RFC 5652 sections 3 and 5 (signed data), RFC 3274 (compressed data), RFC 8551 section 3.5; X.690 (BER).
*Errors:* Undecodable where it says to be such data and its beginning cannot be read, or it comes in more pieces
than are read.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from milterguard.core.part import Flag
from milterguard.mime.octets import Octets
from milterguard.unpack.document.flate import inflated
from milterguard.unpack.quota import Quota
from milterguard.unpack.source import Child, Find, Note, Source, Undecodable

KINDS = frozenset({"smime"})
_COMPRESSED = bytes.fromhex("2a864886f70d0109100109")
_SEQUENCE, _SET, _INTEGER, _OID, _EXPLICIT = 0x30, 0x31, 0x02, 0x06, 0xA0
_OCTETS, _PIECES = 0x04, 0x24
_END = 0x00
_BLOCK = 65_536
_MOST_PIECES = 1_000_000


@dataclass(frozen=True, slots=True)
class _Item:
    """A tag with its content; ``end`` is that of the source where the length is not told."""

    tag: int
    start: int
    end: int
    is_open: bool
    is_cut: bool = False
    """It says to be longer than what there is."""


def look(source: Source, _quota: Quota) -> Iterator[Find]:
    """Yield what stands in it, if anything does."""
    octets = source.mapped()
    if _item(octets, 0, len(octets), _SEQUENCE).is_cut:
        yield Note(frozenset({Flag.UNDECODABLE}), "cut short")
    found = _content(octets)
    if found is not None:
        kind, content = found
        blocks = _pieces(octets, content)
        is_compressed = octets[kind.start : kind.end] == _COMPRESSED
        yield Child(blocks=inflated(b"".join(blocks)) if is_compressed else blocks, is_hidden=True)


def pieces(octets: Octets) -> Iterator[bytes]:
    """Yield the octets that stand in such data, as they are. Raises Undecodable."""
    found = _content(octets)
    if found is not None:
        yield from _pieces(octets, found[1])


def _content(octets: Octets) -> tuple[_Item, _Item] | None:
    """Return the kind of such data and what it holds, if anything. Raises Undecodable."""
    outer = _item(octets, 0, len(octets), _SEQUENCE)
    kind = _item(octets, outer.start, outer.end, _OID)
    content = _item(octets, _item(octets, kind.end, outer.end, _EXPLICIT).start, outer.end, _SEQUENCE)
    position = _item(octets, content.start, content.end, _INTEGER).end
    # Algorithms: a set of them in signed data, one in compressed data.
    algorithms = _item(octets, position, content.end, _SET, _SEQUENCE)
    inner = _item(octets, _after(octets, algorithms), content.end, _SEQUENCE)
    position = _item(octets, inner.start, inner.end, _OID).end
    if position >= inner.end or octets[position : position + 1] != bytes([_EXPLICIT]):
        return None
    return kind, _item(octets, position, inner.end, _EXPLICIT)


def _item(octets: Octets, position: int, end: int, *tags: int) -> _Item:
    """Return what begins there. Raises Undecodable when its tag is none of these."""
    head = octets[position : min(position + 6, end)]
    if len(head) < 2 or head[0] not in tags:
        raise Undecodable("signed data that cannot be read")
    size = head[1]
    if size == 0x80:
        return _Item(head[0], position + 2, end, is_open=True)
    more = size & 0x7F if size & 0x80 else 0
    if more > 4 or len(head) < 2 + more:
        raise Undecodable("signed data that cannot be read")
    start = position + 2 + more
    length = int.from_bytes(head[2 : 2 + more], "big") if more else size
    return _Item(head[0], start, min(start + length, end), is_open=False, is_cut=start + length > end)


def _after(octets: Octets, item: _Item) -> int:
    """Return where the next item begins; algorithms are short, and their items have lengths."""
    position = item.start
    while item.is_open and position < item.end and octets[position : position + 2] != b"\0\0":
        position = _item(octets, position, item.end, _SEQUENCE).end
    return position + 2 if item.is_open else item.end


def _pieces(octets: Octets, content: _Item) -> Iterator[bytes]:
    """Yield the octets of a string that may come in pieces, and those in pieces."""
    position = content.start
    for _ in range(_MOST_PIECES):
        if position >= content.end or octets[position : position + 1][0] not in (_OCTETS, _PIECES, _END):
            return
        item = _item(octets, position, content.end, _OCTETS, _PIECES, _END)
        position = item.start if item.tag == _PIECES else item.end
        if item.tag == _OCTETS:
            for start in range(item.start, item.end, _BLOCK):
                yield octets[start : min(start + _BLOCK, item.end)]
    raise Undecodable("signed data in too many pieces")
