# SPDX-License-Identifier: GPL-3.0-or-later
"""Records go to the database behind the answer: nobody ever waits for it.

A bounded queue, one daemon thread, up to a hundred records in a transaction. While the database is
locked, missing or full the records wait; when the queue is full the oldest are dropped and that is
said once a minute. A record that the database refuses for what it holds is dropped alone.

*Errors:* none; everything ends in the log.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from milterguard.core.report import Record
from milterguard.errors import MilterguardError
from milterguard.store.engine import is_refusal

log = logging.getLogger(__name__)

_BATCH_RECORDS = 100
_GATHER_SECONDS = 0.2
"""After the first record others are waited for that long: a transaction costs more than its rows."""
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 10.0
_WARNING_SECONDS = 60.0


class Journal(Protocol):
    """Where the records go (``store/journal.py``)."""

    def write(self, records: Sequence[Record]) -> None: ...

    def close(self) -> None: ...


class JournalWriter:
    """Takes records at once and writes them when it can. Safe for several threads."""

    def __init__(self, make_journal: Callable[[], Journal], *, queue_records: int) -> None:
        """``make_journal`` is called on the writer's own thread, so after any fork before the first record."""
        self._make_journal, self._limit = make_journal, queue_records
        self._waiting: deque[Record] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closing_at: float | None = None
        self._dropped = 0
        self._warned_at = float("-inf")
        self._is_failing = False

    def submit(self, record: Record) -> None:
        """Take a record. Never blocks, never raises; drops the oldest when too many wait."""
        with self._changed:
            self._waiting.append(record)
            if len(self._waiting) > self._limit:
                self._waiting.popleft()
                self._dropped += 1
            self._start()
            if len(self._waiting) in {1, _BATCH_RECORDS}:  # those that the writer waits for
                self._changed.notify_all()
        if self._dropped:
            self._warn_of_dropped()

    def close(self, timeout: float) -> None:
        """Write what waits, for at most ``timeout`` seconds; say how much could not be written."""
        with self._changed:
            self._closing_at = time.monotonic() + timeout
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(timeout + 1.0)
        if self._waiting:
            log.warning("journal: %d records could not be written before the end", len(self._waiting))

    def _start(self) -> None:
        # A thread of the parent is not alive in a forked child, which then gets one of its own.
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
            self._thread.start()

    def _warn_of_dropped(self) -> None:
        now = time.monotonic()
        with self._changed:
            if not self._dropped or now - self._warned_at < _WARNING_SECONDS:
                return
            count, self._dropped, self._warned_at = self._dropped, 0, now
        log.warning("journal: the database does not keep up, %d records were dropped", count)

    # --- on the writer's thread ------------------------------------------------------------------

    def _run(self) -> None:
        journal: Journal | None = None
        pause = _FIRST_PAUSE_SECONDS
        while batch := self._next():
            try:
                journal = journal or self._make_journal()
            except Exception as error:  # noqa: BLE001  (an optional effect: nothing ends the thread)
                left: Sequence[Record] = batch
                self._note_failure(error)
            else:
                left = self._written(journal, batch)
            if left:
                self._put_back(left)
                self._rest(pause)
                pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
            else:
                pause = _FIRST_PAUSE_SECONDS
        if journal is not None:
            journal.close()

    def _next(self) -> list[Record]:
        """Wait for records and take them; none once closed and empty, or out of time."""
        with self._changed:
            while not self._waiting and self._closing_at is None:
                self._changed.wait()
            self._changed.wait_for(self._is_batch_complete, _GATHER_SECONDS)
            if self._is_over():
                return []
            return [self._waiting.popleft() for _ in range(min(_BATCH_RECORDS, len(self._waiting)))]

    def _is_batch_complete(self) -> bool:
        return self._closing_at is not None or len(self._waiting) >= _BATCH_RECORDS

    def _is_over(self) -> bool:
        return self._closing_at is not None and time.monotonic() >= self._closing_at

    def _rest(self, seconds: float) -> None:
        """Let the database rest; shorter when closing."""
        with self._changed:
            if self._closing_at is None:
                self._changed.wait_for(lambda: self._closing_at is not None, seconds)
            else:
                self._changed.wait_for(self._is_over, min(seconds, max(0.0, self._closing_at - time.monotonic())))

    def _put_back(self, records: Sequence[Record]) -> None:
        with self._changed:
            room = max(0, self._limit - len(self._waiting))
            kept = records[len(records) - room :] if room < len(records) else records
            self._dropped += len(records) - len(kept)
            self._waiting.extendleft(reversed(kept))
        self._warn_of_dropped()

    def _written(self, journal: Journal, batch: Sequence[Record]) -> Sequence[Record]:
        """Write a batch and return what has to be tried again; what is refused is dropped."""
        try:
            journal.write(batch)
        except Exception as error:  # noqa: BLE001  (an optional effect: a bug here must not end the thread)
            if isinstance(error, MilterguardError) and not is_refusal(error):
                self._note_failure(error)
                return batch
            return self._written_singly(journal, batch, error)
        self._note_success()
        return ()

    def _written_singly(self, journal: Journal, batch: Sequence[Record], error: Exception) -> Sequence[Record]:
        """Find the record that spoils the batch: write each alone, drop the refused one."""
        if len(batch) == 1:
            log.warning("journal: the record of %s is refused and dropped: %s", batch[0].mail_id, error)
            return ()
        for index, record in enumerate(batch):
            if self._written(journal, [record]):
                return batch[index:]
        return ()

    def _note_failure(self, error: Exception) -> None:
        if not self._is_failing:
            log.warning("journal: records wait, %s", error)
        self._is_failing = True

    def _note_success(self) -> None:
        if self._is_failing:
            log.info("journal: records are written again")
        self._is_failing = False
