# SPDX-License-Identifier: GPL-3.0-or-later
"""One connection of an MTA, without libmilter: what it says is collected, what we think is answered.

Everything that belongs to one message lives in its ``Transaction`` and dies with it, so nothing can
reach the next message. Steps that the MTA does not wait for cannot answer: what goes wrong in them
is remembered and told at the next step that can.

*Source:* RFC 5321 (transactions), the milter protocol's steps.

*Errors:* this is the last of the three doors with a broad ``except``: whatever is unexpected
becomes 451 for this message, and the session goes on.
"""

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import wait
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from milterguard.core import reply
from milterguard.core.admit import refused_at_rcpt
from milterguard.core.destiny import Destiny
from milterguard.core.envelope import Client, Traffic
from milterguard.core.mailbox import is_mailbox, unbracketed, without_route
from milterguard.core.message import Field
from milterguard.core.text import decoded, printable
from milterguard.core.verdict import Edit, Judged, Reply, Verdict
from milterguard.errors import StoreError
from milterguard.job import Job, wants_split
from milterguard.server.desk import Desk
from milterguard.server.spool import Spool, Trouble
from milterguard.server.transaction import Transaction, envelope_of, held, unbegun

log = logging.getLogger(__name__)
T = TypeVar("T")

_LOOKUP_SECONDS = 10.0
"""The longest a recipient's policy is waited for; the MTA's own limit for a command is 30 s."""


