# SPDX-License-Identifier: GPL-3.0-or-later
"""A text for some of the categories: subject tags, address extensions, folders of the quarantine.

*Source:* amavis' ``*_by_ccat`` tables: the heaviest category that has an entry decides, even an empty one.
"""

from collections.abc import Iterable

from milterguard.core.finding import Category

ByCategory = tuple[tuple[Category, str], ...]
"""Pairs of category and text, heaviest category first, each once."""


def by_category(pairs: Iterable[tuple[Category, str]]) -> ByCategory:
    """Return the table with these entries; of two for one category the later holds."""
    return tuple(sorted(dict(pairs).items(), reverse=True))


def said_of(table: ByCategory, categories: Iterable[Category]) -> str | None:
    """Return the text of the heaviest of these categories that has one; None when none has."""
    wanted = frozenset(categories)
    return next((text for category, text in table if category in wanted), None)
