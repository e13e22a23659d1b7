# SPDX-License-Identifier: GPL-3.0-or-later
"""How far long work has come, on standard error, where a human looks at it. *Errors:* none."""

import sys
import time

_EVERY_SECONDS = 0.2


class Progress:
    """A line that is written over."""

    def __init__(self, what: str, total: int) -> None:
        self._what, self._total = what, total
        self._count = 0
        self._next = time.monotonic() + _EVERY_SECONDS
        self._is_shown = sys.stderr.isatty()
        self._was_shown = False

    def step(self) -> None:
        """Count one more."""
        self._count += 1
        if self._is_shown and time.monotonic() >= self._next:
            self._next = time.monotonic() + _EVERY_SECONDS
            self._was_shown = True
            sys.stderr.write(f"\r{self._count} of {self._total} {self._what}")
            sys.stderr.flush()

    def end(self) -> None:
        """Take the line away."""
        if self._was_shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
