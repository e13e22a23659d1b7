# SPDX-License-Identifier: GPL-3.0-or-later
"""Which entries of ``[[recipient]]`` match an address, the closest first.

Entries of plain keys only, and there may be thousands, are found by their keys all at once. Those with files,
expressions or exceptions have a table each: an entry says nothing to whom its own exceptions name.

Of two entries with the same key the later is closer, of two with an expression the earlier. *Errors:* none.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from milterguard.config.list_file import ListKind
from milterguard.config.pattern import address_expression, file_named, split_exception
from milterguard.config.settings import RecipientRule
from milterguard.lookup.address import canonical_match
from milterguard.lookup.layer import Layer
from milterguard.lookup.live_file import LiveFiles
from milterguard.lookup.table import CATCH_ALL, EXACT, EXPRESSION, Rank, Table

_MAX_REMEMBERED = 4096
_Place = tuple[int, int, int]


class Recipients:
    """The entries of one configuration. Safe to use from several threads."""

    def __init__(self, rules: Iterable[RecipientRule], files: LiveFiles) -> None:
        numbered = tuple(enumerate(rules))
        self._plain = _by_key((number, rule) for number, rule in numbered if _is_plain(rule))
        self._tables = {
            number: Table(((text, None) for text in rule.match), files=files, kind=ListKind.RECIPIENTS)
            for number, rule in numbered
            if not _is_plain(rule)
        }
        self._rules = dict(numbered)
        # The same layer for the same entry: composed policies are remembered by their layers.
        self._layer = lru_cache(_MAX_REMEMBERED)(self._made)

    def __bool__(self) -> bool:
        return bool(self._plain or self._tables)

    def layers(self, keys: Sequence[str]) -> list[Layer]:
        """Return what the entries say that match an address with these keys, the closest first. Never raises."""
        found = [(_place_of_key(rank, len(keys), number), layer) for rank, number, layer in self._with_keys(keys)]
        for number, table in self._tables.items():
            if (hit := table.match(keys)) is not None:
                found.append((_place_of(hit.rank, number), self._layer(number, hit.entry)))
        return [layer for _, layer in sorted(found, key=lambda each: each[0])]

    def _made(self, number: int, entry: str) -> Layer:
        rule = self._rules[number]
        return Layer(rule.settings, f"{entry}, {rule.origin}")

    def _with_keys(self, keys: Sequence[str]) -> Iterable[tuple[int, int, Layer]]:
        return ((place, number, layer) for place, key in enumerate(keys) for number, layer in self._plain.get(key, ()))


def _place_of_key(place: int, keys: int, number: int) -> _Place:
    return (EXACT if place < keys - 1 else CATCH_ALL, place, -number)


def _place_of(rank: Rank, number: int) -> _Place:
    kind, place = rank
    return (kind, number, place) if kind == EXPRESSION else (kind, place, -number)


def _is_plain(rule: RecipientRule) -> bool:
    """Whether an entry is of keys only."""
    entries = [split_exception(text) for text in rule.match]
    return not any(
        is_exception or file_named(plain) is not None or address_expression(plain) is not None
        for plain, is_exception in entries
    )


def _by_key(rules: Iterable[tuple[int, RecipientRule]]) -> Mapping[str, tuple[tuple[int, Layer], ...]]:
    """Return what is said about each key, by the entries that say it."""
    found: dict[str, tuple[tuple[int, Layer], ...]] = {}
    for number, rule in rules:
        for text in rule.match:
            key = canonical_match(split_exception(text)[0])
            found[key] = (*found.get(key, ()), (number, Layer(rule.settings, f"{key}, {rule.origin}")))
    return found
