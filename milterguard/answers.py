# SPDX-License-Identifier: GPL-3.0-or-later
"""What the checks of one message answer, and the one who waits for it.

Whatever a check raises is a finding of category FAILED: this is the first of the three doors with a broad
``except``. What settles a message and what is then reported are one and the same, whoever answers in the
moment between.
"""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import replace

from milterguard.config.on_failure import OnFailure
from milterguard.core.finding import Category, Finding
from milterguard.core.message import Message
from milterguard.errors import CheckError, CheckTimeout, CheckUnavailable

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

    @property
    def is_enough(self) -> bool:
        """Whether nobody has to be waited for any more."""
        return self._is_enough.is_set()

    def awaited(self, seconds: float) -> tuple[frozenset[Future[Findings]], bool]:
        """Return whose answers count, and whether they settle the message: all, those, or who came in time."""
        self._is_enough.wait(seconds)
        with self._lock:
            self._is_enough.set()
            # A future keeps its callbacks, and with them all that this can reach: files, maps, the message.
            self._is_settled = lambda _findings: False
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
    """Return the findings of checks that have answered; nobody waits for those of one that was cancelled."""
    return tuple(finding for future in futures if not future.cancelled() for finding in future.result())


def answer(message: Message, name: str, on_failure: OnFailure, ask: Callable[[], Findings]) -> Findings:
    """Ask one check; return what it found, or that it FAILED. Never raises."""
    started = time.monotonic()
    try:
        return ask()
    except Exception as error:  # noqa: BLE001  (door 1: a bug in a check delays mail, it never admits it)
        return (replace(failed(message, name, on_failure, error), seconds=time.monotonic() - started),)


def failed(message: Message, name: str, on_failure: OnFailure, error: Exception) -> Finding:
    """Return the finding that a check could not finish, and what that means for this message."""
    kinds: dict[type[Exception], str] = {CheckTimeout: "timeout", CheckUnavailable: "unavailable"}
    return Finding(
        check=name,
        category=Category.FAILED,
        minor=kinds.get(type(error), "error"),
        detail=error.detail if isinstance(error, CheckError) else f"{type(error).__name__}: {error}",
        on_failure=on_failure.of(message.envelope.traffic),
    )
