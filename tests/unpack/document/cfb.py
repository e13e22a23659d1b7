# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes compound files for tests, and what stands in them: VBA projects, packages, Excel's records.

*Source:* MS-CFB, version 3 with sectors of 512 octets; MS-OVBA section 2.4.1.
"""

import struct
from collections.abc import Mapping
from itertools import count

Tree = Mapping[str, "bytes | Tree"]

SECTOR, MINI, CUTOFF = 512, 64, 4096
END, FREE, FAT = 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD


def padded(octets: bytes, size: int) -> bytes:
    return octets + bytes(-len(octets) % size)


def compound(tree: Tree, *, class_id: bytes = bytes(16)) -> bytes:
    """Return a compound file of storages (mappings) and streams (octets)."""
    nodes: list[tuple[str, int, bytes, int, int]] = []
    _add(nodes, "Root Entry", tree, 5)
    mini = b"".join(padded(data, MINI) for _, kind, data, _, _ in nodes if kind == 2 and len(data) < CUTOFF)
    bodies: list[bytes] = []
    fat: list[int] = []

    def store(octets: bytes) -> int:
        if not octets:
            return END
        start, number = len(fat), -(-len(octets) // SECTOR)
        fat.extend([*range(start + 1, start + number), END])
        bodies.append(padded(octets, SECTOR))
        return start

    mini_fat: list[int] = []
    entries = []
    for name, kind, data, right, child in nodes:
        start, size = (0, 0) if kind == 1 else (END, len(data))
        if kind == 5:
            start, size = store(mini), len(mini)
        elif kind == 2 and 0 < size < CUTOFF:
            start = len(mini_fat)
            mini_fat += [*range(start + 1, start + -(-size // MINI)), END]
        elif kind == 2:
            start = store(data)
        raw = name.encode("utf-16-le")
        entries.append(
            struct.pack("<64sHBBIII", raw, len(raw) + 2, kind, 1, FREE, right, child)
            + (class_id if kind == 5 else bytes(16))
            + struct.pack("<IQQIQ", 0, 0, 0, start, size)
        )
    mini_table = store(padded(struct.pack(f"<{len(mini_fat)}I", *mini_fat), SECTOR)) if mini_fat else END
    directory = store(padded(b"".join(entries), SECTOR))
    tables = next(number for number in count(1) if number * SECTOR // 4 >= len(fat) + number)
    fat_sectors = [len(fat) + index for index in range(tables)]
    fat += [FAT] * tables
    fat += [FREE] * (tables * SECTOR // 4 - len(fat))
    header = struct.pack(
        "<8s16sHHHHH6xIIIIIIIII",
        *(bytes.fromhex("d0cf11e0a1b11ae1"), bytes(16), 0x3E, 3, 0xFFFE, 9, 6),
        *(0, tables, directory, 0, CUTOFF, mini_table, 1 if mini_fat else 0, END, 0),
    )
    header += struct.pack("<109I", *fat_sectors, *[FREE] * (109 - tables))
    return header[:SECTOR] + b"".join(bodies) + struct.pack(f"<{len(fat)}I", *fat)


def _add(nodes: list[tuple[str, int, bytes, int, int]], name: str, content: "bytes | Tree", kind: int) -> int:
    """Add an entry with what is below it; the entries of a storage hang one on the right of the other."""
    index = len(nodes)
    nodes.append((name, kind, b"", FREE, FREE))
    if isinstance(content, bytes):
        nodes[index] = (name, 2, content, FREE, FREE)
        return index
    first = before = FREE
    for child in sorted(content, key=lambda each: (len(each), each.upper())):
        inner = content[child]
        added = _add(nodes, child, inner, 2 if isinstance(inner, bytes) else 1)
        if before == FREE:
            first = added
        else:
            nodes[before] = (*nodes[before][:3], added, nodes[before][4])
        before = added
    nodes[index] = (name, kind, b"", nodes[index][3], first)
    return index


def squeezed(text: bytes) -> bytes:
    """Return a compressed container of literals only."""
    found = b"\x01"
    for start in range(0, len(text), 3000):
        piece = text[start : start + 3000]
        body = b"".join(b"\0" + piece[at : at + 8] for at in range(0, len(piece), 8))
        found += struct.pack("<H", 0xB000 | (len(body) + 2 - 3)) + body
    return found


def vba(source: bytes, *, name: str = "ThisDocument") -> dict[str, bytes | Tree]:
    """Return the storages of a project with one module."""
    module = squeezed(b'Attribute VB_Name = "%s"\r\n' % name.encode() + source)
    # MS-OVBA 2.3.4.2: just so much of the dir stream as oletools wants to see.
    title, stream = name.encode(), name.encode("utf-16-le")
    records = [
        (0x01, struct.pack("<I", 1)),
        (0x02, struct.pack("<I", 0x409)),
        (0x14, struct.pack("<I", 0x409)),
        (0x03, struct.pack("<H", 1252)),
        (0x04, b"VBAProject"),
        *((0x05, b""), (0x40, b""), (0x06, b""), (0x3D, b"")),
        (0x07, struct.pack("<I", 0)),
        (0x08, struct.pack("<I", 0)),
    ]
    directory = b"".join(struct.pack("<HI", kind, len(data)) + data for kind, data in records)
    directory += struct.pack("<HIIH", 0x09, 4, 1, 1) + struct.pack("<HIHI", 0x0C, 0, 0x3C, 0)
    directory += struct.pack("<HIH", 0x0F, 2, 1) + struct.pack("<HIH", 0x13, 2, 0)
    for kind, data in (
        *((0x19, title), (0x47, stream), (0x1A, title), (0x32, stream), (0x1C, b""), (0x48, b"")),
        *((0x31, struct.pack("<I", 0)), (0x1E, struct.pack("<I", 0)), (0x2C, b"\0\0"), (0x22, b""), (0x2B, b"")),
    ):
        directory += struct.pack("<HI", kind, len(data)) + data
    directory += struct.pack("<HI", 0x10, 0)
    return {
        "PROJECT": b'ID="{00000000-0000-0000-0000-000000000000}"\r\nDocument=%s/&H00000000\r\n' % title,
        "VBA": {"dir": squeezed(directory), "_VBA_PROJECT": b"\xcc\x61\xff\xff\0\0\0", name: module},
    }


def package(name: bytes, data: bytes) -> bytes:
    """Return an Ole10Native stream."""
    path = b"C:\\Temp\\" + name + b"\0"
    content = b"\x02\0" + name + b"\0" + b"C:\\" + name + b"\0" + b"\0\0\x03\0"
    content += struct.pack("<I", len(path)) + path + struct.pack("<I", len(data)) + data
    return struct.pack("<I", len(content)) + content


def records(*found: tuple[int, bytes]) -> bytes:
    """Return the records of an Excel workbook."""
    return b"".join(struct.pack("<HH", kind, len(data)) + data for kind, data in found)


BOF = (0x809, struct.pack("<HHHHII", 0x600, 5, 0, 0, 0, 0))
