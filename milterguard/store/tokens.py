# SPDX-License-Identifier: GPL-3.0-or-later
"""The key that release tokens are written with, and the marks of those that have been used.

*Errors:* StoreError when the disk refuses: then nothing is let through.
"""

import os
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from milterguard.errors import StoreError
from milterguard.store.durable import make_folder, open_new, open_regular, opened_folder, refusals, remove_quietly

_KEY_NAME = "release.key"
_KEY_OCTETS = 32
_DIGEST = re.compile(r"[0-9a-f]{16,128}\Z")
_LONGEST_SECONDS = 10 * 366 * 86400.0
_KEEP_SECONDS = 86400.0
_PRUNE_SECONDS = 3600.0


class TokenMarks:
    """Which release tokens have been used: an empty file for each, whose mtime is the token's end.

    Safe for several processes.
    """

    def __init__(self, folder: Path, *, clock: Callable[[], float] = time.time) -> None:
        """``folder`` is created with the first mark; ``clock`` tells seconds since the epoch."""
        self._folder, self._clock = folder, clock
        self._pruned_at = float("-inf")

    def use_once(self, digest: str, expires: float) -> bool:
        """Mark a token as used, durably; True for the first who asks, and for nobody after.

        ``expires`` is in seconds since the epoch; a day later the mark is removed, and False is the answer.
        """
        if not _DIGEST.match(digest):
            raise StoreError("that is no digest of a token")
        if expires + _KEEP_SECONDS <= self._clock():
            return False
        with refusals("the use of a release token could not be marked"):
            make_folder(self._folder)
            with opened_folder(self._folder) as folder:
                self._prune(folder)
                return _mark(digest, min(expires, self._clock() + _LONGEST_SECONDS), folder)

    def _prune(self, folder: int) -> None:
        """Remove marks that expired more than a day ago, at most once an hour."""
        now = self._clock()
        if now - self._pruned_at < _PRUNE_SECONDS:
            return
        self._pruned_at = now
        with os.scandir(folder) as marks:
            old = [mark.name for mark in marks if mark.stat(follow_symlinks=False).st_mtime + _KEEP_SECONDS < now]
        for name in old:
            remove_quietly(name, folder)


@dataclass(frozen=True, slots=True)
class ReleaseGate:
    """Key and marks together: what the guard needs to recognise a released message."""

    key: bytes
    marks: TokenMarks

    def use_once(self, digest: str, expires: float) -> bool:
        return self.marks.use_once(digest, expires)


def release_gate(state_directory: Path) -> ReleaseGate:
    """Return the gate whose key and marks live in that folder. Raises StoreError."""
    return ReleaseGate(release_key(state_directory), TokenMarks(state_directory / "used-tokens"))


def release_key(state_directory: Path) -> bytes:
    """Return the key of 32 random octets, creating it the first time. Raises StoreError.

    Processes that start at the same time agree on one key.
    """
    with refusals("the release key cannot be read or created"):
        make_folder(state_directory)
        with opened_folder(state_directory) as folder:
            with suppress(FileNotFoundError):
                return _read_key(folder)
            _create_key(folder)
            return _read_key(folder)


def _mark(name: str, expires: float, folder: int) -> bool:
    try:
        descriptor = open_new(name, folder)
    except FileExistsError:
        return False
    try:
        os.utime(descriptor, (expires, expires))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.fsync(folder)
    return True


def _read_key(folder: int) -> bytes:
    with os.fdopen(open_regular(_KEY_NAME, folder), "rb") as file:
        key = file.read(_KEY_OCTETS + 1)
    if len(key) != _KEY_OCTETS:
        raise StoreError(f"the release key is damaged; remove {_KEY_NAME} and a new one is made")
    return key


def _create_key(folder: int) -> None:
    """Write a key aside and link it to its name, so that nobody ever reads half of one."""
    draft = f".{_KEY_NAME}.{os.urandom(8).hex()}"
    try:
        with os.fdopen(open_new(draft, folder), "wb") as file:
            file.write(os.urandom(_KEY_OCTETS))
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(draft, _KEY_NAME, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    finally:
        remove_quietly(draft, folder)
    os.fsync(folder)
