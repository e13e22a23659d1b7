# SPDX-License-Identifier: GPL-3.0-or-later
"""How many messages may be in work: in one worker, and in all of them together.

Threads of checks are what is scarce, so a place is taken when a message's checks start and given
back when the last of them has ended, not when the message was answered. Over the limit nothing
waits in a queue: the client is told 451 4.3.2 and comes again.
"""

import mmap
import threading

SEATS = 512
_OCTETS = 4


class Seats:
    """One counter for each worker process, in memory that all of them share. Made before the fork.

    A process writes only its own counter, so no lock is needed between processes.
    """

    def __init__(self, number: int = SEATS) -> None:
        self._memory = mmap.mmap(-1, number * _OCTETS)
        self._counts = memoryview(self._memory).cast("I")
        self._free = set(range(number))

    def take(self) -> int | None:
        """Return the number of a free seat for a new process; None if there is none. For the supervisor."""
        if not self._free:
            return None
        seat = min(self._free)
        self._free.remove(seat)
        self._counts[seat] = 0
        return seat

    def give_back(self, seat: int) -> None:
        """Forget what a process that is dead had in work. For the supervisor."""
        self._counts[seat] = 0
        self._free.add(seat)

    def set(self, seat: int, count: int) -> None:
        self._counts[seat] = count

    def total(self) -> int:
        """Return the messages in work in all processes."""
        return sum(self._counts)


class Admission:
    """The door of one worker."""

    def __init__(self, seats: Seats, seat: int, *, max_messages: int, max_messages_total: int) -> None:
        self._seats = seats
        self._seat = seat
        self._max_messages = max_messages
        self._max_messages_total = max_messages_total
        self._lock = threading.Lock()
        self._count = 0

    @property
    def count(self) -> int:
        """Messages in work in this process."""
        return self._count

    def enter(self) -> "Place | None":
        """Return a place, held once; None when there are too many messages in work."""
        with self._lock:
            if self._count >= self._max_messages:
                return None
            self._change(1)
            # Counted first and looked at afterwards: two processes may both step back, never both go in.
            if self._seats.total() > self._max_messages_total:
                self._change(-1)
                return None
        return Place(self)

    def leave(self) -> None:
        with self._lock:
            self._change(-1)

    def _change(self, by: int) -> None:
        self._count += by
        self._seats.set(self._seat, self._count)


class Place:
    """What one message holds; given back when the session and every check have let go of it."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._lock = threading.Lock()
        self._holders = 1

    def hold(self) -> None:
        """Count one more holder. Only while another one still holds it."""
        with self._lock:
            self._holders += 1

    def drop(self, _: object = None) -> None:
        """Count one holder less; takes what a future hands to its callback."""
        with self._lock:
            self._holders -= 1
            is_last = self._holders == 0
        if is_last:
            self._admission.leave()
