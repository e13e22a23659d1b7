# SPDX-License-Identifier: GPL-3.0-or-later
"""From ``[[field]]`` to rules: which fields an operator may add, remove or replace, and what he is told otherwise.

*Errors:* ConfigError with file and entry.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from milterguard.config.value import described, one_of, suggestion
from milterguard.core.custom import Action, FieldRule, is_signed
from milterguard.core.envelope import Traffic
from milterguard.core.finding import Category
from milterguard.core.marks import OWN_NAMES
from milterguard.core.text import printable
from milterguard.errors import ConfigError

MOST_RULES = 50
"""In all files together."""
_KEYS = ("action", "name", "value", "category", "traffic", "only_ours", "breaks_signatures")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,75}\Z")
_LONGEST = 500
_OWN = frozenset(name.lower() for name in OWN_NAMES)
_TRACE = frozenset(("received", "return-path", "delivered-to", "dkim-signature", "authentication-results"))
_BODY = frozenset(("from", "mime-version"))
_UNTOUCHED_PREFIXES = ("arc-", "content-", "resent-")


def field_rules(tables: Any, *, file: str) -> tuple[FieldRule, ...]:
    """Return the rules of one file. Raises ConfigError."""
    if not isinstance(tables, list):
        raise ConfigError(file, "field", expected="[[field]], in double brackets", got=described(tables))
    return tuple(_Reader(table, file, f"field[{number}]").rule() for number, table in enumerate(tables, start=1))


def refused(name: str) -> str:
    """Return why nobody may touch fields of that name, whatever he says; empty when he may."""
    folded = name.lower()
    if folded in _OWN:
        return "a field that [headers] and [policy] do not write"
    if folded == "subject":
        return "another name: spam_subject_tag and subject_tag in [policy] are for the Subject"
    if folded in _TRACE or folded in _BODY or folded.startswith(_UNTOUCHED_PREFIXES):
        return "a field without which mail is still mail: neither trace, signatures, From nor MIME fields"
    return ""


class _Reader:
    """Reads one entry."""

    def __init__(self, table: Any, file: str, name: str) -> None:
        self._file, self._name = file, name
        if not isinstance(table, Mapping):
            raise ConfigError(file, name, expected="a table", got=described(table))
        self._table: Mapping[str, Any] = table

    def rule(self) -> FieldRule:
        for key in self._table:
            if key not in _KEYS:
                got = f"an unknown key{suggestion(key, _KEYS)}"
                self._fail(printable(key, 80), expected="one of " + ", ".join(_KEYS), got=got)
        action = Action(self._word("action", list(Action)))
        return FieldRule(
            action,
            self._field_name(),
            self._value(action),
            categories=self._words("category", {each.word: each for each in Category}.get, [c.word for c in Category]),
            traffics=self._words("traffic", Traffic, list(Traffic)),
            only_ours=self._flag("only_ours", default=True),
            origin=f"{self._file}: [[field]] {self._name[6:-1]}",
        )

    def _field_name(self) -> str:
        name = self._text("name", expected="the name of a field, such as X-Filtered")
        if not _NAME.match(name):
            self._fail("name", expected="letters, digits, - and _, at most 76", got=described(name))
        if refusal := refused(name):
            self._fail("name", expected=refusal, got=described(name))
        if is_signed(name) and not self._flag("breaks_signatures", default=False):
            expected = "breaks_signatures = true beside it: signers sign this field, and a change breaks the signature"
            self._fail("name", expected=expected, got=described(name))
        return name

    def _value(self, action: Action) -> str:
        if action is Action.REMOVE:
            if "value" in self._table:
                self._fail("value", expected='none with action = "remove"', got="one")
            return ""
        value = self._text("value", expected="a text")
        if not value.strip() or not value.isprintable() or len(value) > _LONGEST:
            self._fail(
                "value", expected=f"a line of printable text, at most {_LONGEST} characters", got=described(value)
            )
        return value

    def _text(self, key: str, *, expected: str) -> str:
        value = self._table.get(key)
        if not isinstance(value, str):
            self._fail(key, expected=expected, got=described(value) if key in self._table else "none")
        return value

    def _flag(self, key: str, *, default: bool) -> bool:
        value = self._table.get(key, default)
        if not isinstance(value, bool):
            self._fail(key, expected="true or false", got=described(value))
        return value

    def _word(self, key: str, known: Sequence[str]) -> str:
        value = self._text(key, expected=one_of(known))
        if value not in known:
            self._fail(key, expected=one_of(known), got=described(value) + suggestion(value, known))
        return value

    def _words(self, key: str, make: Callable[[str], Any], known: Sequence[str]) -> tuple[Any, ...]:
        given = self._table.get(key, [])
        words = [given] if isinstance(given, str) else given
        if not isinstance(words, list) or (key in self._table and not words):
            self._fail(key, expected=f"an array of {one_of(known)}", got=described(given))
        for word in words:
            if word not in known:
                hint = suggestion(word, known) if isinstance(word, str) else ""
                self._fail(key, expected=one_of(known), got=described(word) + hint)
        return tuple(make(word) for word in dict.fromkeys(words))

    def _fail(self, key: str, *, expected: str, got: str) -> NoReturn:
        raise ConfigError(self._file, f"{self._name}.{key}", expected=expected, got=got)
