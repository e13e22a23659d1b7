# SPDX-License-Identifier: GPL-3.0-or-later
"""The way from an encoded part to its octets: every reading that some mail program has of it.

Each decoder goes through the octets a fixed number of times, block by block, in C; none raises.
"""

from functools import partial

from milterguard.mime.binhex import binhex
from milterguard.mime.carve import carved
from milterguard.mime.decoding import Decoding, slices
from milterguard.mime.embedded import Embedded, embedded
from milterguard.mime.guess import guessed
from milterguard.mime.octets import Octets
from milterguard.mime.quoted import quoted_printable
from milterguard.mime.radix64 import radix64
from milterguard.mime.uuencode import uuencode
from milterguard.mime.yenc import yenc

__all__ = ["Decoding", "Embedded", "carved", "decodings", "embedded", "guessed"]

_DECODERS = {
    "base64": radix64,
    "quoted-printable": quoted_printable,
    "uuencode": uuencode,
    "yenc": yenc,
    "binhex": binhex,
}


def decodings(octets: Octets, start: int, end: int, encoding: str) -> tuple[Decoding, ...]:
    """Return how a range may be decoded, at most 8 ways: first what most programs read, then what others would.

    An encoding that is not known leaves the octets as they are. Never raises.
    """
    end = min(end, len(octets))
    start = min(max(start, 0), end)
    decoder = _DECODERS.get(encoding, _identity)
    return decoder(octets, start, end)


def _identity(octets: Octets, start: int, end: int) -> tuple[Decoding, ...]:
    return (Decoding("", is_odd=False, is_ambiguous=False, blocks=partial(slices, octets, start, end)),)
