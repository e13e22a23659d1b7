# SPDX-License-Identifier: GPL-3.0-or-later
"""amavis' tables in a database of a test, and who stands in them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import create_engine, event, insert, select, text

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
        engine = create_engine(self.url)
        with engine.begin() as connection:
            for statement in statements:
                connection.execute(text(statement), parameters)
        engine.dispose()

    def add(self, table: str, *rows: Mapping[str, Any]) -> None:
        engine = create_engine(self.url)
        with engine.begin() as connection:
            for row in rows:
                connection.execute(insert(schema.metadata.tables[table]), [dict(row)])
        engine.dispose()

    def user(self, email: str, *, priority: int = 7, local: str | None = None, **policy: Any) -> int:
        """Add a user with a policy of his own; return his id, which is his policy's too."""
        number = self._count("users") + 1
        self.add("policy", {"id": number, "policy_name": f"policy {number}", **policy})
        self.add("users", {"id": number, "policy_id": number, "email": email, "priority": priority, "local": local})
        return number

    def lists(self, rid: int, **said: str) -> None:
        """Add senders to a user's list, ``NAME="W"`` for the address NAME with ``_at_`` for the sign."""
        for number, (name, wb) in enumerate(said.items(), self._count("mailaddr") + 1):
            self.sender(rid, name.replace("_at_", "@").replace("_dot_", "."), wb, number=number)

    def sender(self, rid: int, email: str, wb: str, *, priority: int = 7, number: int = 0) -> None:
        number = number or self._count("mailaddr") + 1
        self.add("mailaddr", {"id": number, "email": email, "priority": priority})
        self.add("wblist", {"rid": rid, "sid": number, "wb": wb})

    def _count(self, table: str) -> int:
        engine = create_engine(self.url)
        with engine.connect() as connection:
            count = len(connection.execute(select(schema.metadata.tables[table])).all())
        engine.dispose()
        return count

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


def amavis_database(url: str) -> Database:
    """Return a database with amavis' tables, empty."""
    upgrade(url)
    return Database(url)
