# SPDX-License-Identifier: GPL-3.0-or-later
"""Counts what was answered, and lets a file tell it that Prometheus' node_exporter reads.

A file, because the filter then needs no port and no thread for it: the supervisor writes it anew
every few seconds, in one step, and whoever reads it sees the whole of it.

*Errors:* none are raised; a file that cannot be written is told of in the log, once until it can again.
"""

import logging
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from milterguard.config.metrics import Metrics
from milterguard.core.report import Record
from milterguard.core.series import counted, exposition
from milterguard.server.tally import Row

log = logging.getLogger(__name__)


class Counter:
    """A recorder that counts, in a worker."""

    def __init__(self, row: Row) -> None:
        self._row = row

    def submit(self, record: Record) -> None:
        """Count a message. Never blocks, never raises."""
        try:
            self._row.add(counted(record))
        except Exception:
            log.exception("(%s) could not be counted", record.log_id)


class Exposition:
    """The file, in the supervisor."""

    def __init__(self) -> None:
        self._next = 0.0
        self._is_failing = False

    def turn(self, settings: Metrics, totals: Callable[[], Sequence[float]]) -> None:
        """Write the file if it is time to."""
        if not settings.file or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + settings.seconds
        self.write(Path(settings.file), totals())

    def write(self, file: Path, totals: Sequence[float]) -> None:
        """Put a new file in the place of the old one."""
        fresh = file.with_name(f".{file.name}.{os.getpid()}")
        try:
            fresh.write_text(exposition(totals), encoding="ascii")
            fresh.chmod(0o644)
            fresh.replace(file)
        except OSError as error:
            if not self._is_failing:
                log.warning("metrics.file cannot be written: %s", error)
            self._is_failing = True
            return
        self._is_failing = False
