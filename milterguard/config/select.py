# SPDX-License-Identifier: GPL-3.0-or-later
"""A SELECT of the operator, with places for what is asked: ``%k``, ``%a`` … and ``%%`` for a percent sign.

What stands in these places is always bound as a parameter and never pasted in: it comes from strangers.

*Source:* amavis ``%sql_clause``. *Errors:* Mismatch for a text that can never work.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

RECIPIENT_PLACES = "kalued"
SENDER_PLACES = "kr"
_LISTS = "kr"
"""Places for several values; they stand in parentheses: ``IN (%k)``."""
_TOKEN = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|%.?", re.DOTALL)
_BEGIN = re.compile(r"\s*(?:SELECT|WITH)\b", re.IGNORECASE)
_PADDED_TO = 8
"""Lists are filled up to a multiple of it with their last value, so that there are few different statements."""


class NoSelectError(ValueError):
    """A text that can never work: what was expected and what was found."""

    def __init__(self, expected: str, got: str) -> None:
        super().__init__(expected, got)
        self.expected, self.got = expected, got


@dataclass(frozen=True, slots=True)
class Select:
    """A SELECT, cut at its places."""

    parts: tuple[str, ...]
    """Text in the words of SQLAlchemy's ``text()``, place, text, place …, text."""

    def filled(self, values: Mapping[str, object]) -> tuple[str, dict[str, object]]:
        """Return statement and parameters; ``values`` by letter, for ``k`` and ``r`` sequences."""
        statement, parameters = [self.parts[0]], {}
        for place, text in zip(self.parts[1::2], self.parts[2::2], strict=True):
            bound = _bound(place, values[place])
            parameters.update(bound)
            statement += [", ".join(f":{name}" for name in bound), text]
        return "".join(statement), parameters


def parsed(text: str, *, places: str, needed: str) -> Select:
    """Return a SELECT cut at its places. Raises NoSelectError.

    ``places`` are the letters that may stand behind a percent sign; one of ``needed`` must be there.
    """
    if not _BEGIN.match(text):
        raise NoSelectError("a SELECT", f'"{text[:40]}"')
    parts = [""]
    position = 0
    for token in _TOKEN.finditer(text):
        parts[-1] += text[position : token.start()]
        position = token.end()
        if token[0].startswith("%") and token[0] != "%%":
            _check_place(token[0], places)
            parts += [token[0][1:], ""]
        else:
            parts[-1] += _without_percent(token[0])
    parts[-1] += text[position:]
    if not set(parts[1::2]) & set(needed):
        raise NoSelectError(f"one of {_listed(needed)} in it", "none: the answer would be the same for everybody")
    parts[::2] = [each.replace(":", r"\:") for each in parts[::2]]
    return Select(tuple(parts))


def _check_place(token: str, places: str) -> None:
    if token[1:] not in tuple(places):
        raise NoSelectError(f"{_listed(places)}, or %% for a percent sign", f'"{token}"')


def _without_percent(token: str) -> str:
    """Return what a quoted text means, or one percent sign. Raises NoSelectError for a place in quotes."""
    single = token.replace("%%", "")
    if "%" in single:
        raise NoSelectError("%% for a percent sign in quotes; places such as %k stand outside of them", token[:60])
    return token.replace("%%", "%")


def _listed(places: str) -> str:
    return ", ".join(f"%{letter}" for letter in places)


def _bound(place: str, value: object) -> dict[str, object]:
    if place not in _LISTS:
        return {f"p_{place}": value}
    assert isinstance(value, Sequence)
    values = list(value) or [None]
    values += values[-1:] * (-len(values) % _PADDED_TO)
    return {f"p_{place}{number}": each for number, each in enumerate(values)}
