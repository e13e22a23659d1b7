# SPDX-License-Identifier: GPL-3.0-or-later
"""The log: one line for each message, and what else there is to say, never waited for.

Lines go through a bounded queue to one thread, so a blocked syslog blocks nobody; what does not fit
is dropped and counted. To be set up after fork, because threads do not survive it.

*Source:* amavis' short log template (``core/report.py``).
*Errors:* ConfigError for an unknown facility; later none.
"""

import logging
import queue
import threading
from functools import partial
from logging.handlers import QueueHandler
from pathlib import Path

from milterguard.config.settings import Log
from milterguard.core.finding import Category
from milterguard.core.report import Record, as_json, log_line
from milterguard.effects.log_target import JOURNAL_SOCKET, SYSLOG_SOCKET, make_target

log = logging.getLogger("milterguard.mail")

_QUEUE_LINES = 10_000


class RunningLog:
    """The log of this process, and a recorder of answered messages."""

    def __init__(self, level: int, target: logging.Handler, *, queue_lines: int = _QUEUE_LINES) -> None:
        self._lines = _Lines(target, queue_lines)
        self._handler = _Enqueue(self._lines)
        self._root, self._ours = logging.getLogger(), logging.getLogger("milterguard")
        self._before = (self._root.level, self._ours.level)
        self._root.addHandler(self._handler)
        self._root.setLevel(max(level, logging.WARNING))
        self._ours.setLevel(level)

    def submit(self, record: Record) -> None:
        """Log an answered message: INFO, or WARNING when a check failed. Never blocks, never raises."""
        log_record(record)

    def close(self, timeout: float = 2.0) -> None:
        """Write what waits, for at most ``timeout`` seconds, and put logging back as it was."""
        self._root.removeHandler(self._handler)
        self._root.setLevel(self._before[0])
        self._ours.setLevel(self._before[1])
        self._lines.close(timeout)
        self._handler.close()


def setup_log(
    settings: Log, *, syslog: Path = SYSLOG_SOCKET, journal: Path = JOURNAL_SOCKET, queue_lines: int = _QUEUE_LINES
) -> RunningLog:
    """Begin to log as the settings say. Call it after fork; close it at the end. Raises ConfigError."""
    # Asking for the current thread inside a foreign one makes threading invent it, and it stays (D7).
    logging.logThreads = False
    logging.logMultiprocessing = False
    logging.raiseExceptions = False
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    return RunningLog(level, make_target(settings, syslog=syslog, journal=journal), queue_lines=queue_lines)


def log_record(record: Record) -> None:
    """Log one answered message in one line, its facts beside it for the JSON format. Never raises."""
    has_failed = any(finding.category is Category.FAILED for finding in record.verdict.findings)
    level = logging.WARNING if has_failed else logging.INFO
    try:
        if log.isEnabledFor(level):
            log.log(level, "%s", log_line(record), extra={"facts": partial(as_json, record)})
    except Exception:
        log.exception("the line of %s could not be written", record.mail_id)


class _Lines:
    """A bounded queue and the thread that empties it into the target."""

    def __init__(self, target: logging.Handler, size: int) -> None:
        self._target = target
        self._queue: queue.Queue[logging.LogRecord | None] = queue.Queue(size)
        self._dropped = 0
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def put(self, record: logging.LogRecord) -> None:
        try:
            self._queue.put_nowait(record)
        except queue.Full:
            self._dropped += 1

    def _run(self) -> None:
        while (record := self._queue.get()) is not None:
            self._target.handle(record)
            if self._dropped and self._queue.empty():
                count, self._dropped = self._dropped, 0
                self._target.handle(_line(f"{count} lines of the log were dropped"))

    def close(self, timeout: float) -> None:
        try:
            self._queue.put(None, timeout=timeout)
        except queue.Full:
            return  # the target is stuck; its thread ends with the process
        self._thread.join(timeout)
        if not self._thread.is_alive():
            self._target.close()


class _Enqueue(QueueHandler):
    def __init__(self, lines: _Lines) -> None:
        super().__init__(queue.SimpleQueue())
        self._lines = lines

    def enqueue(self, record: logging.LogRecord) -> None:
        self._lines.put(record)


def _line(text: str) -> logging.LogRecord:
    return logging.LogRecord(__name__, logging.WARNING, "", 0, text, None, None)
