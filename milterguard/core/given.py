# SPDX-License-Identifier: GPL-3.0-or-later
"""A message that will be delivered, as whoever signs it is given it. *Errors:* none."""

from collections.abc import Sequence
from dataclasses import dataclass

from milterguard.core.finding import Finding
from milterguard.core.message import Message
from milterguard.core.verdict import Decision, Edit


@dataclass(frozen=True, slots=True)
class Given:
    """A message that will be delivered, with all edits but signatures."""

    message: Message
    decision: Decision
    findings: Sequence[Finding]
    edits: Sequence[Edit]
    results: str
    """The value of Authentication-Results, for ARC; empty: nothing can be sealed."""
    deadline: float
    """On the monotonic clock."""
