# SPDX-License-Identifier: GPL-3.0-or-later
"""The contract of every check, and the time it is given.

A check is a plain synchronous object: it is handed a message whose content may still be arriving
and a budget, runs on a thread of the worker's pool, and returns findings or raises CheckError.
It never decides. A new check is one file here, one line in ``build.py``, one test file and one
paragraph in the documentation.

Two shapes: a ``Check`` asks a server and runs while the content arrives; a ``PartCheck`` only
computes, on the message taken apart.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from milterguard.core.finding import Finding
from milterguard.core.message import Message
from milterguard.core.verdict import Judged
from milterguard.unpack.opened import Opened


class Budget:
    """How long the checks of one message may take, and whether anybody still wants to know.

    Shared by the checks of one message; safe to use from several threads.
    """

    def __init__(self, deadline: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        """``deadline`` is on the monotonic clock, in seconds."""
        self.deadline = deadline
        self._clock = clock
        self._lock = threading.Lock()
        self._cancelled = False
        self._callbacks: list[Callable[[], None]] = []

    def remaining(self, at_most: float = float("inf")) -> float:
        """Return the seconds left, at least 0.0 and at most ``at_most``; 0.0 once cancelled."""
        if self._cancelled:
            return 0.0
        return max(0.0, min(self.deadline - self._clock(), at_most))

    @property
    def is_cancelled(self) -> bool:
        return self._cancelled

    def cancel(self) -> None:
        """Say that nobody waits any more: an infection decided, or the session is gone. Idempotent."""
        with self._lock:
            self._cancelled = True
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    def on_cancel(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` once on cancellation, from any thread; at once if that has happened.

        It must not block or raise; it is for shutting a socket down or cancelling a future.
        """
        with self._lock:
            if not self._cancelled:
                self._callbacks.append(callback)
                return
        callback()


class Inside(Protocol):
    """The message taken apart, by and by, and what others have found out meanwhile."""

    def opened(self, budget: Budget) -> Opened:
        """Return its parts, waiting until the content has arrived and was looked into.

        Raises CheckError when that failed, CheckTimeout when the budget is over.
        """
        ...

    def proofs(self, budget: Budget) -> tuple[Finding, ...]:
        """Return what is known of who sent the message, waiting for it; nothing when nobody looks, or in time."""
        ...


class NothingInside:
    """For a message that is known to have no parts worth looking at: a probe's."""

    def opened(self, budget: Budget) -> Opened:
        del budget
        return Opened()

    def proofs(self, budget: Budget) -> tuple[Finding, ...]:
        del budget
        return ()


class Check(Protocol):
    """One scanner. Shared by all messages of a worker, so it keeps no state of a message."""

    @property
    def name(self) -> str:
        """The word in findings, settings and logs."""
        ...

    def run(self, message: Message, budget: Budget, inside: Inside) -> tuple[Finding, ...]:
        """Return what was found, one finding at least; CLEAN only if the scanner literally said so.

        Raises CheckError when nothing can be said. Returns or raises soon after the budget is over
        or cancelled.
        """
        ...

    def close(self) -> None:
        """Give back threads and sockets. Called once, when no check runs any more."""
        ...


class PartCheck(Protocol):
    """One look at the parts of a message. Keeps no state of a message."""

    @property
    def name(self) -> str:
        """The word in findings, settings and logs."""
        ...

    def judge(self, message: Message, judged: Sequence[Judged], opened: Opened) -> tuple[Finding, ...]:
        """Return what was found; nothing when there is nothing to say. Computes only: no waiting, no I/O."""
        ...


class Opening(Protocol):
    """One message while it is taken apart, by one thread at a time."""

    def opened(self, *, may_wait: bool) -> Opened | None:
        """Return the parts; None, to be asked again, when another process has to be waited for and may not.

        What cannot be looked into is told by flags of its parts. Raises CheckError when nothing can be said at all.
        """
        ...

    def close(self) -> None:
        """Give it up before its end."""
        ...


class Opener(Protocol):
    """Who takes messages apart. Shared by all messages of a worker."""

    def begin(self, message: Message, *, deadline: float) -> Opening:
        """Begin to take a message apart, waiting until its content has arrived.

        ``deadline`` is on the monotonic clock. Raises ContentError when the octets are gone.
        """
        ...

    def close(self) -> None:
        """Give back processes and sockets. Called once, when no message is in work any more."""
        ...
