# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines reach their target, nobody waits for it, and nothing in a line can forge another."""

import json
import logging
import os
import socket
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milterguard.config.settings import Log, LogFormat, LogLevel, LogTarget
from milterguard.core.report import as_json, log_line
from milterguard.effects.log import RunningLog, setup_log
from milterguard.effects.log_target import pieces
from milterguard.errors import ConfigError
from tests.core.build import NO_CLAMD, envelope
from tests.store.record import record

log = logging.getLogger("milterguard.test")


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Put logging's switches back."""
    before = logging.logThreads, logging.logMultiprocessing, logging.raiseExceptions
    yield
    logging.logThreads, logging.logMultiprocessing, logging.raiseExceptions = before


class StandardError:
    """What was written to standard error during a test."""

    def __init__(self, capture: pytest.CaptureFixture[str]) -> None:
        self._capture, self._text = capture, ""

    def getvalue(self) -> str:
        self._text += self._capture.readouterr().err
        return self._text


@pytest.fixture
def stderr(capsys: pytest.CaptureFixture[str]) -> StandardError:
    """Standard error, to look into."""
    return StandardError(capsys)


class Listener:
    """A datagram socket such as syslog's."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(10)

    def receive(self) -> bytes:
        return self._socket.recv(200_000)

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    listener = Listener(tmp_path / "log")
    yield listener
    listener.close()


def test_a_message_is_one_line_on_standard_error(stderr: StandardError) -> None:
    """With time, program, process and level before amavis' short line."""
    running = setup_log(Log())
    running.submit(record())
    running.close()
    head, _, line = stderr.getvalue().partition(f" milterguard[{os.getpid()}] info: ")
    assert head.startswith("20")
    assert line == log_line(record()) + "\n"


def test_a_failed_check_is_a_warning(stderr: StandardError) -> None:
    """It is seen where passed mail is not logged."""
    running = setup_log(Log(level=LogLevel.WARNING))
    running.submit(record())
    running.submit(record("Failed000000", NO_CLAMD))
    running.close()
    assert stderr.getvalue().count("\n") == 1
    assert "warning: (00042-01) Blocked FAILED" in stderr.getvalue()


def test_json_has_the_same_facts(stderr: StandardError) -> None:
    """One object for each line, messages of other parts too."""
    running = setup_log(Log(format=LogFormat.JSON))
    running.submit(record())
    log.warning("something\nelse")
    running.close()
    first, second = (json.loads(line) for line in stderr.getvalue().splitlines())
    assert {name: first[name] for name in as_json(record())} == json.loads(json.dumps(as_json(record())))
    assert (first["level"], first["logger"]) == ("info", "milterguard.mail")
    assert (second["level"], second["message"]) == ("warning", "something\nelse")


def test_levels_hold_for_us_and_warnings_for_others(stderr: StandardError) -> None:
    """A library's debug lines are not ours."""
    running = setup_log(Log(level=LogLevel.DEBUG))
    log.debug("ours")
    logging.getLogger("library").info("theirs")
    logging.getLogger("library").warning("their warning")
    running.close()
    assert "ours" in stderr.getvalue()
    assert "theirs" not in stderr.getvalue()
    assert "their warning" in stderr.getvalue()


def test_logging_is_as_before_once_closed(stderr: StandardError) -> None:
    """Handlers and levels are put back."""
    root = logging.getLogger()
    before = (root.level, list(root.handlers), logging.getLogger("milterguard").level)
    setup_log(Log()).close()
    assert (root.level, list(root.handlers), logging.getLogger("milterguard").level) == before


def test_a_traceback_is_one_printable_line(stderr: StandardError) -> None:
    """What an exception says may come from a stranger."""
    running = setup_log(Log())
    try:
        raise ValueError("first\nsecond\x1b[31m")
    except ValueError:
        log.exception("it broke")
    running.close()
    assert stderr.getvalue().count("\n") == 1
    assert "it broke | Traceback" in stderr.getvalue()
    assert "\x1b" not in stderr.getvalue()


