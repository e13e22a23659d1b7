# SPDX-License-Identifier: GPL-3.0-or-later
"""From ``[[banned.NAME]]`` to rules: what an operator may write, and what he is told about a slip.

*Errors:* ConfigError with file, the entry's number and its key.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from milterguard.config.expression import Expression
from milterguard.config.pattern import expression
from milterguard.config.value import Mismatch, described, suggestion
from milterguard.core.banned import Action, Rule, RuleSet
from milterguard.core.destiny import Destiny
from milterguard.core.part import Flag
from milterguard.core.text import printable
from milterguard.errors import ConfigError

CONDITIONS = ("type", "extension", "name", "mime", "digest", "flag", "match", "path", "all")
KEYS = ("title", *CONDITIONS, "action", "destiny", "shadow")
_TITLE_LIMIT = 60
_SET_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
_DIGEST = re.compile(r"[0-9a-f]{64}\Z")
_SHORT = re.compile(r"[a-z0-9][a-z0-9._+-]*\Z")
_EXTENSION = re.compile(r"[^./\\\s*?]+(?:\.[^./\\\s*?]+)?\Z")
_MIME = re.compile(r"[a-z0-9!#$&^_.+-]+/(?:[a-z0-9!#$&^_.+-]+\*?|\*)\Z")


def rule_set(name: str, value: Any, *, file: str) -> RuleSet:
    """Return the set that one file defines under this name; raises ConfigError."""
    key = f"banned.{printable(name, 80)}"
    if not _SET_NAME.match(name):
        raise ConfigError(file, key, expected="a name of letters, digits, _ and -", got=described(name))
    if not isinstance(value, list) or not all(isinstance(each, Mapping) for each in value):
        raise ConfigError(file, key, expected=f"[[{key}]], in double brackets", got=described(value))
    if not value:
        raise ConfigError(file, key, expected="at least one rule", got="an empty array")
    rules = (_rule(table, file=file, name=f"{key}[{number}]") for number, table in enumerate(value, start=1))
    return RuleSet(name, tuple(rules), origin=file)


def known_sets(sets: Iterable[RuleSet], wanted: Iterable[str]) -> None:
    """Raise Mismatch for the first wanted name that is none of these sets'."""
    known = [each.name for each in sets]
    for name in wanted:
        if name not in known:
            raise Mismatch("names of sets: " + ", ".join(known), described(name) + _near(name, known))


def _near(name: str, known: Iterable[str]) -> str:
    """Return a hint: ``ALLOW_EXE`` was rather ALLOW_EXECUTABLES than something as short."""
    # suggestion() compares in lower case, and names of sets are written in capitals.
    lower = {each.lower(): each for each in known}
    longer = [each for small, each in lower.items() if len(name) > 3 and small.startswith(name.lower())]
    if longer:
        return f'; did you mean "{longer[0]}"?'
    near = suggestion(name, lower)
    for small, right in lower.items():
        near = near.replace(f'"{small}"', f'"{right}"')
    return near


def _rule(table: Mapping[str, Any], *, file: str, name: str) -> Rule:
    for key in table:
        if key not in KEYS:
            got = f"an unknown key{suggestion(key, KEYS)}"
            raise ConfigError(file, f"{name}.{printable(key, 80)}", expected="one of " + ", ".join(KEYS), got=got)
    given = {key: _read(key, table[key], file=file, name=f"{name}.{key}") for key in table}
    conditions = [key for key in CONDITIONS if key in given]
    if not conditions:
        raise ConfigError(file, name, expected="one of " + ", ".join(CONDITIONS), got="a rule without condition")
    for alone in ("path", "all"):
        if alone in given and len(conditions) > 1:
            others = ", ".join(each for each in conditions if each != alone)
            raise ConfigError(file, f"{name}.{alone}", expected="no condition beside it", got=others)
    if given.get("destiny") is not None and given.get("action", Action.BAN) is not Action.BAN:
        raise ConfigError(file, f"{name}.destiny", expected="a rule that bans", got=f'action = "{given["action"]}"')
    if given.get("shadow") and given.get("action", Action.BAN) is not Action.BAN:
        raise ConfigError(file, f"{name}.shadow", expected="a rule that bans", got=f'action = "{given["action"]}"')
    return Rule(
        title=given.get("title", name.removeprefix("banned.")),
        types=given.get("type", frozenset()),
        extensions=given.get("extension", frozenset()),
        flags=given.get("flag", frozenset()),
        digests=given.get("digest", frozenset()),
        mimes=given.get("mime", ()),
        names=given.get("name", ()),
        match=given.get("match", ()),
        path=given.get("path"),
        action=given.get("action", Action.BAN),
        destiny=given.get("destiny"),
        is_on_trial=given.get("shadow", False),
    )


