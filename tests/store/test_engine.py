# SPDX-License-Identifier: GPL-3.0-or-later
"""Useless addresses are the operator's mistake; what a database refuses later is a StoreError."""

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import text

from milterguard.errors import ConfigError, StoreError
from milterguard.store.engine import database, is_refusal, make_engine


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "nosuch://host/db",
        "sqlite+nosuch:///x.db",
        "postgresql+nodriver://x/y",
    ],
)
def test_a_useless_address_is_a_config_error(url: str) -> None:
    """It is said which key is wrong and what was expected, and the address is not repeated."""
    with pytest.raises(ConfigError, match=r"\[store\]: url: expected") as caught:
        make_engine(url)
    assert not url or url not in str(caught.value)


def test_a_missing_driver_is_a_config_error() -> None:
    """What is not installed is named."""
    with pytest.raises(ConfigError, match="driver"):
        make_engine("oracle://user:geheim@host/db")


def test_sqlite_lets_readers_and_writers_work_side_by_side(tmp_path: Path) -> None:
    """WAL with synchronous NORMAL, foreign keys on."""
    engine = make_engine(f"sqlite:///{tmp_path}/x.db")
    with engine.connect() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 1
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1
    engine.dispose()


def test_a_missing_folder_is_a_store_error(tmp_path: Path) -> None:
    """The hint says where to look."""
    engine = make_engine(f"sqlite:///{tmp_path}/missing/x.db")
    with pytest.raises(StoreError, match="does its folder exist"), database("no"), engine.connect():
        pass


def test_missing_tables_name_the_command(tmp_path: Path) -> None:
    """An operator is told what to run."""
    engine = make_engine(f"sqlite:///{tmp_path}/x.db")
    with (
        pytest.raises(StoreError, match="milterguard db upgrade") as caught,
        database("no"),
        engine.connect() as connection,
    ):
        connection.execute(text("SELECT * FROM msgs"))
    assert not is_refusal(caught.value)
    engine.dispose()


def test_a_locked_database_is_a_store_error_soon(tmp_path: Path) -> None:
    """Locks are waited for shortly."""
    holder = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
    holder.execute("CREATE TABLE t (x)")
    holder.execute("BEGIN EXCLUSIVE")
    engine = make_engine(f"sqlite:///{tmp_path}/x.db", busy_seconds=0.05)
    with pytest.raises(StoreError, match="locked") as caught, database("no"), engine.begin() as connection:
        connection.execute(text("INSERT INTO t VALUES (1)"))
    assert not is_refusal(caught.value)
    holder.close()
    engine.dispose()


def test_what_is_refused_for_its_content_is_known(tmp_path: Path) -> None:
    """A violated constraint is the record's fault, not the database's."""
    engine = make_engine(f"sqlite:///{tmp_path}/x.db")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE t (x NOT NULL)"))
    with pytest.raises(StoreError) as caught, database("no"), engine.begin() as connection:
        connection.execute(text("INSERT INTO t VALUES (NULL)"))
    assert is_refusal(caught.value)
    engine.dispose()
