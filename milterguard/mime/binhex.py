# SPDX-License-Identifier: GPL-3.0-or-later
"""Decodes BinHex 4.0: a Macintosh file as text between two colons, with its name, runs and two forks.

A run makes 255 octets of three, so that small pieces are taken at a time.

*Source:* RFC 1741.
"""

import re
from binascii import a2b_base64
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice

from milterguard.mime.decoding import Decoding, slices
from milterguard.mime.gibberish import LETTERS
from milterguard.mime.octets import Octets

INTRODUCTION = b"(This file must be converted with BinHex"

_ALPHABET = b"!\"#$%&'()*+,-012345689@ABCDEFGHIJKLMNPQRSTUVXYZ[`abcdefhijklmpqr"
_TO_RADIX64 = bytes.maketrans(_ALPHABET, LETTERS)
_OTHERS = bytes(set(range(256)) - set(_ALPHABET))
_RUN = re.compile(rb"(.?)\x90(.)", re.DOTALL)
_START = re.compile(rb"(?:\A|[\r\n])[ \t]*+:")
_PIECE = 8192
_HEADER = 300


@dataclass(frozen=True, slots=True)
class _Header:
    name: str
    size: int
    """Octets before the data fork."""
    data: int
    resource: int


def binhex(octets: Octets, start: int, end: int) -> tuple[Decoding, ...]:
    """Return the readings of BinHex: the data fork, and everything where there is more. Never raises."""
    start = _after_colon(octets, start, end)
    stop = octets.find(b":", start, end)
    has_stop = stop >= 0
    stop = stop if has_stop else end
    whole = partial(_expanded, octets, start, stop)
    header = _header(b"".join(islice(whole(), 2)))
    if header is None:
        return (Decoding("", is_odd=True, is_ambiguous=False, blocks=whole),)
    fork = partial(_part, octets, start, stop, skip=header.size, take=header.data)
    first = Decoding("", is_odd=not has_stop or header.resource > 0, is_ambiguous=False, blocks=fork)
    return (first, Decoding("BinHex with both forks", is_odd=True, is_ambiguous=False, blocks=whole))


def file_name(octets: Octets, start: int, end: int) -> str:
    """Return the name in the header, empty when there is none. Never raises."""
    start = _after_colon(octets, start, min(end, start + _PIECE))
    header = _header(b"".join(islice(_expanded(octets, start, min(end, start + _PIECE)), 2)))
    return header.name if header else ""


def _after_colon(octets: Octets, start: int, end: int) -> int:
    """Return where the text begins: after the colon at the beginning of a line; at ``start`` when there is none."""
    introduction = octets.find(INTRODUCTION, start, end)
    for position in range(max(introduction, start), end, 65_536):
        if found := _START.search(octets[max(position - 1, start) : min(position + 65_536, end)]):
            return max(position - 1, start) + found.end()
    return start


def _header(octets: bytes) -> _Header | None:
    size = 1 + octets[0] + 1 + 4 + 4 + 2 + 4 + 4 + 2 if octets else 0
    if not size or len(octets) < size or not 1 <= octets[0] <= 63:
        return None
    lengths = octets[size - 10 : size - 2]
    data, resource = int.from_bytes(lengths[:4], "big"), int.from_bytes(lengths[4:], "big")
    return _Header(octets[1 : octets[0] + 1].decode("mac-roman", "replace"), size, data=data, resource=resource)


def _part(octets: Octets, start: int, end: int, *, skip: int, take: int) -> Iterator[bytes]:
    for block in _expanded(octets, start, end):
        wanted = block[skip : skip + take]
        skip = max(skip - len(block), 0)
        take -= len(wanted)
        if wanted:
            yield wanted
        if not take:
            return


def _expanded(octets: Octets, start: int, end: int) -> Iterator[bytes]:
    letters = packed = b""
    for block in slices(octets, start, end, size=_PIECE):
        letters += block.translate(_TO_RADIX64, _OTHERS)
        whole = len(letters) & ~3
        packed += a2b_base64(letters[:whole])
        letters = letters[whole:]
        cut = _safe_cut(packed)
        if expanded := _RUN.sub(_repeated, packed[:cut]):
            yield expanded
        packed = packed[cut:]
    last = a2b_base64(letters.ljust(4, b"A"))[: len(letters) - 1] if len(letters) > 1 else b""
    if expanded := _RUN.sub(_repeated, packed + last):
        yield expanded


def _safe_cut(packed: bytes) -> int:
    """Return where to cut so that a run stays whole: never within three octets that hold its mark."""
    mark = packed.rfind(b"\x90", max(len(packed) - 3, 0))
    return len(packed) - 1 if mark < 0 else max(mark - 1, 0)


def _repeated(match: re.Match[bytes]) -> bytes:
    octet, count = match[1], match[2][0]
    return octet + b"\x90" if count == 0 else octet * count