def _read(key: str, value: Any, *, file: str, name: str) -> Any:
    try:
        return _READERS[key](value)
    except Mismatch as mismatch:
        raise ConfigError(file, name, expected=mismatch.expected, got=mismatch.got) from None


def _title(value: Any) -> str:
    if not isinstance(value, str) or not value or len(value) > _TITLE_LIMIT or not value.isprintable():
        raise Mismatch(f"a line of at most {_TITLE_LIMIT} characters", described(value))
    return value


def _all(value: Any) -> bool:
    if value is not True:
        raise Mismatch("true, or no such key", described(value))
    return True


def _bool(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Mismatch("true or false", described(value))
    return value


def _strings(value: Any) -> tuple[str, ...]:
    """Return one string or several; an empty array would match nothing, or everything: nobody means it."""
    texts = value if isinstance(value, list) else [value]
    if not texts or not all(isinstance(each, str) and each for each in texts):
        raise Mismatch("a string, or an array of them", described(value) if texts else "an empty array")
    return tuple(texts)


def _lower(shape: re.Pattern[str], expected: str) -> Callable[[Any], tuple[str, ...]]:
    """Return a reader of strings that fit a shape once in lower case."""

    def read(value: Any) -> tuple[str, ...]:
        texts = tuple(text.lower() for text in _strings(value))
        for text in texts:
            if not shape.match(text):
                raise Mismatch(expected, described(text))
        return texts

    return read


def _dotless(shape: re.Pattern[str], expected: str) -> Callable[[Any], frozenset[str]]:
    """Return a reader of words that may be written with a dot before them."""
    read = _lower(shape, expected)
    return lambda value: frozenset(read([text.removeprefix(".") for text in _strings(value)]))


def _words(kind: type[Flag] | type[Action] | type[Destiny]) -> Callable[[Any], Any]:
    known = [str(member) for member in kind]

    def read(value: Any) -> Any:
        if value not in known:
            near = suggestion(value, known) if isinstance(value, str) else ""
            if kind is Action and value in [str(member) for member in Destiny]:
                near = f'; did you mean destiny = "{value}"?'
            raise Mismatch("one of " + ", ".join(f'"{word}"' for word in known), described(value) + near)
        return kind(value)

    return read


def _expressions(value: Any) -> tuple[Expression, ...]:
    return tuple(expression(text) for text in _strings(value))


def _path(value: Any) -> Expression:
    [text] = _strings(value) if isinstance(value, str) else ("",)
    if not text:
        raise Mismatch("one regular expression", described(value))
    return expression(text)


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "title": _title,
    "type": _dotless(_SHORT, "a short type such as exe-ms"),
    "extension": _dotless(_EXTENSION, "an extension such as exe, without path, blank or asterisk"),
    "name": _expressions,
    "mime": _lower(_MIME, "a MIME type such as image/png or image/*"),
    "digest": lambda value: frozenset(_lower(_DIGEST, "64 hexadecimal digits (SHA-256)")(value)),
    "flag": lambda value: frozenset(_words(Flag)(text) for text in _strings(value)),
    "match": _expressions,
    "path": _path,
    "all": _all,
    "action": _words(Action),
    "destiny": _words(Destiny),
    "shadow": _bool,
}
