# SPDX-License-Identifier: GPL-3.0-or-later
"""Decodes yEnc: in one piece or in several, with or without the lines that announce it.

*Source:* yEnc draft 1.3 (yenc.org).
"""

import re
from collections.abc import Iterator
from functools import partial

from milterguard.mime.decoding import Decoding, lines
from milterguard.mime.octets import Octets

BEGIN = re.compile(rb"(?m)^=ybegin [^\r\n]{0,512}?name=([^\r\n]{1,255})")

_SHIFTED = bytes((octet - 42) & 255 for octet in range(256))
_KEYWORD_LINE = re.compile(rb"(?m)^=y(?:begin|part|end)\b[^\n]*+\n?")
_ESCAPE = re.compile(rb"=(.)", re.DOTALL)
_ESCAPED = {bytes((octet,)): bytes(((octet - 64) & 255,)) for octet in range(256)}


def yenc(octets: Octets, start: int, end: int) -> tuple[Decoding, ...]:
    """Return the readings of yEnc. Never raises."""
    begins = ends = 0
    for block in lines(octets, start, end):
        found = _KEYWORD_LINE.findall(block)
        begins += sum(line.startswith(b"=ybegin") for line in found)
        ends += sum(line.startswith(b"=yend") for line in found)
    blocks = partial(_decoded, octets, start, end, is_announced=begins > 0)
    return (Decoding("", is_odd=not begins == ends == 1, is_ambiguous=False, blocks=blocks),)


def _decoded(octets: Octets, start: int, end: int, *, is_announced: bool) -> Iterator[bytes]:
    rest = b""
    is_inside = not is_announced
    for block in lines(octets, start, end):
        text, is_inside = (
            _between(block, is_inside=is_inside) if is_announced else (_KEYWORD_LINE.sub(b"", block), True)
        )
        text = rest + text.translate(None, b"\r\n")
        # An even number of signs at the end of a block escape one another.
        is_cut = (len(text) - len(text.rstrip(b"="))) % 2 == 1
        rest = b"=" if is_cut else b""
        text = text[:-1] if is_cut else text
        if decoded := _ESCAPE.sub(_unescaped, text).translate(_SHIFTED):
            yield decoded


def _between(block: bytes, *, is_inside: bool) -> tuple[bytes, bool]:
    """Return what stands between the lines that begin and end a piece, and whether the block ends inside of one."""
    kept: list[bytes] = []
    position = 0
    for match in _KEYWORD_LINE.finditer(block):
        if is_inside:
            kept.append(block[position : match.start()])
        is_inside = not match[0].startswith(b"=yend")
        position = match.end()
    if is_inside:
        kept.append(block[position:])
    return b"".join(kept), is_inside


def _unescaped(match: re.Match[bytes]) -> bytes:
    return _ESCAPED[match[1]]
