# SPDX-License-Identifier: GPL-3.0-or-later
"""One record per message in amavis' tables, and the evidence that explains it beside them.

Many records go into one transaction. Writing a record twice changes nothing, so a writer that does
not know how its transaction ended may simply write again.

*Errors:* StoreError; NotFoundError when nothing is known about an id; ConfigError for a useless address.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table, func, select
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.sql.dml import Insert

from milterguard.core.report import Record
from milterguard.core.text import printable, storable
from milterguard.errors import NotFoundError, StoreError
from milterguard.store.engine import BUSY_SECONDS, database, make_engine
from milterguard.store.rows import ID_LENGTH, PARTITION, addresses_of, evidence_row, message_row, recipient_rows
from milterguard.store.schema import evidence, maddr, msgrcpt, msgs

_LOOKUP_SIZE = 500
_CHUNK_DOCUMENTS = 500


class Journal:
    """The records of answered messages. Make it in the process that uses it, after fork."""

    def __init__(self, url: str, *, busy_seconds: float = BUSY_SECONDS, is_read_only: bool = False) -> None:
        """Raises ConfigError for an address that can never work; connects with the first use.

        ``busy_seconds`` is how long SQLite waits for somebody else's lock.
        """
        self._engine = make_engine(url, busy_seconds=busy_seconds, is_read_only=is_read_only)

    def write(self, records: Sequence[Record]) -> None:
        """Write records in one transaction: all of them, or none and StoreError."""
        if not records:
            return
        with database("the journal cannot be written"), self._engine.begin() as connection:
            ids = _address_ids(connection, {address for record in records for address in addresses_of(record)})
            _insert_new(connection, msgs, [message_row(record, ids) for record in records])
            _insert_new(connection, msgrcpt, [row for record in records for row in recipient_rows(record, ids)])
            _insert_new(connection, evidence, [evidence_row(record) for record in records])

    def evidence(self, mail_id: str) -> dict[str, Any]:
        """Return everything known about a message. Raises NotFoundError."""
        document = self._document(mail_id) if storable(mail_id, ID_LENGTH) == mail_id else None
        if document is None:
            raise NotFoundError(f"the journal knows nothing about {printable(mail_id, 40)}")
        return _loaded(document)

    def _document(self, mail_id: str) -> str | None:
        query = select(evidence.c.document).where(evidence.c.partition_tag == PARTITION, evidence.c.mail_id == mail_id)
        with database("the journal cannot be read"), self._engine.connect() as connection:
            return connection.execute(query).scalar_one_or_none()

    def recent(self, *, limit: int = 100, since: float = 0.0) -> list[dict[str, Any]]:
        """Return what is known about the last messages, newest first; ``since`` in seconds since the epoch."""
        query = (
            select(evidence.c.document)
            .where(evidence.c.time_num >= int(since))
            .order_by(evidence.c.time_num.desc(), evidence.c.mail_id)
            .limit(limit)
        )
        with database("the journal cannot be read"), self._engine.connect() as connection:
            return [_loaded(document) for document in connection.execute(query).scalars()]

    def documents(self, *, since: float = 0.0, until: float | None = None, limit: int | None = None) -> Iterator[str]:
        """Yield the evidence of messages as JSON, newest first, without holding all of it in memory."""
        query = select(evidence.c.document).where(evidence.c.time_num >= int(since))
        if until is not None:
            query = query.where(evidence.c.time_num < int(until))
        query = query.order_by(evidence.c.time_num.desc(), evidence.c.mail_id).limit(limit)
        with database("the journal cannot be read"), self._engine.connect() as connection:
            yield from connection.execution_options(yield_per=_CHUNK_DOCUMENTS).execute(query).scalars()

    def count(self, *, since: float = 0.0, until: float | None = None) -> int:
        """Return of how many messages there is evidence."""
        query = select(func.count()).select_from(evidence).where(evidence.c.time_num >= int(since))
        if until is not None:
            query = query.where(evidence.c.time_num < int(until))
        with database("the journal cannot be read"), self._engine.connect() as connection:
            return int(connection.execute(query).scalar_one())

    def close(self) -> None:
        """Give back the connections."""
        self._engine.dispose()


def _loaded(document: str) -> dict[str, Any]:
    try:
        loaded = json.loads(document)
    except ValueError as error:
        raise StoreError("a record of the journal is damaged") from error
    return dict(loaded)


def _address_ids(connection: Connection, addresses: Iterable[tuple[str, str]]) -> dict[str, int]:
    """Return the numbers of addresses, given with their domains, adding those that are new."""
    # In one order for all writers, so that they do not wait for each other in a circle.
    wanted = dict(sorted(addresses))
    known = _known_ids(connection, list(wanted))
    missing = [
        {"partition_tag": PARTITION, "email": email, "domain": domain}
        for email, domain in wanted.items()
        if email not in known
    ]
    if missing:
        _insert_new(connection, maddr, missing)
        known |= _known_ids(connection, [str(row["email"]) for row in missing])
    return known


def _known_ids(connection: Connection, emails: Sequence[str]) -> dict[str, int]:
    known: dict[str, int] = {}
    for start in range(0, len(emails), _LOOKUP_SIZE):
        query = select(maddr.c.email, maddr.c.id).where(
            maddr.c.partition_tag == PARTITION, maddr.c.email.in_(emails[start : start + _LOOKUP_SIZE])
        )
        known.update((row.email, row.id) for row in connection.execute(query))
    return known


def _insert_new(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert those rows whose key is not there yet."""
    if rows:
        connection.execute(_insert(connection.dialect.name, table), list(rows))


def _insert(dialect: str, table: Table) -> Insert:
    """Return the dialect's words for *insert, or do nothing if it is there*."""
    if dialect == "postgresql":
        return postgresql.insert(table).on_conflict_do_nothing()
    if dialect in {"mysql", "mariadb"}:
        return mysql.insert(table).prefix_with("IGNORE")
    return sqlite.insert(table).on_conflict_do_nothing()
