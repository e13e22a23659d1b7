# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands in a file that a list or a table of the settings names, once it is read.

*Source:* amavis ``read_hash``, ``read_array``, ``read_cidr``. *Errors:* none; ``list_reader.py`` has them.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

Line = tuple[str, bool, Any]
"""Entry without ``!``; whether it is an exception; its value, None when the line has none (a network: the network)."""
Signature = tuple[int, ...]
"""By which it is told that a file was changed."""


class ListKind(StrEnum):
    """What the entries of a list are."""

    RECIPIENTS = "recipients"
    """``user@example.com``, ``@example.com``, ``@.example.com``, ``user@``, ``@.``, ``/expression/``."""
    SENDERS = "senders"
    """The same, and ``<>``."""
    SCORES = "senders with points"
    DOMAINS = "domains"
    """``example.com``, ``.example.com``, ``.``, ``/expression/``."""
    NETWORKS = "networks"
    ORDERED = "recipients in order"
    VALUES = "recipients with values"


@dataclass(frozen=True, slots=True)
class FileUse:
    """A file, and what it is read for."""

    path: str
    kind: ListKind
    setting: str = ""
    """Whose values the lines have, for ``VALUES``."""


@dataclass(frozen=True, slots=True, eq=False)
class ListFile:
    """A file as it was read."""

    use: FileUse
    lines: tuple[Line, ...]
    signature: Signature
    digest: bytes
    """Of its octets: a file may be touched without being changed."""
