# SPDX-License-Identifier: GPL-3.0-or-later
"""What a header section looks like once our edits are made: what we sign is what the MTA sends.

*Source:* the milter protocol's modifications, as Postfix applies them. *Errors:* none.
"""

from collections.abc import Iterable, Sequence

from milterguard.core.message import Field
from milterguard.core.verdict import ChangeField, Edit, InsertField, RemoveField


def edited(fields: Sequence[Field], edits: Iterable[Edit]) -> tuple[Field, ...]:
    """Return the fields after these edits, in the order in which they are made.

    Linear: of many removals each is made on a list of places, not on the fields.
    """
    kept: dict[int, Field] = dict(enumerate(fields))
    place: int | None
    places: dict[bytes, list[int]] = {}
    for number, field in kept.items():
        places.setdefault(field.key, []).append(number)
    above: list[Field] = []
    for edit in edits:
        match edit:
            case InsertField(name, value):
                above.append(field_of(name, value))
            case ChangeField(name, index, value):
                place = _place(places, name, index)
                if place is not None:
                    kept[place] = field_of(name, value)
            case RemoveField(name, index):
                place = _place(places, name, index)
                if place is not None:
                    places[name.lower().encode("ascii", "replace")].remove(place)
                    del kept[place]
            case _:
                pass
    return (*reversed(above), *kept.values())


def field_of(name: str, value: str) -> Field:
    """Return a field as the MTA writes one of ours: with one blank behind the colon."""
    return Field(name.encode("ascii", "replace"), b" " + value.encode("utf-8", "replace"))


def _place(places: dict[bytes, list[int]], name: str, index: int) -> int | None:
    """Return where the field of that name and number stands; None where there is none."""
    mine = places.get(name.lower().encode("ascii", "replace"), [])
    return mine[index - 1] if 0 < index <= len(mine) else None
