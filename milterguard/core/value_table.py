# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of one setting for many recipients: what ``[[table]]`` says, converted.

*Source:* amavis ``@*_maps``: hashes, ordered lists, lists of expressions, constants and files. *Errors:* none.
"""

from dataclasses import dataclass
from enum import Enum, StrEnum


class TableKind(StrEnum):
    """How a table is asked."""

    HASH = "hash"
    """The closest key decides."""
    LIST = "list"
    """The first entry that matches; with ``!`` it says false."""
    REGEXP = "regexp"
    """The first expression that is found in the address."""
    FILE = "file"
    """A hash in a file, a key in each line."""
    CONSTANT = "constant"
    """The same for everybody."""


class Undefined(Enum):
    """What a key says that has no value: the next table is asked, but no more general key of this one."""

    UNDEFINED = "undefined"


UNDEFINED = Undefined.UNDEFINED


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """A value with ``$1`` in it, as TOML had it: it can be converted once the groups are known."""

    raw: object


@dataclass(frozen=True, slots=True, eq=False)
class ValueTable:
    """One entry of ``[[table]]``."""

    setting: str
    """A policy key that holds for one recipient."""
    kind: TableKind
    rows: tuple[tuple[str, object], ...]
    """Keys, entries or expressions with their values: converted, ``UNDEFINED`` or a ``Template``.

    Of a list they are True; of a file there is one row with its path; of a constant one without key.
    """
    origin: str = ""
    """File and entry, for people."""
