# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``[[table]]`` says about a recipient: tables of values for one setting each, asked in the order of the files.

Of a hash, or a file of keys with values, the closest key decides as in ``table.py``; of a list the first entry that
matches, of expressions the first that is found in the address as it came. What has no value there is asked of the next
table of that setting, and of a hash no more general key is.

Texts with ``$1`` in them are made from a stranger's address: what comes out has to be a value that the settings would
take, or the table says nothing.

*Source:* amavis ``@*_maps``: hashes, ACL lists, lists of expressions, constants. *Errors:* none, whatever the address.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Protocol

from milterguard.config.expression import Expression
from milterguard.config.list_file import Line, ListFile, ListKind
from milterguard.config.pattern import FILE, address_expression, file_named, searching, split_exception
from milterguard.config.schema import recipient_entries
from milterguard.config.value import Mismatch, convert
from milterguard.config.value_tables import filled
from milterguard.core.value_table import UNDEFINED, TableKind, Template, ValueTable
from milterguard.lookup.address import canonical_match
from milterguard.lookup.layer import Layer
from milterguard.lookup.live_file import LiveFile, LiveFiles
from milterguard.lookup.table import Table

_MAX_REMEMBERED = 4096
_LONGEST_ADDRESS = 320
"""Characters of an address that is put into a value (RFC 5321 section 4.5.3.1 has 64 and 255 octets, and the ``@``)."""
Answer = tuple[str, object]
"""The key that matched, for people, and the value; ``UNDEFINED`` when it has none."""


class _Asked(Protocol):
    def find(self, keys: Sequence[str], /) -> Answer | None:
        """Return what is said about the address with these keys."""
        ...


class ValueTables:
    """The tables of one configuration. Safe to use from several threads."""

    def __init__(self, tables: Iterable[ValueTable], files: LiveFiles) -> None:
        self._tables = tuple((table, _FORMS[table.kind](table, files)) for table in tables)
        # The same layer for the same answer: composed policies are remembered by their layers.
        self._layer = lru_cache(_MAX_REMEMBERED)(self._made)

    def __bool__(self) -> bool:
        return bool(self._tables)

    def layers(self, keys: Sequence[str]) -> tuple[Layer, ...]:
        """Return what the tables say about an address with these keys, those asked first in front. Never raises."""
        answers = ((number, form.find(keys)) for number, (_, form) in enumerate(self._tables))
        return tuple(self._layer(number, answer) for number, answer in answers if answer and answer[1] is not UNDEFINED)

    def _made(self, number: int, answer: Answer) -> Layer:
        table = self._tables[number][0]
        key, value = answer
        return Layer(((table.setting, value),), f"{key}, {table.origin}" if key else table.origin)


def _hash(table: ValueTable, files: LiveFiles) -> _Asked:
    return Table(table.rows, files=files)


def _file(table: ValueTable, files: LiveFiles) -> _Asked:
    named = [(FILE + path, value) for path, value in table.rows]
    return Table(named, files=files, kind=ListKind.VALUES, setting=table.setting)


class _Constant:
    def __init__(self, table: ValueTable, files: LiveFiles) -> None:
        del files
        self._answer = table.rows[0]

    def find(self, keys: Sequence[str], /) -> Answer:
        del keys
        return self._answer


class _Expressions:
    def __init__(self, table: ValueTable, files: LiveFiles) -> None:
        del files
        self._rows = tuple((pattern, searching(pattern).search, value) for pattern, value in table.rows)
        self._entry = recipient_entries()[table.setting]

    def find(self, keys: Sequence[str], /) -> Answer | None:
        for pattern, search, value in self._rows:
            groups = search(keys[0])
            if groups is not None:
                return f"/{pattern}/", self._filled(value, groups)
        return None

    def _filled(self, value: object, groups: tuple[str, ...]) -> object:
        if not isinstance(value, Template):
            return value
        if sum(map(len, groups)) > _LONGEST_ADDRESS:
            return UNDEFINED
        try:
            return convert(self._entry, filled(value.raw, groups.__getitem__))
        except Mismatch:
            return UNDEFINED


class _Entries:
    """A part of an ordered list: keys with the first place that each has, and expressions with theirs."""

    def __init__(self, lines: Iterable[Line]) -> None:
        self._exact: dict[str, tuple[int, Answer]] = {}
        self._expressions: list[tuple[int, Expression, Answer]] = []
        for place, (plain, is_exception, _) in enumerate(lines):
            answer = (f"!{plain}" if is_exception else plain, not is_exception)
            expression = address_expression(plain)
            if expression is None:
                self._exact.setdefault(canonical_match(plain), (place, answer))
            else:
                self._expressions.append((place, expression, answer))

    def find(self, keys: Sequence[str], /) -> Answer | None:
        hits = (hit for key in keys if (hit := self._exact.get(key)) is not None)
        place, answer = min(hits, key=lambda hit: hit[0], default=(-1, None))
        for at, expression, said in self._expressions:
            if answer is not None and at > place:
                break
            if expression.search(keys[0]):
                return said
        return answer


class _List:
    """An ordered list: the first entry that matches decides, with ``!`` that it is false."""

    def __init__(self, table: ValueTable, files: LiveFiles) -> None:
        self._parts: list[tuple[_Entries | LiveFile[_Entries], bool]] = []
        lines: list[Line] = []
        for text, _ in table.rows:
            plain, is_exception = split_exception(text)
            path = file_named(plain)
            if path is None:
                lines.append((plain, is_exception, None))
                continue
            self._parts.append((_Entries(lines), False))
            lines = []
            if (file := files.open(path, _ordered, kind=ListKind.ORDERED)) is not None:
                self._parts.append((file, is_exception))
        self._parts.append((_Entries(lines), False))

    def find(self, keys: Sequence[str], /) -> Answer | None:
        for part, is_exception in self._parts:
            if isinstance(part, _Entries):
                found, where = part.find(keys), ""
            else:
                found, where = part.content().find(keys), f" in {part.path}"
            if found is not None:
                return found[0] + where, found[1] is not is_exception
        return None


def _ordered(file: ListFile) -> _Entries:
    return _Entries(file.lines)


_FORMS: Mapping[TableKind, Callable[[ValueTable, LiveFiles], _Asked]] = {
    TableKind.HASH: _hash,
    TableKind.LIST: _List,
    TableKind.REGEXP: _Expressions,
    TableKind.FILE: _file,
    TableKind.CONSTANT: _Constant,
}
