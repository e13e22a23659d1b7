# SPDX-License-Identifier: GPL-3.0-or-later
"""Workers that run under the same settings, and how patient the supervisor is with them."""

import os
import time
from dataclasses import dataclass, field

from milterguard.config.settings import Settings
from milterguard.server.listen import Listener


@dataclass(frozen=True, slots=True)
class Pace:
    """How patient the supervisor is, in seconds."""

    ready: float = 30.0
    """A new worker must accept connections within that time."""
    alive: float = 5.0
    """A worker says that often that it lives."""
    silent: float = 60.0
    """A worker that says nothing for so long is killed."""
    young: float = 5.0
    """A worker that dies before that age makes the pause grow."""
    first_pause: float = 0.1
    longest_pause: float = 2.0
    last: float = 15.0
    """Workers that are still there so long after ``stop_grace_seconds`` are killed."""


@dataclass(slots=True)
class _Pause:
    length: float = 0.0
    until: float = 0.0


@dataclass(slots=True, eq=False)
class Generation:
    """One set of settings in force, or about to be."""

    settings: Settings
    listeners: tuple[Listener, ...]
    deadline: float
    """On the monotonic clock; its first workers must be ready by then."""
    _pauses: dict[Listener, _Pause] = field(default_factory=dict)

    @property
    def workers(self) -> int:
        """Wanted for each listener."""
        return self.settings.server.workers or max(2, os.cpu_count() or 1)

    def is_paused(self, listener: Listener) -> bool:
        """Whether nothing is to be started for a listener at the moment."""
        return self._pause_of(listener).until > time.monotonic()

    def pause(self, listener: Listener, pace: Pace, *, age: float = 0.0) -> None:
        """Let some time pass before the next start: more each time a worker died young."""
        pause = self._pause_of(listener)
        is_young = age < pace.young
        pause.length = min(max(pace.first_pause, pause.length * 2), pace.longest_pause) if is_young else 0.0
        pause.until = time.monotonic() + pause.length

    def _pause_of(self, listener: Listener) -> _Pause:
        return self._pauses.setdefault(listener, _Pause())