class Door(Protocol):
    """What only the MTA's side of the session can do, at the end of a message."""

    def progress(self) -> None:
        """Tell the MTA that we are still at work."""
        ...

    def apply(self, edits: Sequence[Edit]) -> None:
        """Tell the MTA what to change. May raise whatever."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """What the MTA shall be told at the end of a message."""

    destiny: Destiny
    reply: Reply | None = None
    """For REJECT and TEMPFAIL."""


class Session:
    """The steps of one connection, in the order in which the MTA takes them. Used by one thread at a time."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._guard = desk.guard
        self._client = Client()
        self._mta = ""
        self._transaction: Transaction | None = None

    # --- before the message ------------------------------------------------------------------

    def connect(self, client: Client, mta: str) -> None:
        """Take the client and the MTA's host name; an XCLIENT comes as a new session."""
        self.abort()
        self._client, self._mta = client, mta

    def helo(self, name: str, tls: str, *, certificate: str = "", issuer: str = "") -> None:
        """Take the name; comes again after STARTTLS, and aborts what was begun (RFC 5321 section 4.1.4)."""
        self.abort()
        self._client = replace(self._client, helo=name, tls=tls, certificate=certificate, issuer=issuer)

    def mail(
        self, sender: bytes, parameters: Sequence[bytes], *, login: str = "", mechanism: str = "", queue_id: str = ""
    ) -> None:
        """Begin a message. A sender that is not UTF-8 is refused at RCPT, for MAIL has no reply."""
        self.abort()
        server = self._desk.server
        self._transaction = Transaction(
            sender=decoded(unbracketed(sender)),
            is_sender_utf8=_is_utf8(sender),
            parameters=_parameters(parameters),
            client=replace(self._client, login=login, mechanism=mechanism),
            mta=self._mta,
            queue_id=queue_id,
            spool=Spool(
                max_memory_bytes=server.max_memory_bytes,
                max_bytes=server.max_body_bytes,
                directory=server.spool_directory,
            ),
        )

    def rcpt(self, recipient: bytes, parameters: Sequence[bytes]) -> Reply | None:
        """Take a recipient, or return why not."""
        transaction = self._transaction
        if transaction is None:
            return reply.FAILED
        if transaction.refusal is not None:
            return transaction.refusal
        traffic, judged = self._asked(lambda: self._judged(transaction, recipient, parameters))
        refusal = judged if isinstance(judged, Reply) else self._refusal(transaction, judged, traffic)
        if refusal is not None:
            self._desk.count_refusal(refusal)
            return refusal
        assert isinstance(judged, Judged)
        transaction.traffic = traffic
        transaction.judged.append(judged)
        return None

    def data(self, queue_id: str) -> Reply | None:
        """Take the queue id, which Postfix knows only now; return what is wrong already."""
        transaction = self._transaction
        if transaction is None:
            return reply.FAILED
        transaction.queue_id = queue_id or transaction.queue_id
        return transaction.refusal

    # --- the message -------------------------------------------------------------------------

    def field(self, name: bytes, value: bytes) -> None:
        """Take a header field, its value as on the wire: leading space and folds included."""
        transaction = self._transaction
        if transaction is None:
            return
        transaction.header_bytes += len(name) + len(value) + 3
        if transaction.header_bytes > self._desk.server.max_header_bytes:
            transaction.is_too_long = True
        else:
            transaction.fields.append(Field(name, value))

    def end_of_header(self, queue_id: str = "") -> None:
        """Let the checks begin, if there is room; the content is still to come."""
        transaction = self._transaction
        if transaction is None or transaction.message is not None:
            return
        transaction.queue_id = queue_id or transaction.queue_id
        transaction.deadline = time.monotonic() + self._guard.rules.deadline_seconds
        transaction.message = self._guard.message(envelope_of(transaction), transaction.fields, transaction.spool)
        if not transaction.judged:
            transaction.refuse(reply.FAILED)
        if transaction.refusal is None and not transaction.is_too_long:
            transaction.place = self._desk.admission.enter()
            if transaction.place is None:
                transaction.refuse(reply.BUSY)
        if transaction.place is None:
            transaction.spool.fail(Trouble.ABORTED)
            return
        transaction.begun = self._desk.judges.submit(self._begin, transaction)

    def body(self, chunk: bytes) -> None:
        """Take octets of the body."""
        if self._transaction is not None:
            self.end_of_header()  # nothing to do, unless an MTA left that step out
            self._transaction.spool.write(chunk)

    def end_of_message(self, door: Door) -> Answer:
        """Return the answer, its edits applied. Never raises."""
        transaction = self._transaction
        if transaction is None:
            return Answer(Destiny.TEMPFAIL, reply.FAILED)
        self._desk.count_message()
        try:
            self.end_of_header()
            transaction.spool.finish()
            return self._answer(transaction, door)
        except StoreError as error:
            log.warning("(%s) deferred: %s", _log_id(transaction), error)
            return self._refused(transaction, reply.NO_POLICY, detail=str(error))
        except Exception:
            log.exception("the end of a message failed")
            return self._refused(transaction, reply.FAILED, detail="internal error")
        finally:
            self.abort()

    # --- whenever ----------------------------------------------------------------------------

    def spoil(self) -> None:
        """A step went wrong: whatever comes, this message is answered with 451."""
        if self._transaction is not None:
            self._transaction.refuse(reply.FAILED)

    def abort(self) -> None:
        """Forget the message, if there is one, and stop its checks. Never raises."""
        transaction, self._transaction = self._transaction, None
        if transaction is None:
            return
        with transaction.lock:
            transaction.is_over = True
            job = transaction.job
        try:
            transaction.spool.release()
            if job is not None:
                self._guard.abandon(job)
        except Exception:
            log.exception("the end of a transaction failed")
        finally:
            if transaction.place is not None:
                transaction.place.drop()

    def abandon(self) -> None:
        """Stop the checks of the message, from any thread: no answer is wanted any more."""
        transaction = self._transaction
        if transaction is None:
            return
        with transaction.lock:
            transaction.is_over = True
            job = transaction.job
        if job is not None:
            self._guard.abandon(job)

    def _refusal(self, transaction: Transaction, judged: Judged, traffic: Traffic) -> Reply | None:
        """Return why a recipient cannot be one of this message's; None when he can."""
        refusal = refused_at_rcpt(judged, sender=transaction.sender, parameters=transaction.parameters, traffic=traffic)
        if refusal is not None:
            log.info("RCPT <%s> refused: %s", printable(judged.recipient.address, 320), refusal)
            return refusal
        is_split = transaction.judged and wants_split(transaction.judged[0], judged, traffic)
        return reply.SPLIT if is_split else None

    # --- in threads of ours ------------------------------------------------------------------

    def _judged(
        self, transaction: Transaction, recipient: bytes, parameters: Sequence[bytes]
    ) -> tuple[Traffic, Judged | Reply]:
        traffic = self._guard.traffic(transaction.client, transaction.sender)
        path = unbracketed(recipient)
        address = without_route(decoded(path))
        # Mail that did not come by SMTP cannot be refused here: Postfix would try again every second (D14).
        if traffic is not Traffic.LOCAL:
            if not transaction.is_sender_utf8 or not _is_utf8(path):
                return traffic, reply.NOT_UTF8
            if not is_mailbox(address):
                return traffic, reply.NOT_A_MAILBOX
        if not transaction.judged:
            transaction.banks = self._guard.banks(transaction.client, transaction.sender, traffic)
        try:
            return traffic, self._guard.judged(
                address,
                parameters=_parameters(parameters),
                traffic=traffic,
                banks=transaction.banks,
                sender=transaction.sender,
            )
        except StoreError as error:
            log.warning("RCPT <%s> deferred: %s", printable(address, 320), error)
            return traffic, reply.NO_POLICY

    def _begin(self, transaction: Transaction) -> None:
        place = held(transaction)
        if place is None:
            return
        try:
            assert transaction.message is not None
            job = self._guard.begin(transaction.message, tuple(transaction.judged))
            for future in job.running.futures if job.running else ():
                place.hold()
                future.add_done_callback(place.drop)
            with transaction.lock:
                transaction.job = job
                is_over = transaction.is_over
            if is_over:
                self._guard.abandon(job)
        finally:
            place.drop()

    def _finish(self, transaction: Transaction) -> Verdict | None:
        assert transaction.begun is not None
        transaction.begun.result()
        place = held(transaction)
        if place is None or transaction.job is None:
            return None
        try:
            return self._guard.finish(transaction.job)
        finally:
            place.drop()

    # --- the answer --------------------------------------------------------------------------

    def _answer(self, transaction: Transaction, door: Door) -> Answer:
        spool = transaction.spool
        if transaction.refusal is not None:
            return self._refused(transaction, transaction.refusal, detail=transaction.refusal.text)
        if transaction.is_too_long or spool.trouble is Trouble.TOO_LONG:
            return self._too_long(transaction, door)
        if spool.trouble is not None:
            return self._refused(transaction, reply.NO_SPACE, detail=spool.detail)
        verdict = self._verdict(transaction, door)
        if verdict is None:
            log.warning("(%s) no verdict within the deadline", _log_id(transaction))
            return self._refused(transaction, None, detail="no verdict within the deadline")
        assert transaction.job is not None
        return self._given(transaction.job, verdict, door)

    def _too_long(self, transaction: Transaction, door: Door) -> Answer:
        job = transaction.job or unbegun(transaction)
        if job is None:
            return Answer(Destiny.TEMPFAIL, reply.FAILED)
        return self._given(job, self._guard.too_long(job, "longer than max_header_bytes or max_body_bytes"), door)

    def _given(self, job: Job, verdict: Verdict, door: Door) -> Answer:
        """Return the verdict as an answer, its edits applied, and hand it to journal and log."""
        answer = Answer(verdict.answer, verdict.reply)
        if verdict.answer is Destiny.PASS:
            try:
                door.apply(verdict.edits)
            except Exception:
                log.exception("(%s) the MTA did not take our edits", job.message.log_id)
                verdict = self._guard.unchecked(job, "the MTA did not take our edits")
                answer = Answer(Destiny.TEMPFAIL, reply.with_id(reply.FAILED, job.message.mail_id))
        self._record(job, verdict, answer)
        return answer

    def _refused(self, transaction: Transaction, refusal: Reply | None, *, detail: str) -> Answer:
        """Answer a message whose verdict was never reached with this reply, or with the usual 451."""
        job = transaction.job or unbegun(transaction)
        if job is None:
            return Answer(Destiny.TEMPFAIL, reply.FAILED)
        verdict = self._guard.unchecked(job, detail)
        told = verdict.reply if refusal is None else reply.with_id(refusal, job.message.mail_id)
        answer = Answer(Destiny.REJECT if told is not None and told.code >= 500 else Destiny.TEMPFAIL, told)
        self._record(job, verdict, answer)
        return answer

    def _record(self, job: Job, verdict: Verdict, answer: Answer) -> None:
        line = "" if answer.reply is None or answer.destiny is Destiny.PASS else str(answer.reply)
        try:
            self._desk.clerks.submit(self._guard.record, job, verdict, answer=answer.destiny, reply_line=line)
        except RuntimeError:
            log.exception("(%s) could not be recorded", job.message.log_id)

    def _verdict(self, transaction: Transaction, door: Door) -> Verdict | None:
        """Return the verdict; None when the deadline or the end of the process came first."""
        finished = self._desk.judges.submit(self._finish, transaction)
        while (left := transaction.deadline - time.monotonic()) > 0:
            if wait((finished,), timeout=min(left, self._desk.server.progress_seconds)).done:
                verdict = finished.result()
                return None if transaction.is_over else verdict
            if transaction.deadline > time.monotonic():
                door.progress()
        return None

    def _asked(self, question: Callable[[], T]) -> T:
        """Return what a thread of ours found out; raises what it raised, or TimeoutError."""
        return self._desk.clerks.submit(question).result(timeout=_LOOKUP_SECONDS)


def _log_id(transaction: Transaction) -> str:
    return transaction.message.log_id if transaction.message else "-"


def _is_utf8(octets: bytes) -> bool:
    """Whether an address is what RFC 6531 allows."""
    try:
        octets.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _parameters(given: Sequence[bytes]) -> tuple[str, ...]:
    return tuple(octets.decode("utf-8", "backslashreplace") for octets in given)
