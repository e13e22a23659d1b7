# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables may change while they are read."""

import pytest

from milterguard.errors import StoreError
from milterguard.lookup.sql_engine import make_reader
from milterguard.lookup.sql_tables import Tables
from tests.daemons import Mariadb, Postgresql
from tests.lookup.database import Database, amavis_database
from tests.lookup.test_backends import Clock

PLACES = {"k": ("user@example.com",), "r": ("",)}


@pytest.fixture
def database(database_url: str) -> Database:
    """A user with a policy."""
    made = amavis_database(database_url)
    made.user("user@example.com", spam_lover="Y", virus_admin="root@example.com")
    return made


def test_only_columns_that_are_used_are_asked_for(database: Database) -> None:
    """Once it is known which there are; after some minutes that is learnt anew."""
    engine, clock = make_reader(database.url, timeout_seconds=2), Clock()
    tables = Tables(clock=clock)
    assert "virus_admin" in tables.ask(engine, PLACES).columns
    known = tables.ask(engine, PLACES)
    assert {"spam_lover", "local", "policy_name"} <= set(known.columns)
    assert not {"virus_admin", "fullname"} & set(known.columns)
    database.execute("ALTER TABLE policy ADD COLUMN spam_destiny VARCHAR(10)")
    assert "spam_destiny" not in tables.ask(engine, PLACES).columns
    clock.now += 301
    for _ in range(2):
        assert "spam_destiny" in tables.ask(engine, PLACES).columns
    engine.dispose()


def test_a_column_that_is_gone_is_missed_at_once(database: Database) -> None:
    """The question is asked again without it."""
    engine = make_reader(database.url, timeout_seconds=2)
    tables = Tables()
    for _ in range(3):
        tables.ask(engine, PLACES)
    database.execute("ALTER TABLE policy DROP COLUMN message_size_limit")
    for _ in range(3):
        answer = tables.ask(engine, PLACES)
        assert len(answer.rows) == 1
        assert "message_size_limit" not in answer.columns
    engine.dispose()


@pytest.mark.daemons
def test_a_column_of_another_type_does_no_harm_to_a_prepared_statement(postgresql: Postgresql) -> None:
    """PostgreSQL refuses the old plan; the question is put anew."""
    database = amavis_database(postgresql.new_database())
    database.user("user@example.com", message_size_limit=1000)
    engine = make_reader(database.url, timeout_seconds=2)
    tables = Tables()
    for _ in range(5):
        tables.ask(engine, PLACES)
    database.execute("ALTER TABLE policy ALTER COLUMN message_size_limit TYPE BIGINT")
    assert len(tables.ask(engine, PLACES).rows) == 1
    engine.dispose()


@pytest.mark.daemons
def test_a_restart_is_not_noticed(postgresql: Postgresql) -> None:
    """A connection of before it is used once, and then there is a new one."""
    database = amavis_database(postgresql.new_database())
    database.user("user@example.com")
    engine = make_reader(database.url, timeout_seconds=2)
    tables = Tables()
    tables.ask(engine, PLACES)
    postgresql.restart()
    assert len(tables.ask(engine, PLACES).rows) == 1
    postgresql.kill()
    with pytest.raises(StoreError):
        tables.ask(engine, PLACES)
    postgresql.start()
    assert len(tables.ask(engine, PLACES).rows) == 1
    engine.dispose()


@pytest.mark.daemons
def test_an_address_may_say_that_there_is_a_pooler(postgresql: Postgresql) -> None:
    """It takes neither limits nor prepared statements."""
    engine = make_reader(postgresql.new_database() + "?prepare_threshold=none", timeout_seconds=2)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SHOW statement_timeout").scalar() == "0"
        assert connection.connection.driver_connection is not None
        assert connection.connection.driver_connection.prepare_threshold is None
    engine.dispose()


@pytest.mark.daemons
def test_no_address_takes_a_database_from_everybody(mariadb: Mariadb) -> None:
    """One that an old table has no letters for is asked without them, and a refusal makes no server rest."""
    database = Database(mariadb.new_database())
    database.execute(
        "CREATE TABLE mailbox (address VARCHAR(100)) CHARACTER SET latin1 COLLATE latin1_german1_ci",
        "INSERT INTO mailbox VALUES ('@example.com')",
    )
    with database.source(recipient_select="SELECT 'Y' AS spam_lover FROM mailbox WHERE address IN (%k)") as source:
        for address in ("😀@example.com", "grüße@example.com", "user@example.com"):
            (layer,) = source.layers(address, sender="", is_local=True)
            assert layer.settings == (("spam_lover", True),)
    with database.source(recipient_select="SELECT 'Y' AS spam_lover FROM nowhere WHERE address IN (%k)") as source:
        for _ in range(2):
            with pytest.raises(StoreError, match="nowhere"):
                source.layers("user@example.com", sender="", is_local=True)
    assert len(database.statements) == 4 + 4
