# SPDX-License-Identifier: GPL-3.0-or-later
"""Where log lines end: standard error, syslog, or the systemd journal, as text or as JSON.

*Source:* RFC 3164 as spoken on ``/dev/log``; sd-daemon(3) prefixes; the journal's native protocol.
*Errors:* ConfigError for an unknown facility. A target that is away is not an error: lines then go
to standard error.
"""

import json
import logging
import os
import socket
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from logging.handlers import SysLogHandler
from pathlib import Path
from typing import Any

from milterguard.config.settings import Log, LogFormat, LogTarget
from milterguard.core.text import printable
from milterguard.errors import ConfigError

SYSLOG_SOCKET = Path("/dev/log")
JOURNAL_SOCKET = Path("/run/systemd/journal/socket")
_IDENT = "milterguard"
_SYSLOG_OCTETS = 8000
"""rsyslog takes 8 KiB with its header."""
_LINE_LIMIT = 60_000
_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6), (0, 7))


def make_target(settings: Log, *, syslog: Path = SYSLOG_SOCKET, journal: Path = JOURNAL_SOCKET) -> logging.Handler:
    """Return the handler that the settings ask for. Raises ConfigError."""
    facility = SysLogHandler.facility_names.get(settings.facility)
    if facility is None:
        names = ", ".join(sorted(SysLogHandler.facility_names))
        raise ConfigError("[log]", "facility", expected=f"one of {names}", got=settings.facility)
    handler = _handler(settings.target, facility, syslog=syslog, journal=journal)
    handler.setFormatter(_JsonFormatter() if settings.format is LogFormat.JSON else _TextFormatter())
    return handler


def _handler(target: LogTarget, facility: int, *, syslog: Path, journal: Path) -> logging.Handler:
    try:
        if target is LogTarget.SYSLOG:
            return _Syslog(syslog, facility)
        if target is LogTarget.JOURNALD:
            return _Journal(journal)
    except OSError as error:
        return _StandardError(
            note=f"{target.value} cannot be reached ({error.strerror}), the log goes to standard error"
        )
    return _StandardError()


def priority(level: int) -> int:
    """Return syslog's severity for a level."""
    return next(number for at_least, number in _PRIORITIES if level >= at_least)


def _facts(record: logging.LogRecord) -> dict[str, Any]:
    """Return what is known of the message that a line is about; made only for targets that show it."""
    tell = getattr(record, "facts", None)
    return tell() if tell else {}


class _TextFormatter(logging.Formatter):
    """One printable line, whatever was logged; lines of a traceback are joined by bars."""

    def format(self, record: logging.LogRecord) -> str:
        lines = super().format(record).split("\n")
        return printable(" | ".join(lines), _LINE_LIMIT)


class _JsonFormatter(logging.Formatter):
    """One JSON object on one line."""

    def format(self, record: logging.LogRecord) -> str:
        facts: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            **(_facts(record) or {"message": super().format(record)}),
        }
        return json.dumps(facts, ensure_ascii=True, default=str)


class _StandardError(logging.StreamHandler[Any]):
    """Standard error; with severities for journald when that is what reads it."""

    def __init__(self, *, note: str = "") -> None:
        super().__init__(sys.stderr)
        if note:
            self.stream.write(f"{_IDENT}: {note}\n")
        self._is_journal = _is_read_by_journald(sys.stderr)

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        if self._is_journal:
            return f"<{priority(record.levelno)}>{line}"
        if isinstance(self.formatter, _JsonFormatter):
            return line
        now = time.localtime(record.created)
        when = f"{time.strftime('%Y-%m-%dT%H:%M:%S', now)}.{int(record.msecs):03d}{time.strftime('%z', now)}"
        return f"{when} {_IDENT}[{record.process}] {record.levelname.lower()}: {line}"


def _is_read_by_journald(stream: Any) -> bool:
    """Whether systemd's JOURNAL_STREAM names this very stream."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError, AttributeError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


class _Datagrams(logging.Handler):
    """A unix datagram socket; connected anew when its server was restarted, standard error when it is away."""

    def __init__(self, path: Path) -> None:
        """Raises OSError when nobody listens there."""
        super().__init__()
        self._path = path
        self._fallback = _StandardError()
        self._socket = self._connected()

    def _connected(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            connection.connect(str(self._path))
        except OSError:
            connection.close()
            raise
        return connection

    def datagrams(self, record: logging.LogRecord) -> Iterator[bytes]:
        """Yield what is to be sent for a record."""
        raise NotImplementedError

    def emit(self, record: logging.LogRecord) -> None:
        try:
            for datagram in self.datagrams(record):
                self._send(datagram)
        except OSError:
            self._fallback.setFormatter(self.formatter)
            self._fallback.emit(record)

    def _send(self, datagram: bytes) -> None:
        try:
            self._socket.send(datagram)
        except OSError:
            self._socket.close()
            self._socket = self._connected()
            self._socket.send(datagram)

    def close(self) -> None:
        self._socket.close()
        super().close()


class _Syslog(_Datagrams):
    """syslog with lines below its limit: longer ones are continued, as amavis does."""

    def __init__(self, path: Path, facility: int) -> None:
        super().__init__(path)
        self._facility = facility

    def datagrams(self, record: logging.LogRecord) -> Iterator[bytes]:
        head = f"<{self._facility * 8 + priority(record.levelno)}>{_IDENT}[{record.process}]: "
        for piece in pieces(self.format(record).encode("utf-8", "replace")):
            yield head.encode() + piece


class _Journal(_Datagrams):
    """The journal's native protocol: severity, identifier and mail id are fields of their own."""

    def datagrams(self, record: logging.LogRecord) -> Iterator[bytes]:
        facts = _facts(record)
        fields = {
            "MESSAGE": self.format(record),
            "PRIORITY": str(priority(record.levelno)),
            "SYSLOG_IDENTIFIER": _IDENT,
            "MILTERGUARD_MAIL_ID": str(facts.get("mail_id", "")),
        }
        yield b"".join(
            _journal_field(name, value.encode("utf-8", "replace")) for name, value in fields.items() if value
        )


def _journal_field(name: str, value: bytes) -> bytes:
    """Return a field with its length said, so that no value can begin another field."""
    return name.encode() + b"\n" + len(value).to_bytes(8, "little") + value + b"\n"


def pieces(line: bytes, limit: int = _SYSLOG_OCTETS) -> Iterator[bytes]:
    """Yield a line in pieces below the limit, ``...`` where it was cut."""
    start = 0
    while len(line) - start > (limit - 3 if start else limit):
        # Not within a character of UTF-8: step back over continuation octets.
        end = start + limit - 6
        while end > start + 1 and line[end] & 0xC0 == 0x80:
            end -= 1
        yield (b"..." if start else b"") + line[start:end] + b"..."
        start = end
    yield (b"..." if start else b"") + line[start:]
