# SPDX-License-Identifier: GPL-3.0-or-later
"""Encodes what the decoders are to decode, and shows what they make of octets."""

from base64 import b64encode
from binascii import b2a_uu

from milterguard.mime.decode import Decoding, decodings

_BINHEX = b"!\"#$%&'()*+,-012345689@ABCDEFGHIJKLMNPQRSTUVXYZ[`abcdefhijklmpqr"
_RADIX64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def read(octets: bytes, encoding: str) -> dict[str, bytes]:
    """Return every reading and what it gives."""
    return {each.reading: whole(each) for each in decodings(octets, 0, len(octets), encoding)}


def first(octets: bytes, encoding: str) -> Decoding:
    """Return the first reading."""
    return decodings(octets, 0, len(octets), encoding)[0]


def ambiguous(octets: bytes, encoding: str) -> list[str]:
    """Return the readings that make octets ambiguous."""
    return [each.reading for each in decodings(octets, 0, len(octets), encoding) if each.is_ambiguous]


def whole(decoding: Decoding) -> bytes:
    """Return all octets of a reading."""
    return b"".join(decoding.blocks())


def base64_lines(octets: bytes, *, length: int = 76, end: bytes = b"\r\n") -> bytes:
    """Return base64 in lines of a length."""
    return lines(b64encode(octets), length, end=end)


def lines(text: bytes, length: int, *, end: bytes = b"\r\n") -> bytes:
    """Return text in lines of a length, each ended."""
    return b"".join(text[at : at + length] + end for at in range(0, len(text), length))


def uu_lines(octets: bytes) -> bytes:
    """Return uuencoded lines, neither first nor last."""
    return b"".join(b2a_uu(octets[at : at + 45]) for at in range(0, len(octets), 45))


def yenc_lines(octets: bytes) -> bytes:
    """Return yEnc lines, neither first nor last; none begins with a sign that is not an escape."""
    shifted = (bytes(((octet + 42) & 255,)) for octet in octets)
    letters = [b"=" + bytes(((each[0] + 64) & 255,)) if each in b"\0\n\r=" else each for each in shifted]
    return b"".join(b"".join(letters[at : at + 128]) + b"\r\n" for at in range(0, len(letters), 128))


def binhex_text(name: bytes, data: bytes, *, resource: bytes = b"") -> bytes:
    """Return BinHex from colon to colon, runs as they came."""
    header = bytes((len(name),)) + name + b"\0APPLtest\0\0" + len(data).to_bytes(4, "big")
    packed = header + len(resource).to_bytes(4, "big") + b"\0\0" + data + b"\0\0" + resource + b"\0\0"
    letters = b64encode(packed.replace(b"\x90", b"\x90\0")).rstrip(b"=").translate(bytes.maketrans(_RADIX64, _BINHEX))
    return lines(b":" + letters + b":", 64)
