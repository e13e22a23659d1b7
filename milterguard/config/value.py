# SPDX-License-Identifier: GPL-3.0-or-later
"""From what TOML or the environment says to the type a setting has, strictly: nothing is guessed.

*Errors:* Mismatch, which the loader makes a ConfigError by adding file and key. What was found is
described without ever showing a secret.
"""

import difflib
import math
import re
import tomllib
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, replace
from enum import StrEnum
from types import UnionType
from typing import Any, get_args, get_origin

from milterguard.config.on_failure import OnFailure
from milterguard.config.schema import Entry
from milterguard.core.by_category import by_category
from milterguard.core.destiny import Destiny
from milterguard.core.finding import Category
from milterguard.core.folder import ROOT, is_folder
from milterguard.core.mailbox import is_address
from milterguard.core.policy import OnTrial
from milterguard.core.recipients import is_extension
from milterguard.core.text import printable

UNSET = "unset"
"""How a level that may be missing is written: TOML has no null."""
_ON_FAILURE = (Destiny.TEMPFAIL, Destiny.PASS)
_CATEGORIES = {category.word: category for category in Category}
_ADDRESS = (is_address, 'an address such as "user@example.com", or ""')
_TEXTS: Mapping[str, tuple[Callable[[str], bool], str]] = {
    "addr_extension": (is_extension, 'an extension without blanks and @, such as "spam", or ""'),
    "addr_rewrite": _ADDRESS,
    "always_bcc": _ADDRESS,
    "quarantine_to": (
        lambda text: text == ROOT or is_folder(text),
        f'a folder below the quarantine such as "virus", at most four deep, "{ROOT}" for the quarantine itself, or ""',
    ),
}
"""What the texts of tables by category have to be, where they are not any text."""
_BREAKS = re.compile(r"[\t\r\n]+")
"""A statement is best written over several lines."""
_PASSWORD = re.compile(r"(://[^/?#@:]*):.*@|([?&](?:[a-z_]*password|passwd|passfile)=)[^&]*", re.IGNORECASE)


class Mismatch(Exception):  # noqa: N818  (caught by the loader alone)
    """A value does not fit its setting."""

    def __init__(self, expected: str, got: str, *, inner: str = "") -> None:
        super().__init__(expected, got, inner)
        self.expected, self.got, self.inner = expected, got, inner


def convert(entry: Entry, value: Any) -> Any:
    """Return what TOML said as the setting's type, in ``OnTrial`` where it says so; raises Mismatch."""
    if entry.section == "policy" and isinstance(value, Mapping) and "shadow" in value:
        return _on_trial(entry, value)
    if entry.key.endswith("_select") and isinstance(value, str):
        value = _BREAKS.sub(" ", value)
    try:
        converted = _convert(entry.kind, value, default=entry.default)
    except Mismatch as mismatch:
        got = _kind_of(value) if entry.is_secret else mismatch.got
        raise Mismatch(mismatch.expected, got, inner=mismatch.inner) from None
    if entry.minimum is not None and converted is not None and converted < entry.minimum:
        raise Mismatch(f"at least {entry.minimum:.12g}", described(value))
    if entry.maximum is not None and converted is not None and converted > entry.maximum:
        raise Mismatch(f"at most {entry.maximum:.12g}", described(value))
    if entry.key in _TEXTS:
        _check_texts(entry.key, converted)
    return converted


def _check_texts(key: str, pairs: Iterable[tuple[Category, str]]) -> None:
    is_good, expected = _TEXTS[key]
    for category, text in pairs:
        if text and not is_good(text):
            raise Mismatch(expected, described(text), inner=category.word)


def _on_trial(entry: Entry, table: Mapping[str, Any]) -> Any:
    """Return what ``{ value = …, shadow = true }`` says; with ``shadow = false`` it is as if only the value stood."""
    if entry.per == "message":
        raise Mismatch("a value: what holds for the whole message cannot be on trial", described(table))
    if set(table) != {"value", "shadow"} or not isinstance(table["shadow"], bool):
        raise Mismatch("{ value = …, shadow = true }", described(table))
    value = convert(entry, table["value"])
    return OnTrial(value) if table["shadow"] else value


def from_text(entry: Entry, text: str) -> Any:
    """Return what an environment variable said, still to be converted: a TOML value, a word, a comma list."""
    stripped = text.strip()
    if get_origin(entry.kind) is tuple and not stripped.startswith(("[", "{")):
        return [item.strip() for item in stripped.split(",") if item.strip()]
    if _is_words(entry.kind) and not stripped.startswith(('"', "'", "{") if entry.kind is OnFailure else ('"', "'")):
        # Quotes are what files of `docker run --env-file` leave around a value.
        return text if entry.kind is str else stripped
    try:
        parsed = tomllib.loads(f"value = {stripped}")
    except (ValueError, RecursionError):
        return text
    return parsed["value"] if parsed.keys() == {"value"} else text


def described(value: Any) -> str:
    """Return a value as an error message may show it: short, on one line, without passwords."""
    if isinstance(value, str):
        return f'"{printable(masked(value), 80)}"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value) if abs(value) < 10**18 else "a number of more than 18 digits"
    if isinstance(value, float):
        return f"{value:.6g}"
    return _kind_of(value)


