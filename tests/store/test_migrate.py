# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps lead to the tables that the code knows, whole or not at all."""

import sqlite3
import stat
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy.dialects import registry
from sqlalchemy.schema import CreateTable

from milterguard.errors import ConfigError, StoreError
from milterguard.store.engine import make_engine
from milterguard.store.migrate import current, is_current, upgrade
from milterguard.store.schema import metadata, msgrcpt, msgs


def test_an_empty_database_is_brought_up_to_date(tmp_path: Path) -> None:
    """Once and again: the second time there is nothing to do."""
    url = f"sqlite:///{tmp_path}/x.db"
    assert current(url) == ""
    assert not is_current(url)
    upgrade(url)
    upgrade(url)
    assert current(url) == "0001"
    assert is_current(url)


def test_the_steps_and_the_tables_in_the_code_agree(tmp_path: Path) -> None:
    """Nobody changes a table without a step that does so too."""
    url = f"sqlite:///{tmp_path}/x.db"
    upgrade(url)
    engine = make_engine(url)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_the_columns_are_those_of_amavis() -> None:
    """Front ends made for amavis ask for these names."""
    assert " ".join(msgs.columns.keys()) == (
        "partition_tag mail_id secret_id am_id time_num time_iso sid policy client_addr size originating content "
        "quar_type quar_loc dsn_sent spam_level message_id from_addr subject host"
    )
    assert " ".join(msgrcpt.columns.keys()) == (
        "partition_tag mail_id rseqnum rid is_local content ds rs bl wl bspam_level smtp_resp"
    )
    assert " ".join(metadata.tables) == "users mailaddr wblist policy maddr msgs msgrcpt quarantine evidence"


@pytest.mark.parametrize("dialect", ["postgresql", "mysql"])
def test_other_databases_have_words_for_all_tables(dialect: str) -> None:
    """Types are portable."""
    known = registry.load(dialect)()
    for table in metadata.sorted_tables:
        assert "CREATE TABLE" in str(CreateTable(table).compile(dialect=known))


def test_the_file_is_not_for_everybody(tmp_path: Path) -> None:
    """It will hold addresses and subjects."""
    upgrade(f"sqlite:///{tmp_path}/x.db")
    assert (tmp_path / "x.db").stat().st_mode & stat.S_IRWXO == 0


def test_a_failed_upgrade_leaves_the_old_tables(tmp_path: Path) -> None:
    """All of a step or nothing of it."""
    with sqlite3.connect(tmp_path / "x.db") as connection:
        connection.execute("CREATE TABLE users (mine)")  # in the way of a later part of the step
    connection.close()
    url = f"sqlite:///{tmp_path}/x.db"
    with pytest.raises(StoreError, match="users already exists"):
        upgrade(url)
    connection = sqlite3.connect(tmp_path / "x.db")
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    connection.close()
    assert tables == {"users"}


def test_tables_from_the_future_are_an_error(tmp_path: Path) -> None:
    """An older version does not touch what it does not know."""
    url = f"sqlite:///{tmp_path}/x.db"
    upgrade(url)
    with sqlite3.connect(tmp_path / "x.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    assert not is_current(url)
    with pytest.raises(StoreError, match="9999"):
        upgrade(url)


def test_a_place_that_cannot_be_is_an_error(tmp_path: Path) -> None:
    """A missing folder is the disk's, a useless address the operator's."""
    with pytest.raises(StoreError, match="could not be created"):
        upgrade(f"sqlite:///{tmp_path}/missing/x.db")
    with pytest.raises(StoreError):
        current(f"sqlite:///{tmp_path}/missing/x.db")
    with pytest.raises(ConfigError):
        upgrade("nonsense")
