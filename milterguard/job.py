# SPDX-License-Identifier: GPL-3.0-or-later
"""One message in work, as the guard carries it from its header section to the answer. *Errors:* none."""

import base64
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from milterguard.config.on_failure import OnFailure
from milterguard.config.signing import ON_FAILURE_SIGNING
from milterguard.core import marks, token
from milterguard.core.destiny import Mixed
from milterguard.core.envelope import Traffic
from milterguard.core.finding import Category, Finding
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
    unsigned: OnFailure = ON_FAILURE_SIGNING
    """As ``signing.on_failure``."""
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


def wants_split(first: Judged, other: Judged, traffic: Traffic) -> bool:
    """Whether ``other`` must come in a transaction of his own (D1, ``mixed_recipients = "split"``).

    Never for own or authenticated clients: a mail program shows a deferred recipient as an error.
    """
    is_split = first.policy.mixed_recipients is Mixed.SPLIT and traffic is Traffic.INBOUND
    return is_split and class_of(first) != class_of(other)


def mixed_of(judged: Sequence[Judged], traffic: Traffic) -> Mixed:
    """Return what holds when recipients differ.

    Mail that did not come by SMTP shows us completed addresses, which Postfix would not let us remove.
    """
    return Mixed.STRICTEST if traffic is Traffic.LOCAL else judged[0].policy.mixed_recipients


def over_limits_of(judged: Sequence[Judged], size: int) -> tuple[Finding, ...]:
    """Return that a message of so many octets is too long for somebody, if it is; on trial counts as well."""
    if not any(0 < policy.message_size_limit < size for policy in _policies_of(judged)):
        return ()
    said = f"{size} octets are over message_size_limit"
    return (Finding("milterguard", Category.OVERSIZED, "size", said, size=size),)


def _policies_of(judged: Sequence[Judged]) -> Iterator[Policy]:
    """Yield every recipient's policy, and what is on trial."""
    return (policy for each in judged for policy in (each.policy, each.trial) if policy is not None)


def of_all(job: Job) -> Policy:
    """Return a policy that says what holds for the whole message: in that all recipients have the same."""
    return job.judged[0].policy


def new_mail_id(random: Callable[[int], bytes] = os.urandom) -> str:
    """Return 12 characters of the URL-safe base64 alphabet, alphanumeric at both ends (amavis: mail_id)."""
    while True:
        mail_id = base64.urlsafe_b64encode(random(9)).decode("ascii")
        if mail_id[0].isalnum() and mail_id[-1].isalnum():
            return mail_id
