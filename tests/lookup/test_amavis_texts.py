# SPDX-License-Identifier: GPL-3.0-or-later
"""Columns of amavis' tables that name folders and extensions."""

import pytest

from milterguard.core.finding import Category
from milterguard.lookup.amavis import Unreadable, settings_of


@pytest.mark.parametrize(
    ("value", "folder"),
    [
        ("virus-quarantine", "."),
        ("hostmaster@example.com", "."),
        ("customer.example/virus", "customer.example/virus"),
        ("", ""),
        (b" infected ", "infected"),
    ],
)
def test_where_a_copy_is_kept(value: object, folder: str) -> None:
    """A mail address gets no mail, and the copy is kept all the same; so it is for amavis' own names."""
    assert list(settings_of({"virus_quarantine_to": value})) == [("quarantine_to", ((Category.VIRUS, folder),))]


@pytest.mark.parametrize(
    ("column", "value"),
    [("virus_quarantine_to", "../x"), ("spam_quarantine_to", "x"), ("addr_extension_spam", "a b")],
)
def test_what_is_neither_is_told(column: str, value: str) -> None:
    """With the column; nothing of it reaches a path or an address."""
    with pytest.raises(Unreadable, match=column):
        list(settings_of({column: value}))


def test_an_extension_is_taken_as_it_is() -> None:
    """Blanks at its ends are not of it."""
    assert list(settings_of({"addr_extension_spam": " +spam "})) == [("addr_extension", ((Category.SPAM, "+spam"),))]
