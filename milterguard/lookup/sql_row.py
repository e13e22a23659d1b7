# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of a database as layers: amavis' columns and our own keys become settings, the closest row first.

A value that cannot be read is told in the log, once, and left out; nothing else of its row is lost.

*Source:* amavis: rows by ``priority`` DESC; the first with a non-NULL value for a column wins; column
``local``, and where it is NULL every key but the catch-all says that the recipient is ours.
*Errors:* none.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from typing import Any

from milterguard.config.schema import recipient_entries
from milterguard.config.value import Mismatch, convert, from_text
from milterguard.core.text import printable
from milterguard.lookup import amavis
from milterguard.lookup.amavis import Unreadable
from milterguard.lookup.layer import Layer

log = logging.getLogger(__name__)

CATCH_ALL = "@."
META = frozenset({"id", "email", "priority", "local", "policy_id", "policy_name", "fullname"})
"""Columns that say something about their row, or nothing to us."""
_MOST_TOLD = 1000


@dataclass(frozen=True, slots=True)
class Row:
    """One row that says something about a recipient."""

    where: str
    """For people: ``users.id 7 (@example.com), policy.id 3 "name"``."""
    values: Mapping[str, Any]
    """By column, without NULLs."""
    places: Mapping[str, str] = field(default_factory=dict)
    """Where a column stands, if not at ``where``: ``policy.id 3``."""
    email: str = ""
    """The key that matched; empty when it is not known, or of the null recipient."""
    priority: float = 0.0
    rid: int | None = None


class Reader:
    """Makes layers of rows, and remembers what it complained about. Safe for several threads."""

    def __init__(self) -> None:
        self._told: set[tuple[str, str]] = set()
        # Most recipients share their rows: the same layer lets a composed policy be found again.
        self._layer = lru_cache(4096)(Layer)

    def layers(self, rows: Iterable[Row], keys: Sequence[str]) -> tuple[Layer, ...]:
        """Return rows as layers, the highest priority first, of two alike the one with the closer key."""
        places = {key: place for place, key in reversed(list(enumerate(keys)))}
        last = len(places)
        ordered = sorted(rows, key=lambda row: (-row.priority, places.get(row.email.lower(), last)))
        return tuple(self._of(row) for row in ordered)

    def _of(self, row: Row) -> Layer:
        settings = tuple(
            pair for column, value in row.values.items() for pair in self._read(row, column, value, settings_of)
        )
        said = self._read(row, "local", row.values["local"], _flag) if "local" in row.values else ()
        is_local = next(iter(said), None)
        if is_local is None and row.email:
            is_local = None if row.email == CATCH_ALL else True
        return self._layer(settings, f"SQL {row.where}", is_local, False, row.rid)

    def _read(self, row: Row, column: str, value: Any, read: Callable[[str, Any], Iterable[Any]]) -> tuple[Any, ...]:
        try:
            return tuple(read(column, value))
        except Unreadable as error:
            self.complain(row.places.get(column, row.where), str(error))
            return ()

    def complain(self, where: str, what: str) -> None:
        """Tell the log that something is left out, the same thing once."""
        if (where, what) in self._told:
            return
        if len(self._told) >= _MOST_TOLD:
            self._told.clear()
        self._told.add((where, what))
        log.warning("SQL %s: %s; left out", where, what)


def settings_of(column: str, value: Any) -> Iterator[tuple[str, object]]:
    """Yield policy keys and values for what one column says. Raises Unreadable."""
    if column in amavis.COLUMNS:
        yield from amavis.settings_of({column: value})
    elif column in recipient_entries():
        yield column, _ours(column, value)


def is_known(column: str) -> bool:
    """Whether a column means something, or is known to mean nothing."""
    known = (META, amavis.COLUMNS, amavis.IGNORED, recipient_entries())
    return any(column in names for names in known)


def is_used(column: str) -> bool:
    """Whether something is made of a column."""
    return column in ("local", "policy_name") or column in amavis.COLUMNS or column in recipient_entries()


def text_of(value: Any) -> str:
    """Return text, also where a database keeps it as octets."""
    return bytes(value).decode("utf-8", "replace") if isinstance(value, bytes | bytearray | memoryview) else str(value)


def number_of(value: Any) -> int | None:
    """Return an id; None for what is none."""
    try:
        return int(text_of(value))
    except ValueError:
        return None


def named(columns: Sequence[str], row: Sequence[Any]) -> dict[str, Any]:
    """Return what a row says by column, without NULLs; of two columns with one name the later one."""
    return {name.lower(): value for name, value in zip(columns, row, strict=True) if value is not None}


def described(email: str) -> str:
    """Return a key as it is shown."""
    return printable(email, 320) or "the null address"


def _flag(column: str, value: Any) -> Iterator[bool | None]:
    try:
        yield amavis.is_yes(value)
    except Unreadable as error:
        raise Unreadable(f"{column}: {error}") from None


def _ours(key: str, value: Any) -> object:
    """Return the value of one of our own keys, written as in the environment. Raises Unreadable."""
    entry = recipient_entries()[key]
    if entry.kind is bool:
        return next(_flag(key, value))
    given = float(value) if isinstance(value, Decimal) else value
    if isinstance(value, bytes | bytearray | memoryview | str):
        given = from_text(entry, text_of(value))
    try:
        return convert(entry, given)
    except Mismatch as mismatch:
        raise Unreadable(f"{key}: expected {mismatch.expected}, found {mismatch.got}") from None
