# SPDX-License-Identifier: GPL-3.0-or-later
"""Recipients in a database: amavis' own tables, or whatever a SELECT of the operator finds.

An answer holds for ``fresh_seconds``; when the database is gone, what it said last holds. With a
recipient of amavis' tables come, in the same statement, the entries of his list for the sender of the
message, so that neither costs a second question.

*Source:* amavis ``@lookup_sql_dsn``. *Errors:* StoreError when no database can be asked and none ever
said anything about the recipient; ConfigError for an address that can never work.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from typing import TypeVar

from sqlalchemy import Engine

from milterguard.config.lookup import Sql
from milterguard.config.select import RECIPIENT_PLACES, SENDER_PLACES, Select, parsed
from milterguard.config.settings import Local
from milterguard.lookup import sql_schema
from milterguard.lookup.address import canonical_local_domain, domain_keys, parse, sql_keys
from milterguard.lookup.backends import Backends, Refused
from milterguard.lookup.layer import Layer, SenderEntry
from milterguard.lookup.remembered import Remembered
from milterguard.lookup.sql_engine import ask, is_askable, make_reader, name_of
from milterguard.lookup.sql_row import Reader
from milterguard.lookup.sql_tables import Tables

_MOST_ROWS = 1000
"""Rows about one recipient that are looked at: a SELECT that forgets to ask about him finds all."""
T = TypeVar("T")
_MayAsk = Callable[[str], bool]
_LOCAL = Layer((), "SQL local_select", is_local=True)


@dataclass(frozen=True, slots=True)
class _Recipient:
    """The question about a recipient."""

    address: str
    is_local: bool
    sender: str = field(compare=False)
    """What his lists say of him may be asked in the same breath."""


@dataclass(frozen=True, slots=True)
class _Senders:
    """The question what the lists of these recipients say about these senders."""

    rids: tuple[int, ...]
    senders: tuple[str, ...]


class SqlSource:
    """A database that knows recipients. Make it after the fork; safe for several threads."""

    def __init__(self, sql: Sql, local: Local) -> None:
        """Connects with the first use. Raises ConfigError."""
        self._delimiter = local.recipient_delimiter
        self._domains = frozenset(canonical_local_domain(domain) for domain in local.domains)
        self._recipient_select = _parsed(sql.recipient_select, RECIPIENT_PLACES)
        self._local_select = _parsed(sql.local_select, RECIPIENT_PLACES)
        self._sender_select = _parsed(sql.sender_select, SENDER_PLACES)
        if self._recipient_select is None:
            self._sender_select = sql_schema.SENDERS
        self._reader, self._tables = Reader(), Tables()
        # A message has one sender and several recipients.
        self._sender_keys = lru_cache(64)(self._keys_of_senders)
        self._engines = {name_of(url): make_reader(url, timeout_seconds=sql.timeout_seconds) for url in sql.urls}
        self._backends = Backends(
            self._engines, time_limit_seconds=sql.timeout_seconds, retry_seconds=sql.retry_seconds
        )
        self._recipients: Remembered[_Recipient, tuple[Layer, ...]] = Remembered(
            self._find_recipient, name="SQL recipients", fresh_seconds=sql.fresh_seconds
        )
        self._entries: Remembered[_Senders, tuple[SenderEntry, ...]] = Remembered(
            self._find_entries, name="SQL sender lists", fresh_seconds=sql.fresh_seconds
        )

    def layers(self, address: str, *, sender: str, is_local: bool) -> tuple[Layer, ...]:
        """Return what the database says about a recipient, the closest row first. Raises StoreError."""
        return self._recipients.get(_Recipient(address, is_local, sender))

    def entries(self, rids: Sequence[int], senders: Sequence[str]) -> tuple[SenderEntry, ...]:
        """Return what the lists of these recipients say about these senders. Raises StoreError."""
        if self._sender_select is None or not rids or not senders:
            return ()
        return self._entries.get(_Senders(tuple(sorted(set(rids))), tuple(senders)))

    def close(self) -> None:
        """Give the connections back, but for those that hang."""
        self._backends.close()
        for engine in self._engines.values():
            engine.dispose()

    def _find_recipient(self, asked: _Recipient) -> tuple[Layer, ...]:
        layers, entries = self._backends.ask(
            lambda engine: _in_its_letters(lambda may_ask: self._ask_about(engine, asked, may_ask=may_ask))
        )
        rids = {layer.rid for layer in layers if layer.rid is not None}
        if rids and self._recipient_select is None:
            # As ``entries`` will ask for them.
            self._entries.put(_Senders(tuple(sorted(rids)), (asked.sender,)), entries)
        return layers

    def _ask_about(
        self, engine: Engine, asked: _Recipient, *, may_ask: _MayAsk
    ) -> tuple[tuple[Layer, ...], tuple[SenderEntry, ...]]:
        keys = self._keys(asked.address, is_local=asked.is_local, may_ask=may_ask)
        places = self._places(asked.address, keys, may_ask=may_ask)
        entries: tuple[SenderEntry, ...] = ()
        if self._recipient_select is None:
            of_sender = self._sender_keys((asked.sender,), may_ask)
            rows, found = sql_schema.rows_of(self._tables.ask(engine, {"k": keys, "r": of_sender}))
            entries = _closest_first(found, of_sender)
        else:
            answer = ask(engine, *self._recipient_select.filled(places))
            rows = tuple(islice(sql_schema.custom_rows_of(answer), _MOST_ROWS))
        layers = self._reader.layers(rows, keys)
        is_local = self._local_select is not None and ask(engine, *self._local_select.filled(places)).rows
        return (*layers, _LOCAL) if is_local else layers, entries

    def _find_entries(self, asked: _Senders) -> tuple[SenderEntry, ...]:
        return self._backends.ask(
            lambda engine: _in_its_letters(lambda may_ask: self._ask_about_senders(engine, asked, may_ask=may_ask))
        )

    def _ask_about_senders(self, engine: Engine, asked: _Senders, *, may_ask: _MayAsk) -> tuple[SenderEntry, ...]:
        assert self._sender_select is not None
        keys = self._sender_keys(asked.senders, may_ask)
        answer = ask(engine, *self._sender_select.filled({"k": keys, "r": asked.rids}))
        return _closest_first(sql_schema.custom_entries_of(answer), keys)

    def _keys(self, address: str, *, is_local: bool, may_ask: _MayAsk) -> tuple[str, ...]:
        keys = sql_keys(address, delimiter=self._delimiter, is_local=is_local)
        return tuple(key for key in keys if may_ask(key))

    def _keys_of_senders(self, senders: tuple[str, ...], may_ask: _MayAsk) -> tuple[str, ...]:
        keys = (key for each in senders for key in self._keys(each, is_local=self._is_ours(each), may_ask=may_ask))
        return tuple(dict.fromkeys(keys))

    def _is_ours(self, sender: str) -> bool:
        domain = parse(sender).domain
        return bool(domain) and not self._domains.isdisjoint(domain_keys(domain))

    def _places(self, address: str, keys: Sequence[str], *, may_ask: _MayAsk) -> dict[str, object]:
        """Return what stands for each letter; nothing for a part that may not be asked for."""
        parts = parse(address, delimiter=self._delimiter)
        local = address.rpartition("@")[0] if parts.domain else address
        of_address = {"a": address, "l": local, "u": parts.user, "e": parts.extension, "d": parts.domain}
        return {"k": keys, **{place: text if may_ask(text) else "" for place, text in of_address.items()}}


def _in_its_letters(question: Callable[[_MayAsk], T]) -> T:
    """Return the answer; a server that refuses is asked in ASCII: it may have no letters for an address.

    Then it has no such address either, and what it says about the domain is all there is to be said.
    """
    try:
        return question(is_askable)
    except Refused:
        return question(_is_ascii)


def _is_ascii(text: str) -> bool:
    return text.isascii() and is_askable(text)


def _parsed(text: str, places: str) -> Select | None:
    return parsed(text, places=places, needed="k" if places == SENDER_PLACES else places) if text else None


def _closest_first(entries: Iterable[SenderEntry], keys: Sequence[str]) -> tuple[SenderEntry, ...]:
    """Return entries so that of two with the same priority the one with the closer key comes first."""
    places = {_without_at(key): place for place, key in reversed(list(enumerate(keys)))}
    return tuple(sorted(entries, key=lambda entry: (-entry.priority, places.get(_without_at(entry.key), len(places)))))


def _without_at(key: str) -> str:
    """``user@`` is ``user`` in SQL."""
    return key.lower().removesuffix("@") or key
