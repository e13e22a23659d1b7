# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections to a database that is only read, and never for long.

Made after the fork. Every driver gets the time limit as its own, so that a thread which nobody waits
for any more comes back by itself: on the way to the server, within the server, and while it is silent.

*Errors:* ConfigError for an address that can never work. ``ask`` raises StoreError for a server that
is not well and Refused for a question that a server which is well does not answer.
"""

import math
import re
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Engine, TextClause, TextualSelect, column, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError, SQLAlchemyError
from sqlalchemy.pool import QueuePool

from milterguard.config.value import masked
from milterguard.core.text import printable
from milterguard.errors import ConfigError, StoreError
from milterguard.lookup.backends import Refused

_UNASKABLE = re.compile("[\\0\\\\\ud800-\udfff]")
_CONNECTIONS = 4
_POOLED = "prepare_threshold"
"""In the address of a PostgreSQL: there is a pooler."""
_LEAST_CONNECT_SECONDS = 2
"""libpq takes no less."""
_SLOW_MYSQL = frozenset({1205, 1213, 1317, 1969, 3024})
"""Locked, deadlocked, interrupted, over the time limit (MariaDB, MySQL): not the question's fault."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Rows, with the names of their columns; a name may come twice."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


def name_of(url: str) -> str:
    """Return an address as the log may show it."""
    return f"SQL {printable(masked(url).partition('?')[0], 200)}"


def make_reader(url: str, *, timeout_seconds: float) -> Engine:
    """Return an engine that reads. Connects with the first use. Raises ConfigError."""
    try:
        parsed = _read_only(make_url(url))
        is_pooled = _POOLED in parsed.query
        parsed = parsed.difference_update_query([_POOLED])
        engine = create_engine(
            parsed,
            connect_args=_limits(parsed, timeout_seconds, is_pooled=is_pooled),
            isolation_level="AUTOCOMMIT",
            poolclass=QueuePool,
            pool_size=_CONNECTIONS,
            max_overflow=0,
            pool_timeout=timeout_seconds,
            pool_reset_on_return=None,
            hide_parameters=True,
        )
    except NoSuchModuleError as error:
        raise _bad_url("a dialect that SQLAlchemy knows") from error
    except ImportError as error:
        raise _bad_url(f"the driver to be installed (Python module {error.name})") from error
    except (ArgumentError, ValueError, TypeError) as error:
        raise _bad_url("SQLAlchemy URLs") from error
    event.listen(engine, "connect", _set_up(parsed, timeout_seconds))
    return engine


def ask(engine: Engine, statement: str, parameters: Mapping[str, object], *, columns: tuple[str, ...] = ()) -> Answer:
    """Return all rows. Who knows which ``columns`` there will be is answered sooner. Raises StoreError, Refused."""
    clause = _text(statement, len(columns))
    try:
        return _ask(engine, clause, parameters, columns=columns)
    except DBAPIError as error:
        if not _is_outdated(error):
            raise _trouble(error) from error
        engine.dispose()
    except (SQLAlchemyError, UnicodeError, OverflowError) as error:
        raise _trouble(error) from error
    try:
        return _ask(engine, clause, parameters, columns=columns)
    except (SQLAlchemyError, UnicodeError, OverflowError) as error:
        raise _trouble(error) from error


def is_askable(key: str) -> bool:
    """Whether every database takes this text.

    NUL and surrogates are in no database, and where amavis has addresses in BYTEA a backslash is an escape.
    """
    return not _UNASKABLE.search(key)


@lru_cache(256)
def _text(statement: str, columns: int) -> TextClause | TextualSelect:
    """Return a statement taken apart, there are few different ones; how many columns it has if that is known."""
    if not columns:
        return text(statement)
    return text(statement).columns(*(column(f"c{number}") for number in range(columns)))


