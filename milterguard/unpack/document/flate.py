# SPDX-License-Identifier: GPL-3.0-or-later
"""Inflates what a document holds compressed, in blocks, as far as it is sound."""

import zlib
from collections.abc import Iterator

from milterguard.unpack.source import BLOCK_BYTES, Undecodable


def inflated(packed: bytes) -> Iterator[bytes]:
    """Yield what a zlib stream holds. Raises Undecodable where it is broken; a missing end is forgiven."""
    decompressor = zlib.decompressobj()
    view = memoryview(packed)
    try:
        for start in range(0, len(view), BLOCK_BYTES):
            block: bytes | memoryview = view[start : start + BLOCK_BYTES]
            while block and not decompressor.eof:
                if out := decompressor.decompress(block, BLOCK_BYTES):
                    yield out
                block = decompressor.unconsumed_tail
    except zlib.error as error:
        raise Undecodable("octets that do not decompress") from error
    if out := decompressor.flush():
        yield out
