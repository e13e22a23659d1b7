# SPDX-License-Identifier: GPL-3.0-or-later
"""Bringing the tables up to date: for the command line, never at the start of a worker.

A migration happens in one transaction, on SQLite as well, so that a crash leaves the old tables.

*Errors:* ConfigError for a useless address, StoreError for what the database refuses.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, event

from milterguard.errors import StoreError
from milterguard.store.durable import FILE_MODE, refusals
from milterguard.store.engine import database, make_engine

_SCRIPTS = Path(__file__).with_name("migrations")
_BUSY_SECONDS = 30.0


def upgrade(url: str) -> None:
    """Create the tables, or bring older ones up to date. Does nothing when they are."""
    with _connected(url, for_writing=True) as connection:
        try:
            command.upgrade(_config(connection), "head")
        except CommandError as error:
            raise StoreError(f"the database could not be upgraded: {error}") from error


def current(url: str) -> str:
    """Return the revision of the tables; empty when there are none."""
    with _connected(url) as connection:
        return MigrationContext.configure(connection).get_current_revision() or ""


def is_current(url: str) -> bool:
    """Whether the tables are those that this version knows."""
    return current(url) == ScriptDirectory(str(_SCRIPTS)).get_current_head()


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


@contextmanager
def _connected(url: str, *, for_writing: bool = False) -> Iterator[Connection]:
    engine = make_engine(url, busy_seconds=_BUSY_SECONDS)
    try:
        if for_writing and engine.dialect.name == "sqlite":
            _create_file(engine)
            _begin_by_hand(engine)
        with database("the database cannot be used"), engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def _create_file(engine: Engine) -> None:
    """Create the file with our mode: it will hold addresses and subjects."""
    name = engine.url.database
    if name and name != ":memory:" and not name.startswith("file:"):
        with refusals(f"the database {name} could not be created"):
            os.close(os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE))


def _begin_by_hand(engine: Engine) -> None:
    """Let CREATE TABLE be part of the transaction: Python's sqlite3 would not begin one for it."""

    def leave_to_us(connection: Any, _: object) -> None:
        connection.isolation_level = None

    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    event.listen(engine, "connect", leave_to_us)
    event.listen(engine, "begin", begin)
