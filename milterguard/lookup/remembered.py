# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers of a database or directory, kept for a while, and longer for the time when it is gone.

A fresh answer comes from memory, one that says "nothing" too. Else it is asked, the same question by
one thread only while others wait for its answer. When it cannot be asked, what it said last holds,
however old that is, and the log says so.

Questions come from strangers, who can ask about any number of recipients that do not exist. So what
was asked once gives way before what was asked again.

*Errors:* StoreError when it cannot be asked and never said anything.
"""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from milterguard.errors import StoreError
from milterguard.lookup.backends import NOTICE_SECONDS

log = logging.getLogger(__name__)

K = TypeVar("K")
V = TypeVar("V")

LIMIT = 50_000
"""Answers kept: at some 500 octets each they need 25 MB."""


@dataclass(frozen=True, slots=True)
class Known(Generic[V]):
    """An answer."""

    value: V
    answered_at: float


class Memory(Generic[K, V]):
    """The last answers, at most ``limit``. For one thread at a time."""

    def __init__(self, limit: int) -> None:
        self._new: OrderedDict[K, Known[V]] = OrderedDict()
        """Asked once."""
        self._proven: OrderedDict[K, Known[V]] = OrderedDict()
        """Asked again; at most four in five."""
        self._most = limit
        self._most_proven = limit * 4 // 5

    def find(self, key: K) -> Known[V] | None:
        """Return what is known; it is then among what was asked again."""
        known = self._proven.pop(key, None) or self._new.pop(key, None)
        if known is not None:
            self._prove(key, known)
        return known

    def keep(self, key: K, known: Known[V]) -> None:
        """Remember an answer, in the place of an older one."""
        if key in self._proven:
            self._proven[key] = known
            return
        self._new[key] = known
        while len(self._new) + len(self._proven) > self._most:
            (self._new or self._proven).popitem(last=False)

    def _prove(self, key: K, known: Known[V]) -> None:
        self._proven[key] = known
        while len(self._proven) > self._most_proven:
            oldest, its = self._proven.popitem(last=False)
            self._new[oldest] = its


@dataclass(slots=True)
class _Asking(Generic[V]):
    """A question that is on its way."""

    over: threading.Event = field(default_factory=threading.Event)
    answer: Known[V] | None = None
    error: StoreError | None = None


class Remembered(Generic[K, V]):
    """What was answered, by question. Safe to use from several threads."""

    def __init__(
        self,
        ask: Callable[[K], V],
        *,
        name: str,
        fresh_seconds: float = 30.0,
        limit: int = LIMIT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``ask`` answers within bounded time (``Backends.ask``) or raises StoreError; ``name`` is for the log."""
        self._ask = ask
        self._name = name
        self._fresh_seconds = fresh_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._memory: Memory[K, V] = Memory(limit)
        self._on_their_way: dict[K, _Asking[V]] = {}
        self._from_memory = 0
        """Old answers that were used since it could be asked for the last time."""
        self._told_at = float("-inf")

    def get(self, key: K) -> V:
        """Return the answer. Raises StoreError."""
        with self._lock:
            known = self._memory.find(key)
            if known is not None and self._clock() - known.answered_at < self._fresh_seconds:
                return known.value
            asking = self._on_their_way.get(key)
            is_first = asking is None
            if asking is None:
                asking = self._on_their_way[key] = _Asking()
        if is_first:
            self._find_out(key, asking)
        else:
            asking.over.wait()
        if asking.answer is not None:
            return asking.answer.value
        return self._last_known(known, asking.error)

    def put(self, key: K, value: V) -> None:
        """Remember what was learnt with the answer to another question."""
        with self._lock:
            self._memory.keep(key, Known(value, self._clock()))

    def _find_out(self, key: K, asking: _Asking[V]) -> None:
        """Ask, and let those know who wait for the same. Raises nothing but defects."""
        began = self._clock()
        try:
            asking.answer = Known(self._ask(key), began)
        except StoreError as error:
            asking.error = error
        finally:
            self._note(key, asking)
            asking.over.set()

    def _note(self, key: K, asking: _Asking[V]) -> None:
        with self._lock:
            del self._on_their_way[key]
            if asking.answer is None:
                return
            self._memory.keep(key, asking.answer)
            used, self._from_memory, self._told_at = self._from_memory, 0, float("-inf")
        if used:
            log.warning("%s answers again; %d answers were what it said last", self._name, used)

    def _last_known(self, known: Known[V] | None, error: StoreError | None) -> V:
        """Return what was said last, and let the log know. Raises StoreError."""
        if known is None:
            raise StoreError(f"{self._name}: {error or 'a defect'}") from error
        with self._lock:
            self._from_memory += 1
            now = self._clock()
            is_told = now - self._told_at < NOTICE_SECONDS
            if not is_told:
                self._told_at = now
        if not is_told:
            log.warning("%s: what it said last is used: %s", self._name, error)
        return known.value