def _ask(
    engine: Engine, clause: TextClause | TextualSelect, parameters: Mapping[str, object], *, columns: tuple[str, ...]
) -> Answer:
    pool = engine.pool
    try:
        with engine.connect() as connection:
            result = connection.execute(clause, parameters)
            return Answer(columns or tuple(result.keys()), tuple(tuple(row) for row in result))
    finally:
        if engine.pool is not pool:  # disposed of while we waited: what was given back since is closed by nobody else
            pool.dispose()


def _is_outdated(error: DBAPIError) -> bool:
    """Whether only the connection was old: of before the server was started anew, or a table was changed."""
    is_changed = "cached plan must not change result type" in str(error.orig)
    return is_changed or (error.connection_invalidated and error.statement is not None)


def _trouble(error: Exception) -> StoreError:
    reason = printable(" ".join(str(getattr(error, "orig", None) or error).split()), 200)
    return Refused(reason) if _is_refusal(error) else StoreError(reason)


def _is_refusal(error: Exception) -> bool:
    """Whether the server is well: it answered, and what it answered is not that it has no time."""
    if not isinstance(error, SQLAlchemyError):
        return True
    if not isinstance(error, DBAPIError) or error.connection_invalidated or error.statement is None:
        return False
    if not isinstance(error, OperationalError):
        return True
    if getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR:
        return True  # no such table, no such column
    # PyMySQL calls nearly everything an operational error, what strangers can bring about as well.
    number = error.orig.args[0] if error.orig is not None and error.orig.args else None
    return isinstance(number, int) and 1000 <= number < 2000 and number not in _SLOW_MYSQL


def _read_only(url: URL) -> URL:
    """Return the address of a file with words for *there, or not at all*: SQLite would make what is missing."""
    if url.get_backend_name() != "sqlite" or "uri" in url.query:
        return url
    return url.set(database=f"file:{quote(url.database or '')}", query={**url.query, "mode": "rw", "uri": "true"})


def _limits(url: URL, seconds: float, *, is_pooled: bool) -> dict[str, Any]:
    """Return what a driver is told when it connects. The URL may say otherwise.

    A pooler that hands out other connections takes no options, and no statement stays prepared behind it.
    """
    milliseconds = max(1, int(seconds * 1000))
    if url.get_backend_name() == "sqlite":
        return {"timeout": seconds, "check_same_thread": False}
    if url.get_backend_name() == "postgresql":
        given: dict[str, Any] = {
            "connect_timeout": max(_LEAST_CONNECT_SECONDS, math.ceil(seconds)),
            "tcp_user_timeout": milliseconds,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 2,
            "client_encoding": "utf8",
            "application_name": "milterguard",
            "options": f"-c default_transaction_read_only=on -c statement_timeout={milliseconds}"
            " -c plan_cache_mode=force_generic_plan",
            # Planning takes longer than everything else.
            "prepare_threshold": 1,
        }
        if is_pooled:
            given |= {"options": "", "prepare_threshold": None}
        return {key: value for key, value in given.items() if key not in url.query}
    times = dict.fromkeys(("connect_timeout", "read_timeout", "write_timeout"), max(seconds, 1.0))
    return {key: value for key, value in times.items() if key not in url.query}


def _set_up(url: URL, seconds: float) -> Any:
    """Return what is done to a new connection."""
    statements = {
        "sqlite": ["PRAGMA query_only=ON"],
        "mysql": [
            "SET SESSION TRANSACTION READ ONLY",
            f"SET /*M!100101 max_statement_time={seconds:.3f}, */ @milterguard=1",
        ],
    }.get("mysql" if url.get_backend_name() in ("mysql", "mariadb") else url.get_backend_name(), [])

    def set_up(connection: Any, _: object) -> None:
        cursor = connection.cursor()
        for statement in statements:
            cursor.execute(statement)
        cursor.close()

    return set_up


def _bad_url(expected: str) -> ConfigError:
    # The URL may hold a password, so it is not repeated.
    return ConfigError("[lookup.sql]", "urls", expected=expected, got="something else")
