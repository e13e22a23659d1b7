# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the databases that know recipients answer, and what in them means nothing or cannot be read."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import Engine

from milterguard.cli.probe import Row, Rows, State
from milterguard.config.lookup import Sql
from milterguard.config.select import RECIPIENT_PLACES, SENDER_PLACES, parsed
from milterguard.config.settings import Settings
from milterguard.core.banned import RuleSet
from milterguard.core.text import printable
from milterguard.errors import ConfigError, StoreError
from milterguard.lookup import amavis, sql_row
from milterguard.lookup.address import parse, sql_keys
from milterguard.lookup.amavis import Unreadable
from milterguard.lookup.backends import Crew
from milterguard.lookup.sql_engine import Answer, ask, make_reader, name_of

_LONGEST_SECONDS = 10.0
_TABLES = ("users", "policy", "mailaddr", "wblist")
_MOST_ROWS = 100_000
_MOST_TOLD = 10
_NO_ADVICE = "correct it there: until then it is left out"


def sql_rows(settings: Settings) -> Rows:
    """Yield what can be said about each database. Never raises."""
    for url in settings.lookup.sql.urls:
        yield from _database_rows(url, settings)


def _database_rows(url: str, settings: Settings) -> Rows:
    name = name_of(url)
    try:
        engine = make_reader(url, timeout_seconds=_LONGEST_SECONDS)
    except ConfigError as error:
        yield Row(name, State.ERROR, str(error), "correct lookup.sql.urls, or install the driver")
        return
    try:
        yield from _asked(_Database(name, engine), settings)
    except StoreError as error:
        yield Row(name, State.ERROR, str(error), "until it answers, mail for recipients who are not known is deferred")
    finally:
        engine.dispose()


class _Database:
    """One database, with its name for the rows. One that hangs holds us no longer than ``_LONGEST_SECONDS``."""

    def __init__(self, name: str, engine: Engine) -> None:
        self.name = name
        self._engine = engine
        self._crew = Crew(name, threads=1)

    def ask(self, statement: str, given: Mapping[str, object] | None = None) -> Answer:
        """Raises StoreError."""
        return self._crew.ask(lambda: ask(self._engine, statement, given or {}), seconds=_LONGEST_SECONDS)


def _asked(database: _Database, settings: Settings) -> Rows:
    sql = settings.lookup.sql
    database.ask("SELECT 1")
    yield Row(database.name, State.OK, "answers")
    if sql.recipient_select:
        yield from _select_rows(database, sql, settings.local.recipient_delimiter)
        return
    missing = [table for table in _TABLES if not _has(database, table)]
    if missing:
        advice = "amavis' README.sql makes them; or set lookup.sql.recipient_select"
        yield Row(database.name, State.ERROR, f"no table {', '.join(missing)} that we may read", advice)
        return
    yield from _table_rows(database, "policy", settings.banned)
    yield from _table_rows(database, "users", settings.banned)
    yield from _list_rows(database)


def _has(database: _Database, table: str) -> bool:
    try:
        database.ask(f"SELECT 1 FROM {table} WHERE 1 = 0")  # noqa: S608  (a name of ours)
    except StoreError:
        return False
    return True


def _table_rows(database: _Database, table: str, sets: Iterable[RuleSet]) -> Rows:
    """Yield a row for each column that holds values for nothing, and for each value that cannot be read."""
    answer = database.ask(f"SELECT * FROM {table} LIMIT {_MOST_ROWS}")  # noqa: S608  (names of ours)
    unused: dict[str, int] = {}
    broken: list[str] = []
    known = {each.name for each in sets}
    for row in answer.rows:
        values = sql_row.named(answer.columns, row)
        for column, value in values.items():
            if column in amavis.IGNORED and str(sql_row.text_of(value)).strip():
                unused[column] = unused.get(column, 0) + 1
            if trouble := _trouble(column, value, known):
                broken.append(f"{table}.id {printable(sql_row.text_of(values.get('id')), 20)}: {trouble}")
    for column, count in unused.items():
        text = f"{table}.{column} is not used, and {count} rows have a value: {amavis.IGNORED[column]}"
        yield Row(database.name, State.WARNING, text, "nothing, if that is meant")
    yield from _broken_rows(database, broken)


