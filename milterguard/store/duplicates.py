# SPDX-License-Identifier: GPL-3.0-or-later
"""Which message lies where: so that a copy is kept once, however often its sender tries again.

An entry is a symbolic link named after the message's key whose target is the copy's location: made
in one step, readable with ``ls -l``, never followed. The index is a convenience: when it is broken
or lost, copies are kept twice, never not at all.
"""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from milterguard.store.durable import FILE_MODE, lock, make_folder, opened_folder, remove_quietly

log = logging.getLogger(__name__)

_LOCK_SECONDS = 2.0


class Duplicates:
    """The index of one quarantine."""

    def __init__(
        self, folder: Path, *, is_alive: Callable[[str, str], bool], lock_seconds: float = _LOCK_SECONDS
    ) -> None:
        """``is_alive`` says whether a location still holds the message with that key."""
        self._folder, self._is_alive, self._lock_seconds = folder, is_alive, lock_seconds

    def find(self, key: str) -> str:
        """Return the location of the copy with that key, or the empty string. Never raises."""
        try:
            location = str((self._folder / key[:2] / key).readlink())
        except (OSError, ValueError):
            return ""
        return location if self._is_alive(location, key) else ""

    def publish(self, key: str, location: str, show: Callable[[], None]) -> str:
        """Let ``show`` make the copy visible unless another process has been faster; return where it lies.

        Two processes that keep the same message at the same time end with one copy. The entry comes
        first: a process that is killed between the two leaves an entry that points to nothing, which
        counts for nothing, rather than a copy that a retry does not find. Raises what ``show`` raises.
        """
        with self._locked(key) as folder:
            other = self.find(key)
            if other:
                return other
            if folder is None:
                show()
                return location
            _note(key, location, folder)
            try:
                show()
            except Exception:
                remove_quietly(key, folder)
                raise
            return location

    def forget(self, key: str, location: str) -> None:
        """Remove the entry of a copy that is deleted. Never raises."""
        with self._locked(key) as folder:
            if folder is not None:
                with suppress(OSError):
                    if os.readlink(key, dir_fd=folder) == location:
                        remove_quietly(key, folder)

    @contextmanager
    def _locked(self, key: str) -> Iterator[int | None]:
        """Give the folder of a key's entry with the index locked; None if that cannot be had."""
        with ExitStack() as stack:
            folder = None
            try:
                folder = self._lock(key, stack)
            except OSError as error:
                log.warning("the quarantine's index cannot be used: %s", error.strerror)
            yield folder

    def _lock(self, key: str, stack: ExitStack) -> int | None:
        """Lock the index until the stack is left and return the folder of a key's entry."""
        make_folder_once(self._folder / key[:2])
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(self._folder / "lock", flags, FILE_MODE)
        stack.callback(os.close, descriptor)
        if not lock(descriptor, wait_seconds=self._lock_seconds):
            log.warning("the quarantine's index is locked by another process")
            return None
        return stack.enter_context(opened_folder(self._folder / key[:2]))


def make_folder_once(path: Path) -> None:
    """Create a folder of the index when it is missing; it need not survive a power cut at once."""
    if not path.is_dir():
        make_folder(path)


def _note(key: str, location: str, folder: int) -> None:
    draft = f".{key}.{os.urandom(8).hex()}"
    try:
        os.symlink(location, draft, dir_fd=folder)
        os.rename(draft, key, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError as error:
        remove_quietly(draft, folder)
        log.warning("the quarantine's index cannot be written: %s", error.strerror)
