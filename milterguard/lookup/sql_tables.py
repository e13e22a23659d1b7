# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking amavis' tables for no more columns than mean something, once it is known which of them there are.

Half of the columns mean nothing, and fetching and naming columns is what most of the time of a lookup
goes to. Which there are is learnt from an answer with all of them, and learnt anew every few minutes.

*Errors:* StoreError, Refused, as ``sql_engine.ask``.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Engine

from milterguard.config.select import Select
from milterguard.lookup.backends import Refused
from milterguard.lookup.sql_engine import Answer, ask
from milterguard.lookup.sql_row import is_used
from milterguard.lookup.sql_schema import ALL_COLUMNS, MARK, OUR_COLUMNS, RECIPIENT

_KNOWN_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class _Learnt:
    select: Select
    columns: tuple[str, ...]
    """What it will find."""
    until: float


class Tables:
    """amavis' tables in several databases, which need not have the same columns. Safe for several threads."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._learnt: dict[Engine, _Learnt] = {}

    def ask(self, engine: Engine, places: Mapping[str, object]) -> Answer:
        """Return what ``RECIPIENT`` finds, without columns that mean nothing. Raises StoreError, Refused."""
        learnt = self._learnt.get(engine)
        if learnt is not None and self._clock() < learnt.until:
            try:
                return ask(engine, *learnt.select.filled(places), columns=learnt.columns)
            except Refused:
                self._learnt.pop(engine, None)  # a column may be gone
        answer = ask(engine, *RECIPIENT.filled(places))
        self._learnt[engine] = _learnt(answer.columns, until=self._clock() + _KNOWN_SECONDS)
        return answer


def _learnt(columns: Sequence[str], *, until: float) -> _Learnt:
    """Return ``RECIPIENT`` with those of these columns that are used; names of ours, so none needs quotes."""
    mark = columns.index(MARK)
    of_users, of_policy = _used(columns[:mark]), _used(columns[mark + 1 :])
    named = [*(f"users.{name}" for name in of_users), f"1 AS {MARK}", *(f"policy.{name}" for name in of_policy)]
    first, *others = RECIPIENT.parts
    select = Select((first.replace(ALL_COLUMNS, ", ".join(named)), *others))
    return _Learnt(select, (*of_users, MARK, *of_policy, *OUR_COLUMNS), until)


def _used(columns: Sequence[str]) -> list[str]:
    return [name for name in dict.fromkeys(map(str.lower, columns)) if is_used(name)]
