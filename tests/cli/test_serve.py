# SPDX-License-Identifier: GPL-3.0-or-later
"""The log of the running filter follows its settings, and only those that hold."""

import json
from collections.abc import Iterator

import pytest

from tests.daemons import Milterguard, private_folder
from tests.daemons.toml import Table
from tests.fakes.mta import Mail, Mta


@pytest.fixture
def milterguard() -> Iterator[Milterguard]:
    with private_folder() as folder, Milterguard(folder) as running:
        yield running


def test_refused_settings_do_not_change_the_log(milterguard: Milterguard) -> None:
    """Its form stays the former one, so the refusal is where the operator looks."""
    milterguard.write_settings({"log": {"format": "json"}, "server": {"listen": ["unix:/nowhere/at/all"]}})
    milterguard.reload()
    lines = milterguard.log().splitlines()
    assert any("not reloaded" in line for line in lines)
    assert not any(line.startswith("{") for line in lines)


def test_settings_that_hold_change_the_log(milterguard: Milterguard) -> None:
    """The line that tells of the reload is the first in the new form."""
    milterguard.write_settings({"log": {"format": "json"}})
    milterguard.reload()
    first = next(json.loads(line) for line in milterguard.log().splitlines() if line.startswith("{"))
    assert "reloaded" in str(first)


def test_observing_lasts_through_a_reload() -> None:
    """The command line holds, whatever the file says: with no scanner there, mail passes and is not touched."""
    nobody: Table = {"checks": {"clamd": {"enabled": True, "sockets": ["unix:/nowhere"]}}}
    with private_folder() as folder, Milterguard(folder, settings=nobody, options=("--observe=silent",)) as running:
        for _ in range(2):
            with Mta(running.socket.removeprefix("unix:")).greet() as mta:
                ending = mta.message(Mail())
            assert (ending.is_accepted, ending.changes) == (True, ())
            running.write_settings({"server": {"observe": "off"}})
            running.reload()
        assert "observing: every message is accepted" in running.log()
