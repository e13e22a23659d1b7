# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections to the database: SQLite as it should be set, others as SQLAlchemy makes them.

An engine must be made in the process that uses it, after fork. Nothing is connected to before the
first use.

*Errors:* ConfigError for an address that can never work; ``database`` turns whatever the driver
raises later into a StoreError.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    IntegrityError,
    NoSuchModuleError,
    SQLAlchemyError,
    StatementError,
)

from milterguard.core.text import printable
from milterguard.errors import ConfigError, StoreError

BUSY_SECONDS = 2.0
_POOL_WAIT_SECONDS = 2.0
_NO_TABLE = re.compile(r"no such table|no such column|doesn't exist|does not exist|UndefinedTable", re.IGNORECASE)
_UPGRADE = "the database has no tables, or old ones: run milterguard db upgrade"


def make_engine(url: str, *, busy_seconds: float = BUSY_SECONDS, is_read_only: bool = False) -> Engine:
    """Return an engine that waits shortly for locks and connections. Raises ConfigError.

    A read-only one leaves a SQLite file as it is, so whoever may read it may use it.
    """
    try:
        parsed = make_url(url)
        is_sqlite = parsed.get_backend_name() == "sqlite"
        arguments: dict[str, Any] = {"timeout": busy_seconds} if is_sqlite else {}
        options = {} if is_sqlite and parsed.database in {None, "", ":memory:"} else _pool_options()
        if not is_sqlite:
            # MariaDB's own level would not show a writer the address that another one has just added.
            options["isolation_level"] = "READ COMMITTED"
        engine = create_engine(parsed, connect_args=arguments, **options)
    except NoSuchModuleError as error:
        raise _bad_url("a dialect that SQLAlchemy knows, such as sqlite or postgresql+psycopg") from error
    except ImportError as error:
        raise _bad_url(f"the driver to be installed (Python module {error.name})") from error
    except (ArgumentError, ValueError, TypeError) as error:
        raise _bad_url("an SQLAlchemy URL such as sqlite:////var/lib/milterguard/milterguard.db") from error
    if is_sqlite:
        event.listen(engine, "connect", _forbid_writing if is_read_only else _set_up_sqlite)
    return engine


def _pool_options() -> dict[str, Any]:
    """An exhausted pool must not block its caller for SQLAlchemy's 30 seconds."""
    return {"pool_timeout": _POOL_WAIT_SECONDS, "pool_pre_ping": True}


def _bad_url(expected: str) -> ConfigError:
    # The URL may hold a password, so it is not repeated.
    return ConfigError("[store]", "url", expected=expected, got="something else")


def _set_up_sqlite(connection: Any, _: object) -> None:
    """Let readers and the writer work side by side; a power cut may cost the last records, never the file."""
    try:
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}").close()
    except Exception:
        connection.close()  # the pool does not know it yet
        raise


def _forbid_writing(connection: Any, _: object) -> None:
    connection.execute("PRAGMA query_only=ON").close()


@contextmanager
def database(what: str) -> Iterator[None]:
    """Turn what a database raises into a StoreError in our words, without the statement's data."""
    try:
        yield
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or type(error).__name__)
        if _NO_TABLE.search(reason):
            raise StoreError(f"{what}: {_UPGRADE}") from error
        hint = " (does its folder exist, and is it ours?)" if "unable to open database file" in reason else ""
        raise StoreError(f"{what}: {printable(reason)}{hint}") from error


def is_refusal(error: BaseException) -> bool:
    """Whether a database refused what it was given, rather than being away, locked or full."""
    cause = error.__cause__
    if isinstance(cause, (DataError, IntegrityError)):
        return True
    return isinstance(cause, StatementError) and not isinstance(cause, DBAPIError)
