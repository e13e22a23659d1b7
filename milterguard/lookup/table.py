# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses and what is said of them: one kind of table for senders and recipients.

The closest key decides, not the order of the entries. An entry that begins with ``!`` is an
exception: for what it matches the table says nothing.

*Source:* amavis' hash tables and ACL lists. *Errors:* none.
"""

from collections.abc import Iterable, Sequence
from typing import Generic, TypeVar

from milterguard.lookup.address import canonical_match

T = TypeVar("T")
_NULL_SENDER = "<>"


class Table(Generic[T]):
    """Entries with their values. Immutable, safe for several threads."""

    def __init__(self, entries: Iterable[tuple[str, T]]) -> None:
        self._entries: dict[str, tuple[str, T] | None] = {}
        for text, value in entries:
            key = text.removeprefix("!")
            self._entries[_canonical(key)] = None if text.startswith("!") else (text, value)

    def __bool__(self) -> bool:
        return bool(self._entries)

    def find(self, keys: Sequence[str]) -> tuple[str, T] | None:
        """Return the entry that says something about an address with these keys, and its value.

        ``keys`` are those of ``match_keys``, the closest first, the address as given in the first place.
        """
        for key in keys:
            if key in self._entries:
                return self._entries[key]
        return None


def _canonical(key: str) -> str:
    return "" if key == _NULL_SENDER else canonical_match(key)
