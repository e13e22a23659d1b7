# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a quarantined file back: the fields before the message, then its own octets.

*Errors:* NotFoundError when there is no such file; StoreError when it is damaged or no file of ours.
"""

import gzip
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Self, cast

from milterguard.errors import NotFoundError, StoreError
from milterguard.store import prefix
from milterguard.store.durable import open_regular, opened_folder, refusals
from milterguard.store.prefix import Prefix

_BLOCK_OCTETS = 1 << 18


class Original:
    """A reading position in a quarantined message. Close it when done, or use it in a with statement."""

    def __init__(self, path: Path) -> None:
        """Open the file and read the fields before the message."""
        self._stream = _opened(path)
        try:
            with _readable():
                self.prefix, self._surplus = prefix.read(self._stream)
        except BaseException:
            self._stream.close()
            raise

    prefix: Prefix
    """What we wrote about the message."""

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` of the message's own octets, empty at the end."""
        if self._surplus:
            octets, self._surplus = self._surplus[:size], self._surplus[size:]
            return octets
        with _readable():
            return self._stream.read(size)

    def close(self) -> None:
        self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Unpacked(gzip.GzipFile):
    """A GzipFile that closes the file below it as well."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(fileobj=file, mode="rb")
        self._file = file

    def close(self) -> None:
        super().close()
        self._file.close()


def read_prefix(path: Path) -> Prefix:
    """Return what we wrote before the message in that file."""
    with Original(path) as original:
        return original.prefix


def is_whole(path: Path, key: str) -> bool:
    """Whether a file holds the message with that key, to its last octet."""
    with Original(path) as original:
        if original.prefix.key != key:
            return False
        left = original.prefix.size_bytes
        while block := original.read(_BLOCK_OCTETS):
            left -= len(block)
        return left == 0


def _opened(path: Path) -> BinaryIO:
    """Open a copy, unpacking it on the way; neither its folder nor the file may be a symbolic link."""
    try:
        with refusals("the quarantine cannot be read"), opened_folder(path.parent) as folder:
            file = os.fdopen(open_regular(path.name, folder), "rb")
    except StoreError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            raise NotFoundError("there is no such message in the quarantine") from error
        raise
    return cast(BinaryIO, _Unpacked(file)) if path.suffix == ".gz" else file


@contextmanager
def _readable() -> Iterator[None]:
    """Turn everything that reading a damaged file can raise into StoreError."""
    with refusals("the quarantine cannot be read"):
        try:
            yield
        except (EOFError, zlib.error) as error:
            raise StoreError("a file of the quarantine is damaged") from error
