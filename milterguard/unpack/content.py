# SPDX-License-Identifier: GPL-3.0-or-later
"""The octets of one member, read once: counted, digested, kept for as long as somebody has to look into them.

Small ones stay in memory, others go to an anonymous file of the memory that has no name anywhere.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator

from milterguard.unpack.kind import HEAD_BYTES, TAIL_BYTES
from milterguard.unpack.quota import Quota

BLOCK_BYTES = 65536
_MEMORY_BYTES = 262_144


class Content:
    """Takes blocks; afterwards gives them again. To be closed."""

    def __init__(self) -> None:
        self.size = 0
        self._hash = hashlib.sha256()
        self._small: list[bytes] = []
        self._descriptor = -1

    def fill(self, blocks: Iterable[bytes], quota: Quota) -> None:
        """Take all blocks. Raises OverLimits, OSError, or what the blocks raise; what came so far stays."""
        for block in blocks:
            quota.take(len(block))
            self._take(block)

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()

    def head(self) -> bytes:
        return self._read(0, HEAD_BYTES)

    def tail(self) -> bytes:
        return self._read(max(0, self.size - TAIL_BYTES), TAIL_BYTES)

    def blocks(self) -> Iterator[bytes]:
        if self._descriptor < 0:
            yield from self._small
            return
        for offset in range(0, self.size, BLOCK_BYTES):
            yield os.pread(self._descriptor, BLOCK_BYTES, offset)

    def descriptor(self) -> int:
        """Return a descriptor of the octets; it is closed with this."""
        if self._descriptor < 0:
            self._descriptor = os.memfd_create("member", os.MFD_CLOEXEC)
            for block in self._small:
                _write(self._descriptor, block)
            self._small = []
        return self._descriptor

    def close(self) -> None:
        self._small = []
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _take(self, block: bytes) -> None:
        self._hash.update(block)
        if self._descriptor >= 0:
            _write(self._descriptor, block)
        else:
            self._small.append(bytes(block))
        self.size += len(block)
        if self.size > _MEMORY_BYTES:
            self.descriptor()

    def _read(self, offset: int, size: int) -> bytes:
        if self._descriptor >= 0:
            return os.pread(self._descriptor, size, offset)
        return b"".join(self._small)[offset : offset + size]


def _write(descriptor: int, block: bytes) -> None:
    view = memoryview(block)
    while view:
        view = view[os.write(descriptor, view) :]
