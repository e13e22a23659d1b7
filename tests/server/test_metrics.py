# SPDX-License-Identifier: GPL-3.0-or-later
"""The counters of all workers come together in one file."""

import logging
import os
import signal
from pathlib import Path

import pytest

from milterguard.config.metrics import Metrics
from milterguard.core.series import SERIES
from milterguard.server.metrics import Exposition
from tests.daemons import Milterguard, private_folder
from tests.daemons.process import wait_until
from tests.fakes.mta import Mail, Mta

NOTHING = [0.0] * len(SERIES)


def test_the_file_counts_over_the_death_of_a_worker() -> None:
    """Two sessions, all workers killed, one more: three messages, and a refused recipient."""
    with private_folder() as folder:
        file = folder / "milterguard.prom"
        with Milterguard(folder, settings={"metrics": {"file": str(file), "seconds": 1}}) as running:
            _send(running, 2)
            wait_until(lambda: _messages(file) == 2, seconds=10, what="two are counted")
            for pid in running.worker_pids():
                os.kill(pid, signal.SIGKILL)
            wait_until(lambda: _is_served(running), seconds=20, what="there are workers again")
            wait_until(lambda: _messages(file) == 3, seconds=10, what="three are counted")
            assert 'milterguard_refused_recipients_total{reason="address"} 1' in file.read_text()


def test_a_file_that_cannot_be_written_is_told_of_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """And again once it could be written in between."""
    told = Exposition()
    with caplog.at_level(logging.WARNING):
        for file in (tmp_path / "no" / "x", tmp_path / "no" / "x", tmp_path / "x", tmp_path / "no" / "x"):
            told.write(file, NOTHING)
    assert len(caplog.messages) == 2
    assert [each.name for each in tmp_path.iterdir()] == ["x"]


def test_nothing_is_written_unless_it_is_asked_for(tmp_path: Path) -> None:
    """Neither without a file nor before its time."""
    told = Exposition()
    told.turn(Metrics(), lambda: pytest.fail("nobody asked"))
    told.turn(Metrics(file=str(tmp_path / "x")), lambda: NOTHING)
    told.turn(Metrics(file=str(tmp_path / "x")), lambda: pytest.fail("too early"))
    assert (tmp_path / "x").exists()


def _send(running: Milterguard, number: int) -> None:
    for _ in range(number):
        with Mta(running.socket.removeprefix("unix:")).greet() as mta:
            assert mta.message(Mail()).is_accepted


def _is_served(running: Milterguard) -> bool:
    """Send one message, with a recipient who is none beside the one who is."""
    try:
        with Mta(running.socket.removeprefix("unix:")).greet() as mta:
            mta.mail("<s@sender.example>")
            mta.rcpt("<a b@ours.example>")
            mta.abort()
            return mta.message(Mail()).is_accepted
    except OSError:
        return False


def _messages(file: Path) -> float:
    if not file.exists():
        return 0
    lines = (line for line in file.read_text().splitlines() if line.startswith("milterguard_messages_total"))
    return sum(float(line.rpartition(" ")[2]) for line in lines)
