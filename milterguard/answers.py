# SPDX-License-Identifier: GPL-3.0-or-later
"""What the checks of one message have answered, for the one who waits for them.

Apart from ``scan`` because here lies a promise: what settles a message and what is then reported are one
and the same, whoever answers in the moment between.

*Errors:* none of its own; ``collected`` raises what a check raised.
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future

from milterguard.core.finding import Finding

Findings = tuple[Finding, ...]


class Answers:
    """What checks have answered. Wakes who waits once, when no further answer is wanted.

    What settles a message is frozen with it: whoever answers a moment later is neither counted nor dropped.
    """

    def __init__(self, futures: Sequence[Future[Findings]], is_settled: Callable[[Findings], bool]) -> None:
        self._futures = tuple(futures)
        self._is_settled = is_settled
        self._lock = threading.Lock()
        self._is_enough = threading.Event()
        self._answered: set[Future[Findings]] = set()
        self._settled = False
        if not futures:
            self._is_enough.set()
        for future in futures:
            future.add_done_callback(self._take)

    def awaited(self, seconds: float) -> tuple[frozenset[Future[Findings]], bool]:
        """Return whose answers count, and whether they settle the message: all, those, or who came in time."""
        self._is_enough.wait(seconds)
        with self._lock:
            self._is_enough.set()
            return frozenset(self._answered), self._settled

    def _take(self, future: Future[Findings]) -> None:
        with self._lock:
            if self._is_enough.is_set():
                return
            self._answered.add(future)
            is_last = len(self._answered) == len(self._futures)
            self._settled = not is_last and self._is_settled(
                collected(each for each in self._futures if each in self._answered)
            )
            if is_last or self._settled:
                self._is_enough.set()


def collected(futures: Iterable[Future[Findings]]) -> Findings:
    """Return the findings of checks that have answered."""
    return tuple(finding for future in futures for finding in future.result())
