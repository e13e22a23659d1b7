# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of the settings that are read again once they change, while lookups go on with what stood there before.

Whoever asks when a look at the file is due takes it, at most once in a second; when it has changed, he reads it. All
others have the former content meanwhile, and wait for nobody. A file that is broken or gone changes nothing: its last
good content stays, and the log says so once, with the line.

*Errors:* none; a file that no setting names is never opened.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

from milterguard.config.list_file import FileUse, ListFile, ListKind
from milterguard.config.list_reader import BrokenList, read_list, signature_of
from milterguard.core.text import printable

log = logging.getLogger(__name__)

C = TypeVar("C")
LOOK_SECONDS = 1.0
"""At most so often a file is looked at."""
_STILL_FRESH = 100_000_000
"""Nanoseconds: a file that young may change again without looking changed, so coarse are the clocks of file systems."""
_AGAIN = (0,)
"""A signature that no file has."""


class LiveFile(Generic[C]):
    """One file, put into the form in which it is asked. Safe to use from several threads."""

    def __init__(self, first: ListFile, put: Callable[[ListFile], C], clock: Callable[[], float]) -> None:
        self._put = put
        self._clock = clock
        self._read = first
        self._content = put(first)
        self._seen = first.signature
        self._complaint = ""
        self._next_look = 0.0
        self._looking = threading.Lock()

    @property
    def path(self) -> str:
        return self._read.use.path

    def content(self) -> C:
        """Return what is known of the file. Never raises, and never waits for another thread."""
        if self._clock() >= self._next_look and self._looking.acquire(blocking=False):
            try:
                self._look()
            finally:
                self._next_look = self._clock() + LOOK_SECONDS
                self._looking.release()
        return self._content

    def _look(self) -> None:
        signature = signature_of(self.path)
        if signature == self._seen:
            return
        self._seen = signature
        try:
            found = read_list(self._read.use, known=self._read)
        except BrokenList as broken:
            self._complain(str(broken))
            return
        self._seen = _AGAIN if _is_fresh(found) else found.signature
        self._take(found)

    def _take(self, found: ListFile) -> None:
        is_new = found.digest != self._read.digest
        if is_new:
            self._content = self._put(found)
        if is_new or self._complaint:
            log.info("%s: %d entries hold now", printable(self.path), len(found.lines))
        self._read, self._complaint = found, ""

    def _complain(self, said: str) -> None:
        if said != self._complaint:
            log.warning("%s: %s; what stood there before still holds", printable(self.path), said)
        self._complaint = said


class LiveFiles:
    """The files of one configuration. Safe to use from several threads."""

    def __init__(self, files: Iterable[ListFile] = (), *, clock: Callable[[], float] = time.monotonic) -> None:
        self._files = {each.use: each for each in files}
        self._clock = clock
        self._opened: dict[tuple[FileUse, Callable[[ListFile], Any]], LiveFile[Any]] = {}
        self._opening = threading.Lock()

    def open(self, path: str, put: Callable[[ListFile], C], *, kind: ListKind, setting: str = "") -> LiveFile[C] | None:
        """Return a file in the form that ``put`` gives it; None when no setting names it for that use."""
        use = FileUse(path, kind, setting)
        with self._opening:
            if use in self._files and (use, put) not in self._opened:
                self._opened[use, put] = LiveFile(self._files[use], put, self._clock)
            return self._opened.get((use, put))


def _is_fresh(found: ListFile) -> bool:
    modified, changed = found.signature[:2]
    return abs(time.time_ns() - max(modified, changed)) < _STILL_FRESH
