# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses or domains and what is said of them: one kind of table for senders, recipients, domains.

An address has keys, the closest first (``address.py``). The closest key that some entry has decides, not the order of
the entries: ``user+foo@sub.example.com`` before ``user@sub.example.com``, ``user+foo@``, ``user@``,
``@sub.example.com``, ``@.sub.example.com``, ``@.example.com``, ``@.com``. Then come the expressions in their order,
``/…/``, searched for in the address as it came, whatever its case; and last the catch-all, ``@.`` or ``.``.

An entry ``file:/PATH`` stands for the entries of that file. Of two entries for one key the later holds, but those in
the list hold before those in files, and of files the first that has it.

An entry that begins with ``!`` is an exception: for what it matches the table says nothing, and no more general entry
of it is asked. ``!!`` is none.

*Source:* amavis' hash tables, lists of expressions and ACL lists. *Errors:* none: an entry that cannot be understood,
or names a file that the settings do not, is as if it were not there. Those of the settings were checked when they were
read; others come from a directory.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from milterguard.config.expression import Expression
from milterguard.config.list_file import Line, ListFile, ListKind
from milterguard.config.pattern import address_expression, file_named, split_exception
from milterguard.config.value import Mismatch
from milterguard.core.bank import NULL_SENDER
from milterguard.lookup.address import canonical_local_domain, canonical_match
from milterguard.lookup.live_file import LiveFile, LiveFiles

T = TypeVar("T")
Rank = tuple[int, int]
"""How close an entry is: the lower, the closer."""
EXACT, EXPRESSION, CATCH_ALL = range(3)
"""What stands first in a rank; then comes the place of the key, or that of the expression."""
_NO_FILES = LiveFiles()


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """The entry that decides."""

    entry: str
    """As it stands, with the file that it stands in."""
    value: T
    rank: Rank


@dataclass(frozen=True, slots=True)
class Entries:
    """Entries in the form in which they are compared."""

    exact: Mapping[str, Line]
    expressions: tuple[tuple[Expression, Line], ...]


@dataclass(frozen=True, slots=True)
class _File(Generic[T]):
    """``file:/PATH`` in a list."""

    file: LiveFile[Entries]
    is_exception: bool
    value: T


class Table(Generic[T]):
    """Entries with their values. Immutable but for its files; safe for several threads."""

    def __init__(
        self,
        entries: Iterable[tuple[str, T]],
        *,
        files: LiveFiles = _NO_FILES,
        kind: ListKind = ListKind.SENDERS,
        setting: str = "",
    ) -> None:
        """``setting`` is whose values the lines of a file have, for ``VALUES``."""
        self._has_values = kind is ListKind.VALUES
        self._own: dict[str, Line] = {}
        self._parts: list[tuple[Expression, Line] | _File[T]] = []
        canonical, put = _canonical_of(kind), _FORMS[kind]
        for text, value in entries:
            plain, is_exception = split_exception(text)
            path = file_named(plain)
            if path is not None:
                file = files.open(path, put, kind=kind, setting=setting)
                self._parts += [] if file is None else [_File(file, is_exception, value)]
            elif (expression := _expression(plain)) is not None:
                self._parts.append((expression, (text, is_exception, value)))
            else:
                self._own[canonical(plain)] = (text, is_exception, value)
        self._files = [part for part in self._parts if isinstance(part, _File)]

    def __bool__(self) -> bool:
        return bool(self._own or self._parts)

    def find(self, keys: Sequence[str]) -> tuple[str, T] | None:
        """Return the entry that says something about an address with these keys, and its value."""
        found = self.match(keys)
        return None if found is None else (found.entry, found.value)

    def match(self, keys: Sequence[str]) -> Found[T] | None:
        """Return the entry that decides about an address, with how close it is. Never raises.

        ``keys`` are those of ``match_keys``, the closest first: the address as it came in the first place,
        the catch-all in the last.
        """
        files = [(each, each.file.content()) for each in self._files]
        hits = self._hits(keys, files) if files or self._parts else self._simple(keys)
        line, where, rank = next(hits, (None, "", (0, 0)))
        if line is None or line[1]:
            return None
        return Found(line[0] + where, line[2], rank)

    def _simple(self, keys: Sequence[str]) -> Iterator[tuple[Line, str, Rank]]:
        last = len(keys) - 1
        for place, key in enumerate(keys):
            if (line := self._own.get(key)) is not None:
                yield line, "", (EXACT if place < last else CATCH_ALL, place)

    def _hits(self, keys: Sequence[str], files: Sequence[tuple[_File[T], Entries]]) -> Iterator[tuple[Line, str, Rank]]:
        """Yield entries that match, where they stand and how close they are, the closest first."""
        for place, key in enumerate(keys[:-1]):
            yield from self._with_key(key, files, rank=(EXACT, place))
        yield from self._with_expression(keys[0], files)
        yield from self._with_key(keys[-1], files, rank=(CATCH_ALL, len(keys) - 1))

    def _with_key(
        self, key: str, files: Sequence[tuple[_File[T], Entries]], *, rank: Rank
    ) -> Iterator[tuple[Line, str, Rank]]:
        if (line := self._own.get(key)) is not None:
            yield line, "", rank
        for file, entries in files:
            if (line := entries.exact.get(key)) is not None:
                yield self._of_file(line, file), f" in {file.file.path}", rank

    def _with_expression(
        self, text: str, files: Sequence[tuple[_File[T], Entries]]
    ) -> Iterator[tuple[Line, str, Rank]]:
        contents = iter(files)
        place = 0
        for part in self._parts:
            file, entries = next(contents) if isinstance(part, _File) else (None, Entries({}, (part,)))
            for expression, line in entries.expressions:
                place += 1
                if not expression.search(text):
                    continue
                if file is None:
                    yield line, "", (EXPRESSION, place)
                else:
                    yield self._of_file(line, file), f" in {file.file.path}", (EXPRESSION, place)

    def _of_file(self, line: Line, file: _File[T]) -> Line:
        """Return what a line says in this list: an exception in what is an exception is none."""
        entry, is_exception, value = line
        shown = f"!{entry}" if is_exception else entry
        return shown, is_exception != file.is_exception, value if self._has_values or value is not None else file.value


def _expression(plain: str) -> Expression | None:
    try:
        return address_expression(plain)
    except Mismatch:
        return None


def _canonical(plain: str) -> str:
    return "" if plain == NULL_SENDER else canonical_match(plain)


def _canonical_of(kind: ListKind) -> Callable[[str], str]:
    return canonical_local_domain if kind is ListKind.DOMAINS else _canonical


def _addresses(file: ListFile) -> Entries:
    return _entries(file, _canonical)


def _domains(file: ListFile) -> Entries:
    return _entries(file, canonical_local_domain)


def _entries(file: ListFile, canonical: Callable[[str], str]) -> Entries:
    exact: dict[str, Line] = {}
    expressions: list[tuple[Expression, Line]] = []
    for line in file.lines:
        expression = _expression(line[0]) if line[0].startswith("/") else None
        if expression is None:
            exact[canonical(line[0])] = line
        else:
            expressions.append((expression, line))
    return Entries(exact, tuple(expressions))


_FORMS: Mapping[ListKind, Callable[[ListFile], Any]] = {
    **dict.fromkeys(ListKind, _addresses),
    ListKind.DOMAINS: _domains,
}
