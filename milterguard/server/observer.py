# SPDX-License-Identifier: GPL-3.0-or-later
"""A session that watches: everything is scanned, judged and recorded, and everything is accepted.

For the first week on a site (``server.observe``, ``serve --observe``). Here, and only here, what goes
wrong does not become 451: the site's mail must not depend on us yet.

*Errors:* none; what a session would refuse or defer passes, and the log says what it was.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace

from milterguard.core.destiny import Destiny
from milterguard.core.envelope import Recipient, Traffic
from milterguard.core.mailbox import unbracketed, without_route
from milterguard.core.policy import Policy
from milterguard.core.text import decoded, printable
from milterguard.core.verdict import Judged, Reply, Verdict
from milterguard.job import Job
from milterguard.server.session import Answer, Door, Session
from milterguard.server.transaction import Transaction

log = logging.getLogger(__name__)
_PASSED = Answer(Destiny.PASS)


class Observer(Session):
    """The steps of one connection that nobody is ever refused in."""

    def rcpt(self, recipient: bytes, parameters: Sequence[bytes]) -> Reply | None:
        """Take every recipient."""
        super().rcpt(recipient, parameters)
        return None

    def data(self, queue_id: str) -> Reply | None:
        super().data(queue_id)
        return None

    def end_of_message(self, door: Door) -> Answer:
        """Return PASS, the fields of a verdict applied if there is one. Never raises."""
        super().end_of_message(door)
        return _PASSED

    def _refusal(self, transaction: Transaction, judged: Judged, traffic: Traffic) -> Reply | None:
        refusal = super()._refusal(transaction, judged, traffic)
        if refusal is not None:
            log.info("observed: <%s> would be told %s", printable(judged.recipient.address, 320), refusal)
        return None

    def _judged(
        self, transaction: Transaction, recipient: bytes, parameters: Sequence[bytes]
    ) -> tuple[Traffic, Judged | Reply]:
        """Return a recipient in any case: one who could not be looked up has the policy that nobody changed."""
        traffic, judged = super()._judged(transaction, recipient, parameters)
        if isinstance(judged, Reply):
            address = without_route(decoded(unbracketed(recipient)))
            log.info("observed: <%s> would be told %s", printable(address, 320), judged)
            judged = Judged(Recipient(address), Policy())
        return traffic, judged

    def _record(self, job: Job, verdict: Verdict, answer: Answer) -> None:
        """Record what was answered, and what would have been."""
        super()._record(job, replace(verdict, is_observed=True, reply=None), _PASSED)
        del answer
