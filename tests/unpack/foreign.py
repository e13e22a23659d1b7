# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives of formats that no free program writes, or none at hand: one stored member each, octet by octet.

*Source:* RAR 4 technote and RAR 5.0 archive format (rarlab.com); LHA header level 0; rpm's lead and
header structure; ISO 28500 (WARC); the xar format of its own documentation.
"""

import hashlib
import struct
import zlib


def rar4(name: str, content: bytes, *, main_bits: int = 0, file_bits: int = 0) -> bytes:
    """``main_bits``: 0x01 volume, 0x80 encrypted headers; ``file_bits``: 0x04 encrypted, 0x02 goes on."""
    raw = name.encode()
    main = _rar4_block(0x73, main_bits, bytes(6))
    fields = struct.pack("<2LB2L2BHL", len(content), len(content), 3, zlib.crc32(content), 0, 20, 0x30, len(raw), 32)
    return b"Rar!\x1a\x07\x00" + main + _rar4_block(0x74, 0x8000 | file_bits, fields + raw) + content


def _rar4_block(kind: int, bits: int, body: bytes) -> bytes:
    head = struct.pack("<BHH", kind, bits, 7 + len(body)) + body
    return struct.pack("<H", zlib.crc32(head) & 0xFFFF) + head


def rar5(name: str, content: bytes, *, main_bits: int = 0) -> bytes:
    """``main_bits``: 0x01 volume."""
    raw = name.encode()
    body = b"".join(map(_number, (2, 2, len(content), 4, len(content), 0x20))) + struct.pack("<L", zlib.crc32(content))
    body += _number(0) + _number(1) + _number(len(raw)) + raw
    main = _rar5_block(_number(1) + _number(0) + _number(main_bits))
    end = _rar5_block(_number(5) + _number(0) + _number(0))
    return b"Rar!\x1a\x07\x01\x00" + main + _rar5_block(body) + content + end


def _rar5_block(body: bytes) -> bytes:
    sized = _number(len(body)) + body
    return struct.pack("<L", zlib.crc32(sized)) + sized


def _number(value: int) -> bytes:
    octets = b""
    while value > 0x7F:
        octets, value = octets + bytes([value & 0x7F | 0x80]), value >> 7
    return octets + bytes([value])


def lha(name: str, content: bytes) -> bytes:
    raw = name.encode()
    body = b"-lh0-" + struct.pack("<3LBB", len(content), len(content), 0, 0x20, 0) + bytes([len(raw)]) + raw
    body += struct.pack("<H", _crc16(content))
    return bytes([len(body), sum(body) & 0xFF]) + body + content + b"\0"


def _crc16(octets: bytes) -> int:
    crc = 0
    for octet in octets:
        crc ^= octet
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc


def rpm(payload: bytes) -> bytes:
    """A lead, an empty signature, an empty header; ``payload`` is a compressed cpio."""
    lead = struct.pack(">4s2B2H66s2H16s", b"\xed\xab\xee\xdb", 3, 0, 0, 1, b"name", 1, 5, b"")
    header = b"\x8e\xad\xe8\x01" + bytes(4) + struct.pack(">2L", 1, 4) + struct.pack(">4L", 1000, 6, 0, 1) + b"a\0\0\0"
    return lead + header + bytes(-len(header) % 8) + header + payload


def deb(data: bytes) -> bytes:
    """``data`` is a tar of what the package holds."""
    members = (("debian-binary", b"2.0\n"), ("control.tar", b""), ("data.tar", data))
    return b"!<arch>\n" + b"".join(_ar_member(name, content) for name, content in members)


def _ar_member(name: str, content: bytes) -> bytes:
    head = f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode()
    return head + content + b"\n" * (len(content) % 2)


def warc(name: str, content: bytes) -> bytes:
    head = f"WARC/1.0\r\nWARC-Type: resource\r\nWARC-Target-URI: file://{name}\r\nWARC-Date: 2026-01-01T00:00:00Z\r\n"
    head += f"WARC-Record-ID: <urn:uuid:0>\r\nContent-Length: {len(content)}\r\n"
    return head.encode() + b"\r\n" + content + b"\r\n\r\n"


def xar(name: str, content: bytes) -> bytes:
    digest, stored = hashlib.sha1(content, usedforsecurity=False).hexdigest(), zlib.compress(content)
    packed = hashlib.sha1(stored, usedforsecurity=False).hexdigest()
    table = f"""<?xml version="1.0" encoding="UTF-8"?><xar><toc><checksum style="sha1"><offset>0</offset><size>20</size>
</checksum><file id="1"><name>{name}</name><type>file</type><data><offset>20</offset><length>{len(stored)}</length>
<size>{len(content)}</size><encoding style="application/x-gzip"/><extracted-checksum style="sha1">{digest}
</extracted-checksum><archived-checksum style="sha1">{packed}</archived-checksum></data></file></toc></xar>"""
    told = zlib.compress(table.replace("\n</", "</").encode())
    head = struct.pack(">4s2H2QL", b"xar!", 28, 1, len(told), len(table.replace("\n</", "</")), 1)
    return head + told + hashlib.sha1(told, usedforsecurity=False).digest() + stored
