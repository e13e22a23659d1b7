# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything about one message of a session, from MAIL to the answer or to its abort.

It dies with the message, so nothing of it can reach the next one.
"""

import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field

from milterguard.core.envelope import Client, Envelope, Traffic
from milterguard.core.message import Field, Message
from milterguard.core.verdict import Judged, Reply
from milterguard.job import Job
from milterguard.server.admission import Place
from milterguard.server.spool import Spool


@dataclass(slots=True, eq=False)
class Transaction:
    """Everything about one message, from MAIL to the answer or to its abort."""

    sender: str
    is_sender_utf8: bool
    parameters: tuple[str, ...]
    client: Client
    mta: str
    spool: Spool
    traffic: Traffic = Traffic.INBOUND
    banks: tuple[str, ...] = ()
    queue_id: str = ""
    judged: list[Judged] = field(default_factory=list)
    fields: list[Field] = field(default_factory=list)
    header_bytes: int = 0
    refusal: Reply | None = None
    """What will be answered whatever else happens; the first one stays."""
    is_too_long: bool = False
    """Its header section is over max_header_bytes: we do not have all of it."""
    message: Message | None = None
    deadline: float = 0.0
    place: Place | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)
    job: Job | None = None
    begun: "Future[None] | None" = None
    is_over: bool = False

    def refuse(self, refusal: Reply) -> None:
        self.refusal = self.refusal or refusal


def held(transaction: Transaction) -> Place | None:
    """Return the transaction's place, held once more; None when the transaction is over."""
    with transaction.lock:
        if transaction.is_over or transaction.place is None:
            return None
        transaction.place.hold()
        return transaction.place


def unbegun(transaction: Transaction) -> Job | None:
    """Return a job without checks, for the record of a message that was refused before they began."""
    if transaction.message is None or not transaction.judged:
        return None
    now = time.monotonic()
    return Job(transaction.message, tuple(transaction.judged), deadline=now, started=now, running=None)


def envelope_of(transaction: Transaction) -> Envelope:
    return Envelope(
        sender=transaction.sender,
        recipients=tuple(each.recipient for each in transaction.judged),
        client=transaction.client,
        traffic=transaction.traffic,
        parameters=transaction.parameters,
        mta=transaction.mta,
        queue_id=transaction.queue_id,
        banks=transaction.banks,
    )
