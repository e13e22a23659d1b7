# SPDX-License-Identifier: GPL-3.0-or-later
"""The story of one message: begin at the end of its header section, finish at the end of message.

    begin → (checks run while the content arrives) → finish: findings → decide → keep → verdict
    → the server answers → record

Knows nothing of libmilter: ``milterguard scan`` tells the same story about a file.

*Errors:* ``finish`` raises ContentError when the octets are gone; the session answers that, and
whatever else is unexpected, with 451. A copy that cannot be kept becomes TEMPFAIL in here.
"""

import itertools
import logging
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from milterguard.core import marks, reply
from milterguard.core.authors import authors_of
from milterguard.core.custom import most_copies
from milterguard.core.decide import decide, is_settled, is_wanted
from milterguard.core.destiny import Destiny, Mixed
from milterguard.core.envelope import Client, Envelope, Traffic
from milterguard.core.finding import Category, Finding
from milterguard.core.listed import NOT_LISTED
from milterguard.core.message import Content, Field, Message
from milterguard.core.proofs import proofs_of
from milterguard.core.report import Record
from milterguard.core.text import decoded, printable
from milterguard.core.verdict import Judged, Reply, Verdict
from milterguard.doors import Gate, Keeper, PolicySource, Recorder, Signer
from milterguard.errors import StoreError
from milterguard.job import Job, Rules, mixed_of, new_mail_id, of_all, over_limits_of
from milterguard.relay import RelayWarning, is_open_relay
from milterguard.released import fits, recognised
from milterguard.scan import Scan, Scanned
from milterguard.verdicts import Verdicts

log = logging.getLogger(__name__)

_RESERVE_SECONDS = 2.0
"""Kept of the deadline for deciding and for a durable copy, once the checks are over."""


