# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that survive a power cut: written aside, synced, then shown under their name in one step.

Folders are opened without following symbolic links and files are named relative to them, so that
nobody who can write beside the quarantine leads us out of it.

*Errors:* OSError; ``refusals`` turns it into a StoreError in our words.
"""

import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from milterguard.errors import StoreError

FILE_MODE = 0o640
FOLDER_MODE = 0o750
_POLL_SECONDS = 0.01


@contextmanager
def refusals(what: str) -> Iterator[None]:
    """Turn an OSError into a StoreError that says what could not be done, and why."""
    try:
        yield
    except OSError as error:
        raise StoreError(f"{what}: {error.strerror or type(error).__name__}") from error


def make_folder(path: Path) -> None:
    """Create a folder and its missing parents, all of them durable when this returns."""
    if not path.is_dir():
        make_folder(path.parent)
        try:
            path.mkdir()
            path.chmod(FOLDER_MODE)  # whatever the umask is
        except FileExistsError:
            if not path.is_dir():
                raise
    if path.parent != path:
        _sync_path(path.parent)


def _sync_path(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def opened_folder(path: Path) -> Iterator[int]:
    """Give a descriptor of a folder that is not a symbolic link."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def open_new(name: str, folder: int) -> int:
    """Return a descriptor for a file that did not exist, with our mode whatever the umask is."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(name, flags, FILE_MODE, dir_fd=folder)
    try:
        os.fchmod(descriptor, FILE_MODE)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def open_regular(name: str, folder: int) -> int:
    """Return a read-only descriptor of a regular file; OSError for links, pipes and the like."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(name, flags, dir_fd=folder)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(0, "not a regular file")
    return descriptor


def replace_file(name: str, octets: bytes, folder: int) -> None:
    """Write a small file so that after a crash the old or the new one is there, and sync it."""
    draft = f".{name}.{os.urandom(8).hex()}"
    descriptor = open_new(draft, folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(octets)
            file.flush()
            os.fsync(file.fileno())
        os.rename(draft, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        remove_quietly(draft, folder)
        raise
    os.fsync(folder)


def remove_quietly(name: str, folder: int) -> bool:
    """Remove a file if it is there; whether it was."""
    try:
        os.unlink(name, dir_fd=folder)
    except OSError:
        return False
    return True


def lock(descriptor: int, *, wait_seconds: float) -> bool:
    """Take an exclusive lock on an open file; whether it was to be had in that time.

    Polled, because a blocking flock(2) cannot be given a time limit.
    """
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_SECONDS)
        else:
            return True
