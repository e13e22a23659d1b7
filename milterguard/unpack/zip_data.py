# SPDX-License-Identifier: GPL-3.0-or-later
"""The octets of a zip's member, found without help of its directory: stored, deflate, bzip2, LZMA.

*Source:* PKWARE APPNOTE 4.4.5 (methods), 5.8 (LZMA).

*Errors:* Undecodable.
"""

import bz2
import lzma
import zlib
from collections.abc import Iterator
from typing import Protocol

from milterguard.unpack.source import BLOCK_BYTES, Source, Undecodable

STORED, DEFLATE, BZIP2, LZMA = 0, 8, 12, 14
OPENED = frozenset({STORED, DEFLATE, BZIP2, LZMA})
_MAX_DICTIONARY_BYTES = 67_108_864


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...

    def decompress(self, data: bytes, max_length: int = ..., /) -> bytes: ...


def unpacked(source: Source, *, method: int, start: int, stop: int) -> Iterator[bytes]:
    """Yield what the octets from ``start`` on give; compressed ones end by themselves, at ``stop`` at the latest."""
    if method == STORED:
        yield from source.blocks(start, max(0, stop - start))
        return
    try:
        yield from _decompressed(source, method=method, start=start, stop=stop)
    except (zlib.error, OSError, EOFError, lzma.LZMAError, ValueError) as error:
        raise Undecodable("its octets are broken") from error


def _decompressed(source: Source, *, method: int, start: int, stop: int) -> Iterator[bytes]:
    if method == DEFLATE:
        yield from _inflated(source, start, stop)
        return
    decompressor: _Decompressor = bz2.BZ2Decompressor()
    if method == LZMA:
        decompressor, start = _lzma(source, start)
    blocks = source.blocks(start, max(0, stop - start))
    block: bytes | None = next(blocks, b"")
    while not decompressor.eof and block is not None:
        out = decompressor.decompress(block, BLOCK_BYTES)
        if out:
            yield out
        block = b"" if len(out) == BLOCK_BYTES else next(blocks, None)
    if not decompressor.eof and method == BZIP2:
        raise Undecodable("its octets end too soon")


def _inflated(source: Source, start: int, stop: int) -> Iterator[bytes]:
    decompressor = zlib.decompressobj(-zlib.MAX_WBITS)
    for block in source.blocks(start, max(0, stop - start)):
        while block and not decompressor.eof:
            if out := decompressor.decompress(block, BLOCK_BYTES):
                yield out
            block = decompressor.unconsumed_tail
        if decompressor.eof:
            return
    yield from filter(None, (decompressor.flush(),))
    if not decompressor.eof:
        raise Undecodable("its octets end too soon")


def _lzma(source: Source, start: int) -> tuple[_Decompressor, int]:
    header = source.read(start, 9)
    if len(header) < 9 or header[2:4] != b"\x05\x00" or header[4] >= 225:
        raise Undecodable("its octets are broken")
    packed, dictionary = header[4], int.from_bytes(header[5:9], "little")
    if dictionary > _MAX_DICTIONARY_BYTES:
        raise Undecodable("it wants a large dictionary")
    properties = {"lc": packed % 9, "lp": packed // 9 % 5, "pb": packed // 45, "dict_size": max(4096, dictionary)}
    chain = [{"id": lzma.FILTER_LZMA1, **properties}]
    return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=chain), start + 9
