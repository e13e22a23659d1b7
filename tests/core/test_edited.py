# SPDX-License-Identifier: GPL-3.0-or-later
"""A header section after our edits, as Postfix makes them."""

import time

from milterguard.core.edited import edited
from milterguard.core.message import Field
from milterguard.core.verdict import ChangeField, InsertField, RemoveField, RemoveRecipient
from tests.core.build import fields

FIELDS = fields("A: 1", "B: 2", "a: 3", "C: 4")


def shown(found: tuple[Field, ...]) -> list[str]:
    return [f"{field.name.decode()}:{field.value.decode()}" for field in found]


def test_edits_in_their_order() -> None:
    """Removed from the highest index down, changed, put on top; the last one inserted stands first."""
    edits = (
        RemoveField("A", 2),
        ChangeField("B", 1, "two"),
        InsertField("X", "x"),
        InsertField("Y", "y"),
        RemoveRecipient("a@b.example"),
    )
    assert shown(edited(FIELDS, edits)) == ["Y: y", "X: x", "A: 1", "B: two", "C: 4"]


def test_what_is_not_there_is_not_changed() -> None:
    """A field of another number, or of no such name."""
    edits = (RemoveField("A", 3), RemoveField("Z", 1), ChangeField("Z", 1, "x"), ChangeField("A", 0, "x"))
    assert edited(FIELDS, edits) == tuple(FIELDS)


def test_many_removals_take_linear_time() -> None:
    """As many as an MTA would be given."""
    many = fields(*(["X-Spam-Flag: NO"] * 500), "From: a@b.example")
    began = time.process_time()
    left = edited(many, [RemoveField("X-Spam-Flag", index) for index in range(500, 0, -1)])
    assert len(left) == 1
    assert time.process_time() - began < 0.5
