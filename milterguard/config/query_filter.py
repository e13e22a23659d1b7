# SPDX-License-Identifier: GPL-3.0-or-later
"""A search filter of LDAP with places for an address, filled in so that no address can change what it says.

A place stands for a value, never for a part of the filter: every octet of a value that could mean
something there is written as its number. A condition with ``%m`` becomes one for each key of the
address, any of which will do.

*Source:* RFC 4515 section 3; amavis' ``query_filter``. *Errors:* ``QueryFilter.parse`` raises ValueError
whose text says what was expected.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_EXAMPLE = "(&(objectClass=amavisAccount)(mail=%m))"
_LETTERS = "malued"
_PLACE = re.compile(r"%(.?)", re.DOTALL)
_ITEM = re.compile(
    r"\((?P<attribute>[A-Za-z0-9][A-Za-z0-9.;-]*)(?::dn)?(?::[A-Za-z0-9.-]+:)?[~<>]?="
    r"(?P<value>(?:[^()\\\x00-\x1f]|\\[0-9A-Fa-f]{2})*)\)"
)
_GROUP = re.compile(r"\([&|]\x00+\)|\(!\x00\)")
_MOST_NESTED = 50
_SAFE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789@.-_+")
_OCTETS = tuple(chr(octet) if octet in _SAFE else f"\\{octet:02x}" for octet in range(256))


@dataclass(frozen=True, slots=True)
class KeyPlace:
    """Where an entry says which keys it stands under."""

    attribute: str
    before: str
    """What a value has before the key: ``smtp:`` of ``(proxyAddresses=smtp:%m)``."""
    behind: str


@dataclass(frozen=True, slots=True)
class QueryFilter:
    """A filter with places."""

    text: str
    key_places: tuple[KeyPlace, ...]

    @classmethod
    def parse(cls, text: str) -> "QueryFilter":
        """Return the filter; raises ValueError saying what was expected."""
        letters = set(_PLACE.findall(text))
        if not letters <= {*_LETTERS, "%"}:
            raise ValueError(f"%m, %a, %l, %u, %e, %d or %% where a per cent sign stands, as in {_EXAMPLE}")
        if not _is_filter(text):
            raise ValueError(f"a search filter such as {_EXAMPLE}")
        if not letters - {"%", "e"}:
            raise ValueError(f"a place for the address, such as %m in {_EXAMPLE}")
        items = [item for item in _ITEM.finditer(text) if "m" in _PLACE.findall(item["value"])]
        return cls(text, tuple(_key_place(item["attribute"], item["value"]) for item in items))

    def filled(self, keys: Sequence[str], places: Mapping[str, str]) -> str:
        """Return the filter for an address with these keys, one at least. ASCII; never raises.

        ``places`` are the values for the letters ``a``, ``l``, ``u``, ``e`` and ``d``.
        """
        values = {letter: escaped(text) for letter, text in places.items()} | {"%": "%"}
        shown = [escaped(key) for key in keys]
        return _ITEM.sub(lambda item: _filled(item[0], shown, values), self.text)

    def for_anybody(self) -> str:
        """Return the filter that finds the entries of every address."""
        return _ITEM.sub(lambda item: _PLACE.sub(lambda place: "%" if place[1] == "%" else "*", item[0]), self.text)


def escaped(value: str) -> str:
    """Return a value as a filter has it: what is not plain stands as the numbers of its octets. Never raises."""
    return "".join([_OCTETS[octet] for octet in value.encode("utf-8", "replace")])


def _filled(item: str, keys: Sequence[str], values: Mapping[str, str]) -> str:
    """Return one condition with its values; with ``%m``, one for each key."""
    if "m" not in _PLACE.findall(item):
        return _PLACE.sub(lambda place: values.get(place[1], ""), item)
    each = [_PLACE.sub(lambda place, key=key: {**values, "m": key}.get(place[1], ""), item) for key in keys]  # type: ignore[misc]
    return f"(|{''.join(each)})"


def _is_filter(text: str) -> bool:
    """Whether a text is one filter: conditions, and groups of them in each other."""
    shape = _ITEM.sub("\0", text) if "\0" not in text else ""
    for _ in range(_MOST_NESTED):
        shape, before = _GROUP.sub("\0", shape), shape
        if shape == before:
            break
    return shape == "\0"


def _key_place(attribute: str, value: str) -> KeyPlace:
    before, _, behind = value.partition("%m")
    return KeyPlace(attribute, before, behind)
