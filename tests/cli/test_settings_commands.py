# SPDX-License-Identifier: GPL-3.0-or-later
"""``config`` and ``db``."""

import json

from milterguard.config.sample import sample
from milterguard.store.migrate import is_current
from tests.cli.conftest import Program


def test_the_sample_is_the_generated_one(milterguard: Program) -> None:
    """What is printed is what stands in etc/."""
    assert milterguard("config", "sample").output == sample()


def test_show_tells_where_each_setting_comes_from(milterguard: Program) -> None:
    """Defaults and the file are told apart; JSON has the same rows."""
    rows = json.loads(milterguard("config", "show", "--json").output)
    origins = {row["key"]: row["origin"] for row in rows}
    assert origins["server.state_directory"] == str(milterguard.configuration)
    assert origins["server.workers"] == "default"
    assert "server.state_directory" in milterguard("config", "show").output


def test_the_database_is_made_once(milterguard: Program) -> None:
    """``db upgrade`` makes the tables, a second time nothing; ``db status`` says which."""
    assert milterguard("db", "status").exit_code != 0
    assert "none ->" in milterguard("db", "upgrade").output
    assert is_current(milterguard.database)
    assert "up to date" in milterguard("db", "upgrade").output
    assert milterguard("db", "status").exit_code == 0
    assert json.loads(milterguard("db", "status", "--json").output)["is_current"]


def test_without_a_database_there_is_nothing_to_upgrade(milterguard: Program) -> None:
    """An empty store.url is told as such."""
    milterguard.configure({"store": {"url": ""}})
    result = milterguard("db", "upgrade")
    assert (result.exit_code, "store.url" in result.stderr) == (78, True)
