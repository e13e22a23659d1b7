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
from milterguard.core.given import Given
from milterguard.core.message import Message
from milterguard.core.policy import Protect
from milterguard.core.recipients import routing
from milterguard.core.text import printable
from milterguard.core.verdict import ChangeField, Decision, Edit, InsertField, RemoveField, Reply, Verdict
from milterguard.covered import Covered, broken_by, covered_by
from milterguard.doors import Signer
from milterguard.errors import SignError
from milterguard.job import Job, Rules, of_all
from milterguard.scan import Scanned

log = logging.getLogger(__name__)


class Verdicts:
    """Makes verdicts under one configuration. Shared by all messages of a worker."""

    def __init__(self, rules: Rules, signer: Signer | None) -> None:
        self._rules = rules
        self._signer = signer

    def complete(self, job: Job, decision: Decision, scanned: Scanned, *, is_signed: bool = True) -> Verdict:
        """Return the verdict with everything that is to be done, as if the copy that is to be kept were."""
        message, style = job.message, self.style(job.message)
        covered = covered_by(message.fields, scanned.findings)
        fields = self._edits(job, decision, scanned, covered)
        signatures: tuple[InsertField, ...] = ()
        if is_signed and self._signer is not None and decision.answer is Destiny.PASS:
            removed = frozenset(decision.removed)
            accepted = [outcome for outcome in decision.outcomes if outcome.address not in removed]
            told = marks.told_proofs(scanned.findings, accepted, traffic=message.envelope.traffic)
            results = authres.field_value(style.id, told)
            given = Given(message, decision, scanned.findings, fields, results, job.deadline)
            try:
                signatures = self._signer.edits(given)
            except SignError as error:
                log.warning("(%s) not signed: %s", message.log_id, error)
                if self._must_be_signed(message):
                    return self._unsigned(message, decision, scanned, error)
        goes = routing(decision, traffic=message.envelope.traffic, delimiter=self._rules.delimiter)
        contact = of_all(job).contact
        return Verdict(
            decision,
            scanned.findings,
            reply=reply.reply_for(decision, scanned.findings, mail_id=message.mail_id, contact=contact),
            edits=(*fields, *signatures, *goes.edits),
            moved=goes.moved,
            bcc=goes.bcc,
            skipped=scanned.skipped,
            unwanted=scanned.unwanted,
            tree=scanned.tree,
            breaks=broken_by(fields, covered),
            spares=self._spared(job, decision, scanned, covered, fields),
        )

    def observed(self, job: Job, decision: Decision, scanned: Scanned) -> Verdict:
        """Return a verdict that tells what was decided and lets the message pass to everybody."""
        passing = replace(decision, answer=Destiny.PASS, removed=(), keep=None)
        verdict = self.complete(job, passing, scanned)
        if not self._rules.is_marking:
            verdict = replace(verdict, breaks=(), spares=())
        marked = (each for each in verdict.edits if isinstance(each, RemoveField | ChangeField | InsertField))
        edits = tuple(marked) if self._rules.is_marking else ()
        return replace(verdict, decision=decision, edits=edits, moved=(), bcc=(), reply=None, is_observed=True)

    def released(self, job: Job, decision: Decision) -> Verdict:
        """Return the verdict for mail that an operator gives back: without fields of our names, signed if ours."""
        edits: tuple[Edit, ...] = marks.foreign_copies(job.message.fields, self.style(job.message))
        if self._signer is not None:
            given = Given(job.message, decision, (), edits, "", job.deadline)
            try:
                edits = (*edits, *self._signer.edits(given))
            except SignError as error:
                log.warning("(%s) not signed: %s", job.message.log_id, error)
        return Verdict(decision, (), edits=edits)

    @staticmethod
    def deferred(decision: Decision, scanned: Scanned, told: Reply) -> Verdict:
        """Return 451 for a message that was decided, and with which something of ours went wrong."""
        return Verdict(
            replace(decision, answer=Destiny.TEMPFAIL, removed=(), keep=None),
            scanned.findings,
            reply=told,
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

    def _edits(self, job: Job, decision: Decision, scanned: Scanned, covered: Sequence[Covered]) -> tuple[Edit, ...]:
        """Return what is done to the fields; what breaks one of the covering signatures is not, where it may not."""
        is_careful = bool(covered) and of_all(job).protect_signatures is not Protect.OFF
        return marks.edits_for(
            job.message.fields,
            decision,
            scanned.findings,
            mail_id=job.message.mail_id,
            style=self.style(job.message),
            traffic=job.message.envelope.traffic,
            is_stored=decision.keep is not None,
            spares=(lambda edit: bool(broken_by((edit,), covered))) if is_careful else (lambda _edit: False),
        )

    def _spared(
        self, job: Job, decision: Decision, scanned: Scanned, covered: Sequence[Covered], made: Sequence[Edit]
    ) -> tuple[str, ...]:
        """Return the domains whose signatures would have been broken by edits that were not made."""
        if not covered or of_all(job).protect_signatures is Protect.OFF:
            return ()
        would_break = broken_by(self._edits(job, decision, scanned, ()), covered)
        broken = broken_by(made, covered)
        return tuple(domain for domain in would_break if domain not in broken)

    def _must_be_signed(self, message: Message) -> bool:
        is_deferred = self._rules.unsigned.of(message.envelope.traffic) is Destiny.TEMPFAIL
        return is_deferred and not self._rules.is_observing

    def _unsigned(self, message: Message, decision: Decision, scanned: Scanned, error: SignError) -> Verdict:
        """Return 451 for a message that nobody could sign, with the reason in its record."""
        told = reply.unavailable(message.mail_id)
        finding = Finding("signing", Category.FAILED, "error", printable(str(error)), on_failure=Destiny.TEMPFAIL)
        verdict = self.deferred(replace(decision, category=Category.FAILED), scanned, told)
        return replace(verdict, findings=(*scanned.findings, finding))
