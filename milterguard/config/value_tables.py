# SPDX-License-Identifier: GPL-3.0-or-later
"""From ``[[table]]`` to tables of values: what an operator may write, and what he is told about a slip.

*Errors:* ConfigError with file, the entry's number and its key.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from milterguard.config.list_entry import check_entry
from milterguard.config.list_file import ListKind
from milterguard.config.pattern import check_recipient, searching
from milterguard.config.schema import Entry, entries, recipient_entries
from milterguard.config.value import Mismatch, convert, described, suggestion
from milterguard.core.by_category import ByCategory
from milterguard.core.text import printable
from milterguard.core.value_table import UNDEFINED, TableKind, Template, ValueTable
from milterguard.errors import ConfigError

_KINDS = ", ".join(TableKind)
_REFERENCE = re.compile(r"\$(?:(\$)|([1-9])|\{([1-9][0-9]?)\})")
_SAMPLE = "x"
"""Stands for every group while a value is checked."""
Row = tuple[str, object]


def value_tables(value: Any, *, file: str) -> tuple[ValueTable, ...]:
    """Return the tables that one file has; raises ConfigError."""
    if not isinstance(value, list) or not all(isinstance(each, Mapping) for each in value):
        raise ConfigError(file, "table", expected="[[table]], in double brackets", got=described(value))
    return tuple(_table(table, file=file, number=number) for number, table in enumerate(value, start=1))


def filled(raw: object, group: Callable[[int], str]) -> Any:
    """Return a value as TOML had it with ``$1`` … replaced in its texts, ``$$`` by a dollar; names of keys stay.

    *Source:* amavis, lists of expressions.
    """
    if isinstance(raw, str):
        return _REFERENCE.sub(lambda found: "$" if found[1] else group(int(found[2] or found[3])), raw)
    if isinstance(raw, Mapping):
        return {key: filled(each, group) for key, each in raw.items()}
    return raw


def references(raw: object) -> Iterator[int]:
    """Yield the groups that a value as TOML had it asks for; 0 for ``$$``."""
    if isinstance(raw, str):
        yield from (int(found[2] or found[3] or 0) for found in _REFERENCE.finditer(raw))
    elif isinstance(raw, Mapping):
        for each in raw.values():
            yield from references(each)


def _table(table: Mapping[str, Any], *, file: str, number: int) -> ValueTable:
    name = f"table[{number}]"
    entry = _setting(table, file=file, name=name)
    kinds = [key for key in table if key != "setting"]
    unknown = [key for key in kinds if key not in list(TableKind)]
    if unknown:
        got = f"an unknown key{suggestion(unknown[0], ['setting', *TableKind])}"
        raise ConfigError(file, f"{name}.{printable(unknown[0], 80)}", expected=f"setting, or one of {_KINDS}", got=got)
    if len(kinds) != 1:
        raise ConfigError(file, name, expected=f"one of {_KINDS}", got=" and ".join(kinds) or "none")
    kind = TableKind(kinds[0])
    try:
        rows = tuple(_READERS[kind](entry, table[kind]))
    except Mismatch as mismatch:
        key = f"{name}.{kind}" + (f".{mismatch.inner}" if mismatch.inner else "")
        raise ConfigError(file, key, expected=mismatch.expected, got=mismatch.got) from None
    return ValueTable(entry.key, kind, rows, f"{file}: [[table]] {number}")


def _setting(table: Mapping[str, Any], *, file: str, name: str) -> Entry:
    setting = table.get("setting")
    entry = recipient_entries().get(setting) if isinstance(setting, str) else None
    if entry is None:
        got = described(setting) if "setting" in table else "none"
        if isinstance(setting, str):
            got += " for [policy]" if f"policy.{setting}" in entries() else suggestion(setting, recipient_entries())
        raise ConfigError(file, f"{name}.setting", expected="a policy key that holds for one recipient", got=got)
    return entry


def _value(entry: Entry, raw: Any, *, inner: str = "") -> object:
    """Return a value as its setting's type; ``{}`` says nothing. Raises Mismatch."""
    try:
        return UNDEFINED if raw == {} else convert(entry, raw)
    except Mismatch as mismatch:
        where = f"{inner}.{mismatch.inner}" if inner and mismatch.inner else inner or mismatch.inner
        raise Mismatch(mismatch.expected, mismatch.got, inner=where) from None


def _hash(entry: Entry, value: Any) -> Iterator[Row]:
    if not isinstance(value, Mapping) or not value:
        raise Mismatch('a table such as { "user@example.com" = … }', described(value))
    for key, raw in value.items():
        shown = printable(key, 80)
        try:
            check_recipient(key)
        except Mismatch as mismatch:
            raise Mismatch(mismatch.expected, mismatch.got, inner=shown) from None
        yield key, _value(entry, raw, inner=shown)


def _list(entry: Entry, value: Any) -> Iterator[Row]:
    if entry.kind is not bool:
        raise Mismatch("hash, regexp, file or constant: a list says true or false", f"{entry.key}, which is neither")
    if not isinstance(value, list) or not value or not all(isinstance(each, str) for each in value):
        raise Mismatch("an array of recipients", described(value))
    for each in value:
        check_entry(ListKind.ORDERED, each)
        yield each, True


def _regexp(entry: Entry, value: Any) -> Iterator[Row]:
    if not isinstance(value, list) or not value:
        raise Mismatch("an array of [expression, value]", described(value))
    for number, pair in enumerate(value, start=1):
        if not isinstance(pair, list) or len(pair) != 2 or not isinstance(pair[0], str) or not pair[0]:
            raise Mismatch("[expression, value]", described(pair), inner=str(number))
        yield pair[0], _expressed(entry, pair[0], pair[1], number=number)


def _expressed(entry: Entry, pattern: str, raw: Any, *, number: int) -> object:
    """Return what an expression says: a value, or a template for one. Raises Mismatch."""
    try:
        groups = searching(pattern).groups
    except Mismatch as mismatch:
        raise Mismatch(mismatch.expected, mismatch.got, inner=str(number)) from None
    asked = tuple(references(raw)) if entry.kind in (str, ByCategory) else ()
    if asked and max(asked) > groups:
        raise Mismatch(f"one of {groups} groups in ( )", f"${max(asked)}", inner=str(number))
    value = _value(entry, filled(raw, lambda _: _SAMPLE) if asked else raw, inner=str(number))
    return Template(raw) if asked else value


def _file(entry: Entry, value: Any) -> Iterator[Row]:
    del entry
    if not isinstance(value, str) or not value.startswith("/") or not value.isprintable():
        raise Mismatch("an absolute path", described(value))
    yield value, True


def _constant(entry: Entry, value: Any) -> Iterator[Row]:
    yield "", _value(entry, value)


_READERS: Mapping[TableKind, Callable[[Entry, Any], Iterator[Row]]] = {
    TableKind.HASH: _hash,
    TableKind.LIST: _list,
    TableKind.REGEXP: _regexp,
    TableKind.FILE: _file,
    TableKind.CONSTANT: _constant,
}
