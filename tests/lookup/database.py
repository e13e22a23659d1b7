# SPDX-License-Identifier: GPL-3.0-or-later
"""amavis' tables in a database of a test, and who stands in them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, create_engine, event, insert, select, text

from milterguard.config.lookup import Sql
from milterguard.config.settings import Local
from milterguard.lookup.sql import SqlSource
from milterguard.store import schema
from milterguard.store.migrate import upgrade

LOCAL = Local(domains=("example.com",))


@dataclass(slots=True)
class Database:
    """A database; ids begin with 1 in the order in which rows are added."""

    url: str
    statements: list[str] = field(default_factory=list)
    """What a source that was made here has asked."""

    def execute(self, *statements: str, **parameters: Any) -> None:
        with _connected(self.url) as connection:
            for statement in statements:
                connection.execute(text(statement), parameters)

    def add(self, table: str, *rows: Mapping[str, Any]) -> None:
        with _connected(self.url) as connection:
            for row in rows:
                connection.execute(insert(schema.metadata.tables[table]), [dict(row)])

    def user(self, email: str, *, priority: int = 7, local: str | None = None, **policy: Any) -> int:
        """Add a user with a policy of his own; return his id, which is his policy's too."""
        number = self._count("users") + 1
        self.add("policy", {"id": number, "policy_name": f"policy {number}", **policy})
        self.add("users", {"id": number, "policy_id": number, "email": email, "priority": priority, "local": local})
        return number

    def sender(self, rid: int, email: str, wb: str, *, priority: int = 7) -> None:
        """Add a sender to a user's list."""
        number = self._count("mailaddr") + 1
        self.add("mailaddr", {"id": number, "email": email, "priority": priority})
        self.add("wblist", {"rid": rid, "sid": number, "wb": wb})

    def _count(self, table: str) -> int:
        with _connected(self.url) as connection:
            return len(connection.execute(select(schema.metadata.tables[table])).all())

    @contextmanager
    def source(self, *, local: Local = LOCAL, **settings: Any) -> Iterator[SqlSource]:
        """A source whose statements are counted."""
        source = SqlSource(Sql(**{"urls": (self.url,), **settings}), local)
        for engine in source._engines.values():
            event.listen(engine, "before_cursor_execute", self._note)
        try:
            yield source
        finally:
            source.close()

    def _note(self, connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        self.statements.append(statement)


@contextmanager
def _connected(url: str) -> Iterator[Connection]:
    engine = create_engine(url)
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def amavis_database(url: str) -> Database:
    """Return a database with amavis' tables, empty."""
    upgrade(url)
    return Database(url)
