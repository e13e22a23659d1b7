# SPDX-License-Identifier: GPL-3.0-or-later
"""The program run in this process, under a configuration of its own with everything in a temporary folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from milterguard.cli.program import program
from milterguard.store.quarantine import FileQuarantine
from milterguard.store.tokens import release_gate
from tests.daemons import toml
from tests.daemons.milterguard import empty_dns
from tests.effects.mta import Mta


class Program:
    """``milterguard`` with its configuration file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.configuration = folder / "milterguard.toml"
        self.settings: toml.Table = {
            "server": {"state_directory": str(folder / "state")},
            "local": {"domains": ["example.com"]},
            "dns": {"servers": [empty_dns().address]},
            "checks": {"clamd": {"enabled": False}, "spamd": {"enabled": False}},
            "store": {"url": f"sqlite:///{folder / 'milterguard.db'}"},
            "quarantine": {"store": f"file:{folder / 'quarantine'}"},
        }
        self.configure({})

    @property
    def quarantine(self) -> FileQuarantine:
        return FileQuarantine(self.folder / "quarantine")

    @property
    def database(self) -> str:
        return f"sqlite:///{self.folder / 'milterguard.db'}"

    def configure(self, settings: toml.Table) -> None:
        """Lay settings over the present ones."""
        self.settings = toml.merged(self.settings, settings)
        self.configuration.write_text(toml.written(self.settings))

    def __call__(self, *arguments: str, stdin: bytes | None = None) -> Result:
        """Run a command; its defects are the test's failures."""
        environment = {"MILTERGUARD_CONFIG": str(self.configuration), "MILTERGUARD_DEBUG": None}
        result = CliRunner().invoke(program, list(arguments), input=stdin, env=environment, prog_name="milterguard")
        assert result.exit_code != 70, result.output
        return result


@pytest.fixture
def milterguard(tmp_path: Path) -> Program:
    return Program(tmp_path)


@pytest.fixture
def mta(milterguard: Program) -> Iterator[Mta]:
    """An MTA that asks our milter, and stands in ``[release] smtp``."""
    with Mta(release_gate(milterguard.folder / "state")) as door:
        milterguard.configure({"release": {"smtp": f"inet:{door.port}@127.0.0.1"}})
        yield door
