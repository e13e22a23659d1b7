# SPDX-License-Identifier: GPL-3.0-or-later
"""What a recipient's lists say about the senders of a message.

*Source:* amavis 2.6: a sender is allowed, denied or neither, and may have points (``AM.WBL``) beside.
"""

from dataclasses import dataclass
from enum import StrEnum

POINTS_TEST = "AM.WBL"
"""The name that the points of the lists have among the tests."""


class Listing(StrEnum):
    ALLOWED = "allowed"
    DENIED = "denied"


class SeenIn(StrEnum):
    """Where the address stands that is listed."""

    ENVELOPE = "envelope"
    FROM = "from"


@dataclass(frozen=True, slots=True)
class Listed:
    """The answer of all lists of one recipient."""

    listing: Listing | None = None
    """The first hard answer; None: there was none, or the list said expressly that there shall be none."""
    points: float | None = None
    """Sum of what the lists add; None when none says anything."""
    seen_in: SeenIn = SeenIn.ENVELOPE
    """Of the address that ``listing`` is about: tells what has to prove it."""
    origins: tuple[str, ...] = ()
    """Which entries of which lists say so, the decisive one first."""


NOT_LISTED = Listed()