def masked(text: str) -> str:
    """Return text with the passwords of URLs replaced by asterisks."""
    return _PASSWORD.sub(lambda found: f"{found[1]}:***@" if found[2] is None else f"{found[2]}***", text)


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return ``; did you mean …?`` when a known word is near, else nothing."""
    near = difflib.get_close_matches(word.lower()[:80], list(known), n=1, cutoff=0.7)
    return f'; did you mean "{near[0]}"?' if near else ""


def one_of(words: Sequence[str]) -> str:
    """Return words as an error message lists them: ``"a", "b" or "c"``."""
    quoted = [f'"{word}"' for word in words]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} or {quoted[-1]}"


def in_brackets(value: Any) -> str:
    """Return ``; did you mean ["…"]?`` for a string that stands where an array of them should, else nothing."""
    return f"; did you mean [{described(value)}]?" if isinstance(value, str) else ""


def _convert(kind: Any, value: Any, *, default: Any) -> Any:
    if isinstance(kind, UnionType):
        return None if value == UNSET else _number(value, expected=f'a number or "{UNSET}"')
    if get_origin(kind) is tuple:
        element = get_args(kind)[0]
        return _table(get_args(element), value) if get_origin(element) is tuple else _tuple(element, value)
    if kind is OnFailure:
        return _on_failure(value, default)
    if kind is bool:
        return _instance(bool, value, expected="true or false")
    if kind is int:
        return _integer(value)
    if kind is float:
        return _number(value, expected="a number")
    if kind is str:
        return _line(value)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return kind(_word(value, [str(member) for member in kind]))
    raise TypeError(f"a setting of type {kind} cannot be read")


def _is_words(kind: Any) -> bool:
    return kind is str or kind is OnFailure or (isinstance(kind, type) and issubclass(kind, StrEnum))


def _instance(kind: type[Any], value: Any, *, expected: str) -> Any:
    if not isinstance(value, kind):
        raise Mismatch(expected, described(value))
    return value


def _integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= 2**63:
        raise Mismatch("a whole number", described(value))
    return value


def _number(value: Any, *, expected: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Mismatch(expected, described(value))
    if abs(value) >= 2**63 or not math.isfinite(value):
        raise Mismatch(f"{expected} (finite)", described(value))
    return float(value)


def _line(value: Any) -> str:
    text: str = _instance(str, value, expected="a string")
    if any(unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} for character in text):
        raise Mismatch("text on one line, without control characters", described(text))
    return text


def _word(value: Any, known: list[str]) -> str:
    expected = one_of(known)
    if not isinstance(value, str):
        raise Mismatch(expected, described(value))
    if value not in known:
        raise Mismatch(expected, described(value) + suggestion(value, known))
    return value


def _tuple(kind: Any, value: Any) -> tuple[Any, ...]:
    if not isinstance(value, list):
        expected = "an array of categories" if kind is Category else "an array of strings"
        raise Mismatch(expected, described(value) + in_brackets(value))
    if kind is Category:
        return tuple(_CATEGORIES[_word(item, list(_CATEGORIES))] for item in value)
    return tuple(_line(item) for item in value)


def _table(kinds: tuple[Any, ...], value: Any) -> tuple[tuple[Any, Any], ...]:
    """Return a table as pairs: texts by category, or numbers by whatever its keys are."""
    is_by_category = kinds[0] is Category
    example = '{ spam = "…" }' if is_by_category else '{ "@example.com" = -2.5 }'
    if not isinstance(value, Mapping):
        raise Mismatch(f"a table such as {example}", described(value))
    pairs: list[tuple[Any, Any]] = []
    for key, said in value.items():
        try:
            named = _CATEGORIES[_word(key, list(_CATEGORIES))] if is_by_category else _line(key)
            pairs.append((named, _line(said) if kinds[1] is str else _number(said, expected="a number")))
        except Mismatch as mismatch:
            raise Mismatch(mismatch.expected, mismatch.got, inner=printable(key, 80)) from None
    return by_category(pairs) if is_by_category else tuple(pairs)


def _on_failure(value: Any, default: OnFailure) -> OnFailure:
    """Return a check's answer to its own failure: one word for all, or a table laid over its defaults.

    The word ``tempfail`` leaves local mail as the check has it: deferring that makes pickup(8) come
    back every second (D14). Who wants it all the same writes it in a table.
    """
    if isinstance(value, Mapping):
        return replace(default, **{traffic: _of_traffic(traffic, word) for traffic, word in value.items()})
    destiny = Destiny(_word(value, [*_ON_FAILURE]))
    return OnFailure(destiny, destiny, default.local if destiny is Destiny.TEMPFAIL else destiny)


def _of_traffic(traffic: str, word: Any) -> Destiny:
    known = [field.name for field in fields(OnFailure)]
    if traffic not in known:
        raise Mismatch(one_of(known), f'"{printable(traffic, 40)}"{suggestion(traffic, known)}')
    try:
        return Destiny(_word(word, [*_ON_FAILURE]))
    except Mismatch as mismatch:
        raise Mismatch(mismatch.expected, mismatch.got, inner=traffic) from None


def _kind_of(value: Any) -> str:
    if isinstance(value, str):
        return "a string (not shown)"
    if isinstance(value, list):
        return "an array"
    if isinstance(value, Mapping):
        return "a table"
    return f"a value of type {type(value).__name__}"
