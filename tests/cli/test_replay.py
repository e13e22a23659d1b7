# SPDX-License-Identifier: GPL-3.0-or-later
"""``milterguard replay`` over a journal: totals, groups, ids, exit statuses."""

import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.bench.replay import fill
from tests.cli.conftest import Program


@pytest.fixture
def journal(milterguard: Program) -> Program:
    milterguard("db", "upgrade")
    fill(milterguard.database, 60, now=time.time())
    return milterguard


def new(program: Program, text: str = "") -> str:
    file = program.folder / "new" / "new.toml"
    file.parent.mkdir(exist_ok=True)
    file.write_text('[local]\ndomains = ["example.com"]\n' + text)
    return str(file)


def test_the_same_settings_change_nothing(journal: Program) -> None:
    """Exit status 0."""
    result = journal("replay", "--settings", new(journal))
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[0] == "60 messages, 0 would change"


def test_what_changes_is_grouped(journal: Program) -> None:
    """By what becomes of it, by sender, by recipient; exit status 1."""
    result = journal("replay", "--settings", new(journal, "[policy]\nspam_kill_level = 1.0\n"), "--list", "--top", "2")
    assert result.exit_code == 1
    assert "would change" in result.output
    for head in ("BEFORE", "SENDER", "RECIPIENT", "MESSAGE"):
        assert head in result.output
    assert "reject spam" in result.output


def test_programs_get_json(journal: Program) -> None:
    """Totals, groups, and the messages when they are asked for; each id is known to explain."""
    options = ("--settings", new(journal, "[policy]\nspam_kill_level = 1.0\n"), "--json")
    told = json.loads(journal("replay", *options).output)
    assert told["totals"]["messages"] == 60
    assert told["totals"]["changed"] > 0
    assert "messages" not in told
    listed = json.loads(journal("replay", *options, "--list").output)["messages"]
    assert len(listed) == told["totals"]["changed"]
    assert journal("explain", listed[0]["mail_id"]).exit_code == 0


def test_time_and_number_can_be_limited(journal: Program) -> None:
    """The newest first."""
    file = new(journal)
    assert journal("replay", "--settings", file, "--limit", "7").output.startswith("7 messages")
    assert journal("replay", "--settings", file, "--until", "1d").output.startswith("0 messages")
    assert journal("replay", "--settings", file, "--since", "yesterday").exit_code == 64


def test_nothing_is_touched(journal: Program) -> None:
    """The database is, octet for octet, what it was, in whatever journal mode."""
    file = Path(journal.database.removeprefix("sqlite:///"))
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
    before = file.read_bytes()
    journal("replay", "--settings", new(journal, "[policy]\nspam_kill_level = 1.0\n"))
    assert file.read_bytes() == before


def test_slips_are_told(milterguard: Program) -> None:
    """No journal, no file, wrong settings."""
    assert milterguard("replay", "--settings", new(milterguard)).exit_code == 66
    milterguard("db", "upgrade")
    assert milterguard("replay", "--settings", "/nowhere.toml").exit_code == 78
    wrong = milterguard("replay", "--settings", new(milterguard, "[policy]\nspam_kil_level = 1\n"))
    assert wrong.exit_code == 78
    assert "spam_kill_level" in wrong.output


def test_many_go_over_all_cores(journal: Program) -> None:
    """The same comes out as from one process."""
    fill(journal.database, 1500, now=time.time(), first=1000)
    told = json.loads(journal("replay", "--settings", new(journal), "--json").output)
    assert (told["totals"]["messages"], told["totals"]["changed"]) == (1560, 0)