def test_severities_are_said_to_journald(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When standard error is the journal, lines begin with <N> and bear no time."""
    with (tmp_path / "stderr").open("w+") as stream:
        status = os.fstat(stream.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
        monkeypatch.setattr(sys, "stderr", stream)
        running = setup_log(Log())
        log.info("hello")
        log.error("trouble")
        running.close()
    assert (tmp_path / "stderr").read_text() == "<6>hello\n<3>trouble\n"


def test_syslog_gets_facility_severity_and_name(tmp_path: Path, listener: Listener) -> None:
    """As syslog(3) writes it, without a NUL at the end."""
    running = setup_log(Log(target=LogTarget.SYSLOG), syslog=tmp_path / "log")
    log.info("hello")
    log.warning("careful")
    assert listener.receive() == f"<22>milterguard[{os.getpid()}]: hello".encode()
    assert listener.receive() == f"<20>milterguard[{os.getpid()}]: careful".encode()
    running.close()


def test_long_lines_are_continued(tmp_path: Path, listener: Listener) -> None:
    """syslog would cut them, and the mail id stands at the end."""
    running = setup_log(Log(target=LogTarget.SYSLOG), syslog=tmp_path / "log")
    mail = envelope(*(f"{'x' * 250}{number}@example.com" for number in range(50)))
    running.submit(record(of=mail))
    first, second = listener.receive(), listener.receive()
    running.close()
    assert max(len(first), len(second)) < 8192
    assert first.endswith(b"...")
    assert b"]: ..." in second
    assert b"mail_id: Abcdefghij12" in second


def test_a_restarted_syslog_is_found_again(tmp_path: Path, listener: Listener) -> None:
    """Log rotation may restart it."""
    running = setup_log(Log(target=LogTarget.SYSLOG), syslog=tmp_path / "log")
    log.info("one")
    assert listener.receive().endswith(b"one")
    listener.close()
    (tmp_path / "log").unlink()
    again = Listener(tmp_path / "log")
    log.info("two")
    assert again.receive().endswith(b"two")
    running.close()
    again.close()


def test_a_syslog_that_is_gone_leaves_standard_error(tmp_path: Path, stderr: StandardError, listener: Listener) -> None:
    """Lines are not lost because their target went away."""
    running = setup_log(Log(target=LogTarget.SYSLOG), syslog=tmp_path / "log")
    listener.close()
    (tmp_path / "log").unlink()
    log.warning("still here")
    running.close()
    assert "still here" in stderr.getvalue()


@pytest.mark.parametrize("target", [LogTarget.SYSLOG, LogTarget.JOURNALD])
def test_a_target_that_was_never_there_leaves_standard_error(
    tmp_path: Path, stderr: StandardError, target: LogTarget
) -> None:
    """A container without syslog still logs, and says why there."""
    running = setup_log(Log(target=target), syslog=tmp_path / "none", journal=tmp_path / "none")
    log.info("hello")
    running.close()
    assert f"{target.value} cannot be reached" in stderr.getvalue()
    assert "info: hello" in stderr.getvalue()


def test_the_journal_gets_fields_with_their_lengths(tmp_path: Path, listener: Listener) -> None:
    """Its native protocol: no value can begin another field."""
    running = setup_log(Log(target=LogTarget.JOURNALD), journal=tmp_path / "log")
    running.submit(record())
    fields = journal_fields(listener.receive())
    running.close()
    assert fields == {
        "MESSAGE": log_line(record()),
        "PRIORITY": "6",
        "SYSLOG_IDENTIFIER": "milterguard",
        "MILTERGUARD_MAIL_ID": "Abcdefghij12",
    }


def journal_fields(datagram: bytes) -> dict[str, str]:
    fields = {}
    while datagram:
        name, _, rest = datagram.partition(b"\n")
        length = int.from_bytes(rest[:8], "little")
        fields[name.decode()] = rest[8 : 8 + length].decode()
        datagram = rest[9 + length :]
    return fields


class Stuck(logging.Handler):
    """A target that takes nothing until it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.reached, self.let = threading.Event(), threading.Event()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.reached.set()
        self.let.wait()
        self.lines.append(record.getMessage())


def test_nobody_waits_for_a_stuck_target() -> None:
    """What does not fit is dropped and counted."""
    target = Stuck()
    running = RunningLog(logging.INFO, target, queue_lines=2)
    log.info("first")
    assert target.reached.wait(10)
    for number in range(10):
        log.info("line %d", number)
    target.let.set()
    running.close()
    assert target.lines == ["first", "line 0", "line 1", "8 lines of the log were dropped"]


def test_closing_does_not_wait_for_a_stuck_target() -> None:
    """The process can end."""
    target = Stuck()
    running = RunningLog(logging.INFO, target, queue_lines=1)
    log.info("first")
    assert target.reached.wait(10)
    log.info("second")
    running.close(timeout=0.05)
    target.let.set()


def test_a_record_that_cannot_be_shown_raises_nothing(stderr: StandardError) -> None:
    """A bug in the log changes no answer."""
    running = setup_log(Log())
    running.submit(replace(record(), milliseconds="soon"))  # type: ignore[arg-type]
    running.close()
    assert "the line of Abcdefghij12 could not be written" in stderr.getvalue()


def test_an_unknown_facility_is_a_config_error() -> None:
    """The operator is told what there is."""
    with pytest.raises(ConfigError, match="facility: expected one of"):
        setup_log(Log(target=LogTarget.SYSLOG, facility="post"))


@given(st.text(max_size=200), st.integers(20, 60))
def test_pieces_are_whole_characters_and_lose_nothing(text: str, limit: int) -> None:
    """Put together again without the dots they are the line."""
    line = text.encode("utf-8", "replace").replace(b".", b",")
    parts = list(pieces(line, limit))
    assert all(len(part) <= limit for part in parts)
    assert b"".join(part.strip(b".") for part in parts) == line
    assert all(part.decode() for part in parts if part)
