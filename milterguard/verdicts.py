# SPDX-License-Identifier: GPL-3.0-or-later
"""From a decision to a verdict: the reply, the edits, the signatures, what all of it breaks or spares.

*Errors:* none. A message that should have been signed and could not be is deferred, or goes out without a
signature, as ``signing.on_failure`` has it.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace

from milterguard.core import authres, marks, reply
from milterguard.core.decide import decide
from milterguard.core.destiny import Destiny, Mixed
from milterguard.core.finding import Category, Finding
from milterguard.core.message import Message
from milterguard.core.policy import Policy, Protect
from milterguard.core.recipients import routing
from milterguard.core.verdict import ChangeField, Decision, Edit, InsertField, RemoveField, Reply, Verdict
from milterguard.covered import Covered, broken_by, covered_by
from milterguard.doors import Signer
from milterguard.effects.sign import Given
from milterguard.errors import SignError
from milterguard.job import Job, Rules, of_all
from milterguard.scan import Scanned

log = logging.getLogger(__name__)


class Verdicts:
    """Makes verdicts under one configuration. Shared by all messages of a worker."""

    def __init__(self, rules: Rules, signer: Signer | None) -> None:
        self._rules = rules
        self._signer = signer

    def complete(
        self, job: Job, decision: Decision, scanned: Scanned, *, location: str = "", is_signed: bool = True
    ) -> Verdict:
        """Return the verdict with everything that is to be done. ``location`` is that of the kept copy."""
        if not is_signed:
            return self._verdict(job, decision, scanned, location=location, is_signed=False)
        try:
            return self._verdict(job, decision, scanned, location=location, is_signed=True)
        except SignError as error:
            log.warning("(%s) not signed: %s", job.message.log_id, error)
        if self._rules.is_observing or self._rules.unsigned.of(job.message.envelope.traffic) is Destiny.PASS:
            return self._verdict(job, decision, scanned, location=location, is_signed=False)
        told = reply.unavailable(job.message.mail_id)
        return self.deferred(decision, scanned, told, location=location)

    def observed(self, job: Job, decision: Decision, scanned: Scanned) -> Verdict:
        """Return a verdict that tells what was decided and lets the message pass to everybody."""
        passing = replace(decision, answer=Destiny.PASS, removed=(), keep=None)
        verdict = self.complete(job, passing, scanned)
        marked = (each for each in verdict.edits if isinstance(each, RemoveField | ChangeField | InsertField))
        edits = tuple(marked) if self._rules.is_marking else ()
        return replace(verdict, decision=decision, edits=edits, moved=(), bcc=(), reply=None, is_observed=True)

    @staticmethod
    def deferred(decision: Decision, scanned: Scanned, told: Reply, *, location: str = "") -> Verdict:
        """Return 451 for a message that was decided, and with which something of ours went wrong."""
        return Verdict(
            replace(decision, answer=Destiny.TEMPFAIL, removed=(), keep=None),
            scanned.findings,
            reply=told,
            quarantined_as=location,
            skipped=scanned.skipped,
            unwanted=scanned.unwanted,
            tree=scanned.tree,
        )

    def refused(self, job: Job, finding: Finding) -> Verdict:
        """Return a refusal that no policy has a say in."""
        mail_id = job.message.mail_id
        is_final = finding.category is not Category.FAILED
        decision = decide((finding,), job.judged, mixed=Mixed.STRICTEST)
        answer = Destiny.REJECT if is_final else Destiny.TEMPFAIL
        decision = replace(decision, answer=answer, category=finding.category, removed=(), keep=None)
        told = reply.too_long(mail_id) if is_final else reply.unavailable(mail_id)
        return Verdict(decision, (finding,), reply=told)

    def style(self, message: Message) -> marks.Style:
        """Return how our fields look in a message; without a host name the MTA's is taken."""
        style = self._rules.style
        return style if style.hostname else replace(style, hostname=message.envelope.mta or "localhost")

    def _verdict(self, job: Job, decision: Decision, scanned: Scanned, *, location: str, is_signed: bool) -> Verdict:
        """Return the verdict with everything that is to be done. Raises SignError."""
        mail_id = job.message.mail_id
        traffic = job.message.envelope.traffic
        goes = routing(decision, traffic=traffic, delimiter=self._rules.delimiter)
        covered = covered_by(job.message.fields, scanned.findings)
        style = self.style(job.message)
        fields = marks.edits_for(
            job.message.fields,
            decision,
            scanned.findings,
            mail_id=mail_id,
            style=style,
            traffic=traffic,
            is_stored=bool(location),
            covered=frozenset[str]().union(*(each.names for each in covered)),
        )
        if is_signed and self._signer is not None and decision.answer is Destiny.PASS:
            results = authres.field_value(style.authserv_id or style.hostname, marks.proven(scanned.findings))
            given = Given(job.message, decision, scanned.findings, fields, results, job.deadline)
            fields = (*fields, *self._signer.edits(given))
        breaks = broken_by(fields, covered)
        return Verdict(
            decision,
            scanned.findings,
            reply=reply.reply_for(decision, scanned.findings, mail_id=mail_id, contact=of_all(job).contact),
            edits=(*fields, *goes.edits),
            moved=goes.moved,
            bcc=goes.bcc,
            quarantined_as=location,
            skipped=scanned.skipped,
            unwanted=scanned.unwanted,
            tree=scanned.tree,
            breaks=breaks,
            spares=tuple(dict.fromkeys(each.domain for each in covered if self._is_spared(fields, each, of_all(job)))),
        )

    def _is_spared(self, edits: Sequence[Edit], covered: Covered, policy: Policy) -> bool:
        """Whether an edit was left undone, or made elsewhere, for a signature's sake."""
        if policy.protect_signatures is Protect.OFF:
            return False
        is_tag_elsewhere = any(isinstance(edit, InsertField) and edit.name == marks.TAG_FIELD for edit in edits)
        is_rule_left = policy.protect_signatures is Protect.NEVER_BREAK and any(
            rule.name.lower() in covered.names for rule in self._rules.style.custom
        )
        return is_tag_elsewhere or is_rule_left
