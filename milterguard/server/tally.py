# SPDX-License-Identifier: GPL-3.0-or-later
"""Counters of all workers, in memory that they share. Made before the fork.

Each worker adds to a row of its own, so no lock is needed between processes; when it is gone the
supervisor keeps what it had counted.

*Errors:* none.
"""

import mmap
import threading
from collections.abc import Iterable

_OCTETS = 8


class Tally:
    """One row of numbers for each seat."""

    def __init__(self, seats: int, columns: int) -> None:
        self._columns = columns
        self._memory = mmap.mmap(-1, seats * columns * _OCTETS)
        self._numbers = memoryview(self._memory).cast("d")
        self._kept = [0.0] * columns
        self._seats: set[int] = set()

    def take(self, seat: int) -> "Row":
        """Return the row of a new process. For the supervisor."""
        self._seats.add(seat)
        start = seat * self._columns
        return Row(self._numbers[start : start + self._columns])

    def give_back(self, seat: int) -> None:
        """Keep what a process that is dead had counted, and empty its row. For the supervisor."""
        start = seat * self._columns
        row = self._numbers[start : start + self._columns]
        for place, number in enumerate(row):
            self._kept[place] += number
            row[place] = 0.0
        self._seats.discard(seat)

    def totals(self) -> list[float]:
        """Return what all processes have counted since the start."""
        totals = list(self._kept)
        for seat in self._seats:
            start = seat * self._columns
            for place, number in enumerate(self._numbers[start : start + self._columns]):
                totals[place] += number
        return totals


class Row:
    """The counters of one process. Safe for its threads."""

    def __init__(self, numbers: "memoryview[float]") -> None:
        self._numbers = numbers
        self._lock = threading.Lock()

    def add(self, amounts: Iterable[tuple[int, float]]) -> None:
        """Add to some of the counters."""
        with self._lock:
            for place, amount in amounts:
                self._numbers[place] += amount
