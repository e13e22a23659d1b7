# SPDX-License-Identifier: GPL-3.0-or-later
"""What the commands say about recipients in a database."""

import json
from pathlib import Path

import pytest

from milterguard.cli.status import Status
from tests.cli.conftest import Program
from tests.daemons import Postgresql
from tests.lookup.database import Database, amavis_database

MAIL = b"From: a@sender.example\r\nTo: user@example.org\r\nSubject: hello\r\n\r\nHello\r\n"


@pytest.fixture
def database(milterguard: Program) -> Database:
    """amavis' tables, in the configuration."""
    made = amavis_database(f"sqlite:///{milterguard.folder / 'users.db'}")
    milterguard.configure({"lookup": {"sql": {"urls": [made.url]}}})
    return made


def checked(program: Program) -> list[tuple[str, str]]:
    """Return state and text of what ``check`` says about databases of recipients."""
    rows = json.loads(program("check", "--json").output)
    return [(row["state"], row["text"]) for row in rows if row["subject"].startswith("SQL ")]


def test_the_origin_of_a_setting_is_a_row(milterguard: Program, database: Database) -> None:
    """With the ids of user and policy, and the key that matched; the row says who is ours too."""
    database.user("@example.org", spam_kill_level=4.5)
    output = milterguard("policy", "show", "user@example.org", "--changed").output
    assert output.startswith("user@example.org: ours;")
    rows = json.loads(milterguard("policy", "show", "user@example.org", "--changed", "--json").output)
    origin = 'SQL users.id 1 (@example.org), policy.id 1 "policy 1"'
    assert rows == [{"key": "spam_kill_level", "value": "4.5", "origin": origin}]


def test_scan_asks_the_database(milterguard: Program, database: Database) -> None:
    """Mail of a sender whom the recipient's list denies is spam."""
    user = database.user("@example.org")
    database.sender(user, "@sender.example", "B")
    for sender, category in (("x@sender.example", "spam"), ("x@other.example", "bad_header")):
        mail = MAIL.replace(b"a@sender.example", sender.encode())
        (found,) = json.loads(milterguard("scan", "--json", "-", stdin=mail).output)
        assert found["category"] == category


@pytest.mark.parametrize("arguments", [("policy", "show", "user@example.org"), ("scan", "-")])
def test_a_database_that_cannot_be_asked_is_said(milterguard: Program, arguments: tuple[str, ...]) -> None:
    """A policy without it would be another one."""
    milterguard.configure({"lookup": {"sql": {"urls": [f"sqlite:///{milterguard.folder / 'missing.db'}"]}}})
    result = milterguard(*arguments, stdin=MAIL)
    assert result.exit_code == Status.IO
    assert "milterguard: SQL recipients: SQL sqlite:///" in result.output
    assert "unable to open database file" in result.output


def test_passwords_of_all_addresses_are_masked(milterguard: Program) -> None:
    """Each on its own."""
    urls = ["postgresql+psycopg://u:secret1@a/x", "mysql+pymysql://v:secret2@b/y?ssl_key_password=secret3"]
    milterguard.configure({"lookup": {"sql": {"urls": list(urls)}}})
    output = milterguard("config", "show").output
    assert "secret" not in output
    assert "postgresql+psycopg://u:***@a/x" in "".join(output.split())
    (row,) = [
        row for row in json.loads(milterguard("config", "show", "--json").output) if row["key"] == "lookup.sql.urls"
    ]
    assert row["value"].count("***") == 3


def test_check_tells_what_is_not_used_and_what_cannot_be_read(milterguard: Program, database: Database) -> None:
    """With the reason, and with table, id and column."""
    database.user("a@example.org", local="?", virus_admin="root@example.org", warnvirusrecip="Y", virus_lover="?")
    database.user("b@example.org", virus_admin="root@example.org", banned_rulenames="NO_MACROS, NOSUCH", spam_admin=" ")
    database.sender(1, "@sender.example", "maybe")
    database.sender(1, "@other.example", "-3")
    assert sorted(checked(milterguard)) == [
        ("ok", "answers"),
        ("warning", "policy.id 1: virus_lover: expected Y or N, found '?'"),
        ("warning", "policy.id 2: banned_rulenames: no set of rules is called NOSUCH"),
        ("warning", "policy.virus_admin is not used, and 2 rows have a value: nobody is written to"),
        ("warning", "policy.warnvirusrecip is not used, and 1 rows have a value: nobody is written to"),
        ("warning", "users.id 1: local: expected Y or N, found '?'"),
        ("warning", "wblist.wb 'maybe' means nothing"),
    ]


def test_many_values_that_cannot_be_read_are_summed_up(milterguard: Program, database: Database) -> None:
    """After the first ten."""
    for number in range(13):
        database.user(f"user{number}@example.org", virus_lover="?")
    texts = [text for _, text in checked(milterguard)]
    assert len(texts) == 12
    assert texts[-1] == "and 3 more such values"


def test_check_misses_tables(milterguard: Program, database: Database) -> None:
    """Each by its name."""
    database.execute("DROP TABLE wblist", "DROP TABLE mailaddr")
    assert ("error", "no table mailaddr, wblist that we may read") in checked(milterguard)


def test_check_tells_of_a_database_that_is_gone(milterguard: Program) -> None:
    """And of a driver that is not there."""
    urls = [f"sqlite:///{milterguard.folder / 'missing.db'}", "postgresql+psycopg://u@127.0.0.1:9/x"]
    milterguard.configure({"lookup": {"sql": {"urls": list(urls)}}})
    (first, second) = checked(milterguard)
    assert first == ("error", "unable to open database file")
    assert second[0] == "error"
    assert "refused" in second[1]


def test_check_asks_a_select_of_the_operator(milterguard: Program, database: Database) -> None:
    """A column without a meaning is an error, one of amavis' that is not used a warning."""
    selects = {
        "recipient_select": "SELECT email, fullname AS full_name, 'x' AS virus_admin FROM users WHERE email IN (%k)",
        "sender_select": "SELECT rid, sid, wb FROM wblist WHERE rid IN (%r) AND sid IN (%k)",
        "local_select": "SELECT 1 FROM users WHERE email = %d",
    }
    milterguard.configure({"lookup": {"sql": selects}})
    assert checked(milterguard) == [
        ("ok", "answers"),
        ("error", "column full_name of lookup.sql.recipient_select means nothing"),
        ("warning", "column virus_admin is not used: nobody is written to"),
        ("error", "lookup.sql.sender_select has no column email"),
    ]
    milterguard.configure({"lookup": {"sql": {**selects, "recipient_select": "SELECT x FROM users WHERE y = %a"}}})
    assert checked(milterguard) == [("ok", "answers"), ("error", "no such column: x")]


def test_check_is_not_held_by_a_database_that_hangs(
    milterguard: Program, postgresql: Postgresql, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said so."""
    monkeypatch.setattr("milterguard.cli.probe_sql._LONGEST_SECONDS", 0.3)
    milterguard.configure({"lookup": {"sql": {"urls": [postgresql.new_database()]}}})
    postgresql.pause()
    (row,) = checked(milterguard)
    assert row == ("error", "no answer within 0.3 s")


def test_a_new_file_is_not_made_by_check(milterguard: Program) -> None:
    """Who only looks makes nothing."""
    path = milterguard.folder / "missing.db"
    milterguard.configure({"lookup": {"sql": {"urls": [f"sqlite:///{path}"]}}})
    checked(milterguard)
    assert not Path(path).exists()
