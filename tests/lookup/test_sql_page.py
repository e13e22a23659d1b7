# SPDX-License-Identifier: GPL-3.0-or-later
"""What docs/sql.md says about columns, statements and settings is so, word by word."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from milterguard.config.lookup import Sql
from milterguard.config.settings import Local, Settings
from milterguard.core.envelope import Traffic
from milterguard.core.finding import Category
from milterguard.core.listed import Listing
from milterguard.core.verdict import Judged
from milterguard.lookup.address import sql_keys
from milterguard.lookup.amavis import COLUMNS, IGNORED
from milterguard.lookup.policies import Policies
from milterguard.lookup.sql import SqlSource
from milterguard.lookup.sql_row import META
from tests.daemons import Postgresql
from tests.lookup.database import Database, amavis_database

PAGE = (Path(__file__).parents[2] / "docs" / "sql.md").read_text()
_FENCE = re.compile(r"^```(?P<kind>sql|toml)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`]+)`")
SQL = [match["text"] for match in _FENCE.finditer(PAGE) if match["kind"] == "sql"]
TOML = [tomllib.loads(match["text"])["lookup"]["sql"] for match in _FENCE.finditer(PAGE) if match["kind"] == "toml"]
GRANT, ROWS, OWN_TABLES = SQL
OWN_SELECTS = next(table for table in TOML if "recipient_select" in table)
LOCAL_SELECT = next(table for table in TOML if "local_select" in table)


def table(heading: str) -> list[list[str]]:
    """Return the cells of the first table below a line that begins so."""
    rows = PAGE[PAGE.index(f"| {heading} |") :].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def told(database: Database, address: str, sender: str = "", **settings: str) -> Judged:
    local = Local()
    with database.source(local=local, **settings) as source:
        return Policies(Settings(local=local), (source,)).judged(address, (), Traffic.INBOUND, sender=sender)


def run(database: Database, statements: str) -> None:
    database.execute(*(each for each in statements.split(";") if each.strip()))


def test_the_columns_are_those_that_mean_something() -> None:
    """All of them, and no other."""
    named = [name for row in table("Column | Setting") for name in _CODE.findall(row[0])]
    assert sorted(named) == sorted(COLUMNS)


def test_each_column_becomes_the_setting_that_is_named() -> None:
    """Where it is not the same name."""
    for row in table("Column | Setting"):
        columns, settings = _CODE.findall(row[0]), _CODE.findall(row[1])
        if len(settings) == 1:
            assert {COLUMNS[column].setting for column in columns} == set(settings)
        else:
            assert all(
                COLUMNS[column].setting.replace("_files", "") == column.replace("_files", "") for column in columns
            )


def test_the_columns_that_mean_nothing_are_named_with_the_reason() -> None:
    """As check tells it."""
    assert {_CODE.findall(row[0])[0]: row[1] for row in table("Column | Why")} == dict(IGNORED)


def test_columns_that_any_select_may_have_are_named() -> None:
    """Those that are neither settings nor errors."""
    sentence = PAGE[PAGE.index("but for `id`") :].partition(".\n")[0]
    assert set(_CODE.findall(sentence)) == META


def test_the_keys_stand_in_their_order() -> None:
    """Of the address in the example."""
    keys = [key for row in table("Key |") for key in _CODE.findall(row[0])]
    assert tuple(keys) == sql_keys("Carol+Lists@Sub.Example.COM", delimiter="+", is_local=True)


def test_the_rows_of_the_example(database_url: str) -> None:
    """Everybody, a domain and a person, who allows one sender of a shop and gives points to the others."""
    database = amavis_database(database_url)
    run(database, ROWS)
    everybody, domain = told(database, "a@example.org"), told(database, "a@example.com")
    carol = told(database, "carol@example.com", "news@shop.example")
    assert (everybody.policy.spam_kill_level, everybody.recipient.is_local) == (6.9, False)
    assert (domain.policy.spam_kill_level, domain.policy.spam_tag2_level, domain.recipient.is_local) == (5.0, 6.2, True)
    assert dict(domain.policy.addr_extension) == {Category.SPAM: "spam"}
    assert (carol.policy.spam_lover, carol.policy.spam_kill_level) == (True, 5.0)
    assert carol.policy.message_size_limit == 20_000_000
    assert carol.listed.listing is Listing.ALLOWED
    assert told(database, "carol@example.com", "other@shop.example").listed.points == 2.5
    assert dict(carol.origins)["spam_lover"] in PAGE


@pytest.mark.daemons
def test_the_rights_of_the_example_are_enough(postgresql: Postgresql) -> None:
    """For reading amavis' tables on PostgreSQL."""
    database = amavis_database(postgresql.new_database())
    run(database, ROWS)
    run(database, GRANT)
    theirs = Database(re.sub(r"//.*@", "//milterguard:PASSWORD@", database.url))
    try:
        assert told(theirs, "a@example.com").policy.spam_kill_level == 5.0
    finally:
        run(database, "DROP OWNED BY milterguard; DROP ROLE milterguard")


def test_the_select_of_the_example(database_url: str) -> None:
    """Levels of the domain, wishes of the mailbox, his list of senders, and who is ours."""
    database = Database(database_url)
    run(database, OWN_TABLES)
    selects = {key: _in_words_of(database_url, OWN_SELECTS[key]) for key in ("recipient_select", "sender_select")}
    dave = told(database, "Dave+lists@example.org", "news@shop.example", **selects)
    assert (dave.policy.spam_lover, dave.policy.message_size_limit, dave.policy.spam_kill_level) == (
        True,
        1_000_000,
        4.5,
    )
    assert dave.recipient.is_local
    assert dave.listed.listing is Listing.DENIED
    other = told(database, "other@example.org", "news@shop.example", **selects)
    assert (other.policy.spam_lover, other.policy.spam_kill_level) == (False, 4.5)
    assert not told(database, "other@example.net", **selects).recipient.is_local


def _in_words_of(url: str, select: str) -> str:
    """Return a SELECT for SQLite too: before 3.44 it has no CONCAT."""
    return select.replace("CONCAT('@', name)", "'@' || name") if url.startswith("sqlite") else select


def test_the_select_for_locality_of_the_example(database_url: str) -> None:
    """Beside amavis' tables, too."""
    database = amavis_database(database_url)
    run(database, OWN_TABLES)
    assert told(database, "other@example.org", local_select=LOCAL_SELECT["local_select"]).recipient.is_local
    assert not told(database, "other@example.net", local_select=LOCAL_SELECT["local_select"]).recipient.is_local


def test_every_example_of_settings_can_be_used() -> None:
    """Drivers take the addresses as they stand there."""
    for example in TOML:
        given: dict[str, Any] = {**example, "urls": tuple(example["urls"])}
        SqlSource(Sql(**given), Local()).close()