class Guard:
    """Everything a worker needs to judge mail. Shared by all its sessions."""

    def __init__(
        self,
        policies: PolicySource,
        scan: Scan,
        *,
        keeper: Keeper,
        recorders: Sequence[Recorder],
        rules: Rules,
        gate: Gate | None = None,
        signer: Signer | None = None,
        closing: Sequence[Callable[[], None]] = (),
    ) -> None:
        """``closing`` is called by ``close``, in that order, once no check runs any more."""
        self.rules = rules
        self._policies = policies
        self._scan = scan
        self._keeper = keeper
        self._recorders = tuple(recorders)
        self._gate = gate
        self._verdicts = Verdicts(rules, signer)
        self._closing = tuple(closing)
        self._count = itertools.count(1)
        self._relay_warning = RelayWarning()

    def traffic(self, client: Client, sender: str = "") -> Traffic:
        return self._policies.traffic(client, sender)

    def banks(self, client: Client, sender: str, traffic: Traffic) -> tuple[str, ...]:
        """Return the names of the policy banks that hold for a message."""
        return self._policies.banks(client, sender, traffic)

    def judged(
        self,
        address: str,
        *,
        parameters: tuple[str, ...],
        traffic: Traffic,
        banks: tuple[str, ...] = (),
        sender: str = "",
    ) -> Judged:
        """Return a recipient with the policy that holds for him. Raises StoreError."""
        return self._policies.judged(address, parameters=parameters, traffic=traffic, banks=banks, sender=sender)

    def message(self, envelope: Envelope, fields: Sequence[Field], content: Content) -> Message:
        """Return a message with ids of its own, received now."""
        return Message(
            mail_id=new_mail_id(),
            log_id=f"{os.getpid():05d}-{next(self._count):02d}",
            received_at=time.time(),
            envelope=envelope,
            fields=tuple(fields),
            content=content,
        )

    def begin(self, message: Message, judged: Sequence[Judged]) -> Job:
        """Start the checks of a message whose content may still be arriving."""
        job = self.unbegun(message, judged)
        job.release = recognised(message, self._gate.key) if self._gate else None
        if job.release is None:
            reserve = min(_RESERVE_SECONDS, self.rules.deadline_seconds / 4)
            job.running = self._scan.begin(
                message, job.deadline - reserve, judged=job.judged, is_wanted=lambda check: is_wanted(check, job.judged)
            )
        return job

    def unbegun(self, message: Message, judged: Sequence[Judged]) -> Job:
        """Return a job whose checks nobody has started; the recipients' lists know who wrote it. Raises StoreError."""
        started = time.monotonic()
        envelope = message.envelope
        informed = self._policies.with_authors(
            judged, sender=envelope.sender, authors=authors_of(message.fields), banks=envelope.banks
        )
        return Job(message, informed, deadline=started + self.rules.deadline_seconds, started=started, running=None)

    def finish(self, job: Job) -> Verdict:
        """Return the verdict, its copy kept. Blocks until the checks are over, at most to the deadline."""
        if job.running is None:
            return self._let_pass_once(job)
        return self.concluded(job, self.scanned(job))

    def scanned(self, job: Job) -> Scanned:
        """Return what the checks found, once they are over; nothing where none was started."""
        if job.running is None:
            return Scanned(())
        # Banks by the author may change every policy: until they are known nothing is settled.
        return self._scan.finish(
            job.running, lambda findings: not self._policies.need_proofs and is_settled(findings, job.judged)
        )

    def concluded(self, job: Job, scanned: Scanned) -> Verdict:
        """Return the verdict that follows from these findings and those that are our own, its copy kept."""
        self._add_proven_banks(job, scanned.findings)
        scanned = replace(scanned, findings=(*scanned.findings, *self._own_findings(job)))
        decision = decide(scanned.findings, job.judged, mixed=self._mixed(job))
        if self.rules.is_observing:
            return self._verdicts.observed(job, decision, scanned)
        # First what may still fail, then the copy: who is deferred comes again, and would be kept again.
        verdict = self._verdicts.complete(job, decision, scanned)
        if decision.keep is None or verdict.answer is not decision.answer:
            return verdict
        try:
            location = self._keeper.keep(job.message, decision, scanned.findings)
        except StoreError as error:
            log.warning("(%s) no copy could be kept: %s", job.message.log_id, error)
            return self._verdicts.deferred(decision, scanned, reply.not_stored(job.message.mail_id))
        return replace(verdict, quarantined_as=location)

    def also_record(self, recorder: Recorder) -> None:
        """Hand records to this one too. Before the first message."""
        self._recorders = (*self._recorders, recorder)

    def abandon(self, job: Job) -> None:
        """Stop what still runs: the session is gone, or the deadline over. Idempotent."""
        if job.running is not None:
            job.running.budget.cancel()

    def record(self, job: Job, verdict: Verdict, *, answer: Destiny, reply_line: str) -> None:
        """Hand the answered message to journal and log. Never raises."""
        message = job.message
        record = Record(
            mail_id=message.mail_id,
            log_id=message.log_id,
            received_at=message.received_at,
            envelope=message.envelope,
            size=message.size(),
            message_id=printable(decoded(message.first(b"Message-ID")), 255),
            subject=printable(decoded(message.first(b"Subject")), 255),
            from_address=printable(decoded(message.first(b"From")), 255),
            authors=authors_of(message.fields),
            verdict=verdict,
            answer=answer,
            reply=reply_line,
            milliseconds=(time.monotonic() - job.started) * 1000,
        )
        for recorder in self._recorders:
            recorder.submit(record)
        if is_open_relay(message.envelope):
            self._relay_warning.say(message.log_id, message.envelope.client.address)

    def unchecked(self, job: Job, detail: str) -> Verdict:
        """Return the verdict for a message whose own was never reached: 451, and why."""
        return self._verdicts.refused(job, Finding("milterguard", Category.FAILED, "error", printable(detail)))

    def too_long(self, job: Job, detail: str) -> Verdict:
        """Return the verdict for a message of which we have not kept everything.

        That is a refusal, but for mail that did not come by SMTP: its refusal would be a bounce to
        somebody, so it passes with a warning where the policy lets unchecked mail pass (D14).
        """
        if job.message.envelope.traffic is Traffic.LOCAL:
            unchecked = Finding("milterguard", Category.UNCHECKED, "over limits", detail)
            findings = (unchecked, *self._own_findings(job))
            decision = decide(findings, job.judged, mixed=self._mixed(job))
            if decision.answer is Destiny.PASS:
                decision = replace(decision, keep=None)
                return self._verdicts.complete(job, decision, Scanned(findings), is_signed=False)
        return self._verdicts.refused(job, Finding("milterguard", Category.OVERSIZED, "limit", detail))

    def close(self) -> None:
        """Let running checks end, then the recorders write what they have."""
        self._scan.close()
        for close in self._closing:
            close()

    def _add_proven_banks(self, job: Job, findings: Sequence[Finding]) -> None:
        """Lay those banks over the recipients' policies that are told by who wrote the message. Raises StoreError.

        What was asked of it, and whether it was taken at RCPT, was settled before.
        """
        envelope = job.message.envelope
        if not self._policies.need_proofs:
            return
        proofs = proofs_of(findings, authors_of(job.message.fields))
        banks = self._policies.banks(envelope.client, envelope.sender, envelope.traffic, proofs)
        if banks == envelope.banks:
            return
        judged = [
            self._policies.judged(
                each.address, parameters=each.parameters, traffic=envelope.traffic, banks=banks, sender=envelope.sender
            )
            for each in envelope.recipients
        ]
        job.message = replace(job.message, envelope=replace(envelope, banks=banks))
        job.judged = self._policies.with_authors(
            judged, sender=envelope.sender, authors=authors_of(job.message.fields), banks=banks
        )

    def _own_findings(self, job: Job) -> tuple[Finding, ...]:
        """Return what only we can find: somebody's size limit, fields whose removal would keep the MTA busy."""
        findings = list(over_limits_of(job.judged, job.message.size()))
        fields, style = job.message.fields, self._verdicts.style(job.message)
        copies = len(marks.foreign_copies(fields, style)) + most_copies(fields, style.custom)
        if copies > marks.MOST_COPIES:
            said = f"{copies} fields that would have to be removed"
            findings.append(Finding("milterguard", Category.OVERSIZED, "fields", said))
        return tuple(findings)

    def _mixed(self, job: Job) -> Mixed:
        return mixed_of(job.judged, job.message.envelope.traffic)

    # --- released mail -----------------------------------------------------------------------

    def _let_pass_once(self, job: Job) -> Verdict:
        """Return PASS for a released message whose token fits and is unused; REJECT otherwise."""
        assert job.release is not None
        assert self._gate is not None
        # Nothing of it is kept: the copy that it was released from is still there. Lists have had their say then.
        judged = [replace(each, listed=NOT_LISTED) for each in job.judged]
        decision = replace(decide((), judged, mixed=of_all(job).mixed_recipients), keep=None)
        try:
            is_good = fits(job.release, job.message, job.deadline) and self._gate.use_once(
                job.release.digest, job.release.expires
            )
        except StoreError as error:
            log.warning("(%s) the use of a release token could not be marked: %s", job.message.log_id, error)
            return self._verdicts.deferred(decision, Scanned(()), reply.not_stored(job.message.mail_id))
        if not is_good:
            refused = replace(decision, answer=Destiny.REJECT)
            text = f"Release token is used, expired or of another message, id={job.message.mail_id}"
            return Verdict(refused, (), reply=Reply(554, "5.7.0", text))
        verdict = self._verdicts.released(job, decision)
        return replace(verdict, released=job.release.mail_id)
