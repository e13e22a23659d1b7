# SPDX-License-Identifier: GPL-3.0-or-later
"""Octets in the shape that SMTP wants them: CRLF line ends, leading dots doubled.

All functions take and give blocks, so that a message of any size needs the memory of one block.

*Source:* RFC 5321 sections 2.3.8 and 4.5.2.
"""

import re
from collections.abc import Iterable, Iterator

_BARE_LF = re.compile(rb"(?<!\r)\n")


def crlf_lines(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the octets with every bare LF made CRLF, and a last line that ends. Nothing stays nothing."""
    last = b""
    for block in blocks:
        if block:
            before = b"\r" if last == b"\r" else b""
            yield _BARE_LF.sub(b"\r\n", before + block)[len(before) :]
            last = block[-1:]
    if last == b"\r":
        yield b"\n"
    elif last not in {b"", b"\n"}:
        yield b"\r\n"


def dots_doubled(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the octets with the dot doubled that a line begins with. Lines end with CRLF."""
    last = b"\n"
    for block in blocks:
        if block:
            first = b"." if last == b"\n" and block.startswith(b".") else b""
            yield first + block.replace(b"\n.", b"\n..")
            last = block[-1:]