def _trouble(column: str, value: Any, known: Iterable[str]) -> str:
    """Return what is wrong with a value; empty when nothing is."""
    try:
        said = tuple(sql_row.settings_of(column, value))
        if column == "local":
            amavis.is_yes(value)
    except Unreadable as error:
        return str(error) if column != "local" else f"local: {error}"
    names = [name for key, names in said if key == "banned_rules" and isinstance(names, tuple) for name in names]
    unknown = [name for name in names if name not in known]
    return f"{column}: no set of rules is called {printable(', '.join(unknown), 80)}" if unknown else ""


def _list_rows(database: _Database) -> Rows:
    """Yield what in wblist is neither a letter nor a number nor blank."""
    broken = [
        f"wblist.wb {printable(sql_row.text_of(wb), 20)!r} means nothing"
        for (wb,) in database.ask("SELECT DISTINCT wb FROM wblist").rows
        if wb is not None and not _is_verdict(sql_row.text_of(wb))
    ]
    yield from _broken_rows(database, broken)


def _is_verdict(text: str) -> bool:
    word = text.strip().upper()
    if not word or word[0] in "WYTBNF":
        return True
    try:
        float(word)
    except ValueError:
        return False
    return True


def _broken_rows(database: _Database, broken: list[str]) -> Rows:
    for each in broken[:_MOST_TOLD]:
        yield Row(database.name, State.WARNING, each, _NO_ADVICE)
    if len(broken) > _MOST_TOLD:
        yield Row(database.name, State.WARNING, f"and {len(broken) - _MOST_TOLD} more such values", _NO_ADVICE)


def _select_rows(database: _Database, sql: Sql, delimiter: str) -> Rows:
    """Yield what is wrong with the operator's own statements, asked about an address that nobody has."""
    address = "postmaster@host.invalid"
    parts = parse(address, delimiter=delimiter)
    of_recipient: dict[str, object] = {
        "k": sql_keys(address, delimiter=delimiter, is_local=True),
        "a": address,
        "l": parts.user,
        "u": parts.user,
        "e": parts.extension,
        "d": parts.domain,
    }
    yield from _unknown_columns(database, sql.recipient_select, of_recipient)
    if sql.local_select:
        database.ask(*parsed(sql.local_select, places=RECIPIENT_PLACES, needed=RECIPIENT_PLACES).filled(of_recipient))
    if sql.sender_select:
        select = parsed(sql.sender_select, places=SENDER_PLACES, needed="k")
        answer = database.ask(*select.filled({"k": of_recipient["k"], "r": (0,)}))
        missing = [name for name in ("rid", "email", "wb") if name not in map(str.lower, answer.columns)]
        if missing:
            text = f"lookup.sql.sender_select has no column {', '.join(missing)}"
            yield Row(database.name, State.ERROR, text, "name the columns rid, email, wb and priority with AS")


def _unknown_columns(database: _Database, text: str, places: dict[str, object]) -> Iterator[Row]:
    select = parsed(text, places=RECIPIENT_PLACES, needed=RECIPIENT_PLACES)
    answer = database.ask(*select.filled(places))
    for column in dict.fromkeys(answer.columns):
        shown = printable(column, 60)
        if not sql_row.is_known(column.lower()):
            said = f"column {shown} of lookup.sql.recipient_select means nothing"
            yield Row(database.name, State.ERROR, said, "use AS to name it as docs/sql.md has it, or leave it out")
        elif column.lower() in amavis.IGNORED:
            said = f"column {shown} is not used: {amavis.IGNORED[column.lower()]}"
            yield Row(database.name, State.WARNING, said, "leave it out")
