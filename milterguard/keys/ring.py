# SPDX-License-Identifier: GPL-3.0-or-later
"""The keys that we sign with, from files: read again when they change, the last good one held.

*Source:* amavis ``dkim_key``. *Errors:* SignError.
"""

import logging
import os
import stat
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from milterguard.config.signing import DkimKey, is_for
from milterguard.dkim.compose import SigningKey
from milterguard.errors import SignError
from milterguard.keys.private import PrivateKey, read_pem

log = logging.getLogger(__name__)

_MAX_OCTETS = 65536
_OTHERS = stat.S_IRWXO | stat.S_IWGRP
"""Nobody else may read a key, nor may its group change it."""


class KeyRing(Protocol):
    """Whoever can sign. Safe to use from several threads."""

    def keys(self, domain: str) -> tuple[SigningKey, ...]:
        """Return the keys for mail of a domain, its own or those of a domain above. Raises SignError."""
        ...

    def sign(self, key: SigningKey, digest: bytes) -> bytes:
        """Return a signature over a SHA-256 digest. Raises SignError."""
        ...

    def close(self) -> None: ...


class FileKeys:
    """Keys that stand in files of ours."""

    def __init__(self, entries: Sequence[DkimKey]) -> None:
        self._entries = [_Entry(entry) for entry in entries]

    def keys(self, domain: str) -> tuple[SigningKey, ...]:
        mine = (entry for entry in self._entries if is_for(entry.entry, domain))
        return closest([SigningKey(e.entry.domain, e.entry.selector, e.key().algorithm) for e in mine])

    def sign(self, key: SigningKey, digest: bytes) -> bytes:
        for entry in self._entries:
            if (entry.entry.domain, entry.entry.selector) == (key.domain, key.selector):
                return entry.key().sign(digest)
        raise SignError(f"no key {key.selector} of {key.domain}")

    def close(self) -> None:
        """Nothing to give back."""


class NoKeys:
    """For a site that does not sign."""

    def keys(self, domain: str) -> tuple[SigningKey, ...]:
        del domain
        return ()

    def sign(self, key: SigningKey, digest: bytes) -> bytes:
        del digest
        raise SignError(f"no key {key.selector} of {key.domain}")

    def close(self) -> None:
        """Nothing to give back."""


def closest(keys: Sequence[SigningKey]) -> tuple[SigningKey, ...]:
    """Return those of the longest domain."""
    longest = max((len(key.domain) for key in keys), default=0)
    return tuple(key for key in keys if len(key.domain) == longest)


def read_key_file(path: Path) -> PrivateKey:
    """Return the key in a file that nobody else may read. Raises SignError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise SignError(f"{path}: {error.strerror}") from error
    about = os.fstat(descriptor)
    if not stat.S_ISREG(about.st_mode):
        os.close(descriptor)  # of a folder Python would make no file object
        raise SignError(f"{path}: not a regular file")
    with os.fdopen(descriptor, "rb") as file:
        if about.st_mode & _OTHERS:
            raise SignError(
                f"{path}: mode {stat.S_IMODE(about.st_mode):04o}: others may read or change it; chmod 0600, or 0640"
            )
        try:
            octets = file.read(_MAX_OCTETS)
        except OSError as error:
            raise SignError(f"{path}: {error.strerror}") from error
    return read_pem(octets, where=str(path))


@dataclass(frozen=True, slots=True)
class _Seen:
    """How a file was when it was read."""

    changed: int
    size: int
    inode: int


class _Entry:
    """One file, read again when it has changed."""

    def __init__(self, entry: DkimKey) -> None:
        self.entry = entry
        self._lock = threading.Lock()
        self._seen: _Seen | None = None
        self._key: PrivateKey | None = None

    def key(self) -> PrivateKey:
        with self._lock:
            try:
                about = Path(self.entry.file).stat()
                seen = _Seen(about.st_mtime_ns, about.st_size, about.st_ino)
                if self._key is None or seen != self._seen:
                    self._key, self._seen = read_key_file(Path(self.entry.file)), seen
            except (OSError, SignError) as error:
                said = str(error) if isinstance(error, SignError) else f"{self.entry.file}: {error.strerror}"
                if self._key is None:
                    raise SignError(said) from error
                if self._seen is not None:
                    log.warning("the key that was read last is used on: %s", said)
                    self._seen = None
            return self._key
