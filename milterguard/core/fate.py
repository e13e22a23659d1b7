# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of a message for each recipient in the end, once all have agreed on one answer.

A destiny is what one recipient would get alone; a fate is what he gets.

*Errors:* none.
"""

from dataclasses import dataclass
from enum import StrEnum

from milterguard.core.destiny import Destiny
from milterguard.core.finding import Category
from milterguard.core.verdict import Decision, Outcome


class Fate(StrEnum):
    PASS = "pass"  # noqa: S105
    TEMPFAIL = "tempfail"
    DISCARD = "discard"
    REJECT = "reject"
    REMOVED = "removed"
    """Others get the message; his copy is kept."""
    REFUSED_AT_RCPT = "refused_at_rcpt"
    """Told so before the message came."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What one recipient gets, and by which name it goes."""

    recipient: str
    fate: Fate
    category: Category
    """What blocks the message for him, else the heaviest category that he has."""
    is_spammy: bool = False
    """Whether the message is marked as spam for him."""
    is_kept: bool = False
    """Whether a copy is kept for him."""


def fate_of(decision: Decision, outcome: Outcome) -> Fate:
    """Return what a recipient gets of a message that was decided so."""
    if decision.answer is not Destiny.PASS:
        return Fate(decision.answer)
    return Fate.REMOVED if outcome.address in decision.removed else Fate.PASS


def standings(decision: Decision) -> tuple[Standing, ...]:
    """Return what each recipient gets, in their order."""
    kept = frozenset(decision.keep.recipients if decision.keep else ())
    return tuple(
        Standing(
            outcome.address,
            fate_of(decision, outcome),
            outcome.category if outcome.blocking is None else outcome.blocking,
            is_spammy=outcome.is_spammy,
            is_kept=outcome.address in kept,
        )
        for outcome in decision.outcomes
    )
