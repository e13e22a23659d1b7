# SPDX-License-Identifier: GPL-3.0-or-later
"""What the walker reads: octets that need not lie in memory."""

from typing import Protocol


class Octets(Protocol):
    """``bytes``, or an ``mmap`` of a file: slices are ``bytes``, ``find`` and ``rfind`` run in C."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: slice, /) -> bytes: ...

    def find(self, sub: bytes, start: int = ..., end: int = ..., /) -> int: ...

    def rfind(self, sub: bytes, start: int = ..., end: int = ..., /) -> int: ...
