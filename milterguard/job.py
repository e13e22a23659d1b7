# SPDX-License-Identifier: GPL-3.0-or-later
"""One message in work, as the guard carries it from its header section to the answer. *Errors:* none."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from milterguard.core import marks, token
from milterguard.core.message import Message
from milterguard.core.policy import Policy
from milterguard.core.verdict import Judged
from milterguard.scan import Running


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for the whole site rather than for one recipient."""

    deadline_seconds: float = 25.0
    style: marks.Style = field(default_factory=marks.Style)
    is_observing: bool = False
    """Every message passes, whatever was decided: nothing is kept, nobody is removed."""
    is_marking: bool = True
    """While observing: our fields are written all the same."""
    delimiter: str = ""
    """As ``local.recipient_delimiter``."""


@dataclass(slots=True)
class Job:
    """One message in work."""

    message: Message
    judged: tuple[Judged, ...]
    deadline: float
    """On the monotonic clock: when the MTA must have its answer."""
    started: float
    running: Running | None
    release: token.Token | None = None
    """The authentic token it carries, if an operator released it."""


def class_of(judged: Judged) -> tuple[object, ...]:
    """Return what two recipients must have in common to be answered alike."""
    return judged.policy, judged.recipient.is_local, judged.listed.listing, judged.listed.points


def policies_of(job: Job) -> Iterator[Policy]:
    """Yield every recipient's policy, and what is on trial."""
    return (policy for each in job.judged for policy in (each.policy, each.trial) if policy is not None)


def of_all(job: Job) -> Policy:
    """Return a policy that says what holds for the whole message: in that all recipients have the same."""
    return job.judged[0].policy
