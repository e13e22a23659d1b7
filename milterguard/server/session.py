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
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

from milterguard.core import reply
from milterguard.core.destiny import Destiny
from milterguard.core.envelope import Client, Envelope, Traffic
from milterguard.core.message import Field, Message
from milterguard.core.verdict import Edit, Judged, Reply, Verdict
from milterguard.guard import Job
from milterguard.server.admission import Place
from milterguard.server.desk import Desk
from milterguard.server.spool import Spool, Trouble

log = logging.getLogger(__name__)
T = TypeVar("T")

FAILED = Reply(451, "4.3.0", "Internal error, try again later")
NO_SPACE = Reply(451, "4.3.1", "Message could not be stored, try again later")
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


@dataclass(slots=True, eq=False)
class Transaction:
    """Everything about one message, from MAIL to the answer or to its abort."""

    sender: str
    parameters: tuple[str, ...]
    client: Client
    mta: str
    spool: Spool
    traffic: Traffic = Traffic.INBOUND
    queue_id: str = ""
    judged: list[Judged] = field(default_factory=list)
    fields: list[Field] = field(default_factory=list)
    header_bytes: int = 0
    refusal: Reply | None = None
    """What will be answered whatever else happens; the first one stays."""
    message: Message | None = None
    deadline: float = 0.0
    place: Place | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)
    job: Job | None = None
    begun: "Future[None] | None" = None
    is_over: bool = False

    def refuse(self, refusal: Reply) -> None:
        self.refusal = self.refusal or refusal


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

    def helo(self, name: str, tls: str) -> None:
        """Take the name; comes again after STARTTLS, and aborts what was begun (RFC 5321 section 4.1.4)."""
        self.abort()
        self._client = replace(self._client, helo=name, tls=tls)

    def mail(
        self, sender: bytes, parameters: Sequence[bytes], *, login: str = "", mechanism: str = "", queue_id: str = ""
    ) -> None:
        """Begin a message. A sender that is not UTF-8 is refused at RCPT."""
        self.abort()
        server = self._desk.server
        address = _address(sender)
        self._transaction = Transaction(
            sender=address or "",
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
        if address is None:
            self._transaction.refuse(reply.NOT_UTF8)

    def rcpt(self, recipient: bytes, parameters: Sequence[bytes]) -> Reply | None:
        """Take a recipient, or return why not."""
        transaction = self._transaction
        if transaction is None:
            return FAILED
        address = _address(recipient)
        if transaction.refusal is not None or address is None:
            return transaction.refusal or reply.NOT_UTF8
        client, given = transaction.client, _parameters(parameters)
        traffic, judged = self._asked(lambda: self._judged(client, address, given))
        if transaction.judged and self._guard.wants_split(transaction.judged[0], judged, traffic):
            return reply.SPLIT
        transaction.traffic = traffic
        transaction.judged.append(judged)
        return None

    def data(self, queue_id: str) -> Reply | None:
        """Take the queue id, which Postfix knows only now; return what is wrong already."""
        transaction = self._transaction
        if transaction is None:
            return FAILED
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
            transaction.refuse(reply.TOO_LONG)
        else:
            transaction.fields.append(Field(name, value))

    def end_of_header(self, queue_id: str = "") -> None:
        """Let the checks begin, if there is room; the content is still to come."""
        transaction = self._transaction
        if transaction is None or transaction.message is not None:
            return
        transaction.queue_id = queue_id or transaction.queue_id
        transaction.deadline = time.monotonic() + self._guard.rules.deadline_seconds
        transaction.message = self._guard.message(_envelope(transaction), transaction.fields, transaction.spool)
        if not transaction.judged:
            transaction.refuse(FAILED)
        if transaction.refusal is None:
            transaction.place = self._desk.admission.enter()
        if transaction.place is None:
            transaction.refuse(reply.BUSY)
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
            return Answer(Destiny.TEMPFAIL, FAILED)
        self._desk.count_message()
        try:
            self.end_of_header()
            transaction.spool.finish()
            return self._answer(transaction, door)
        except Exception:
            log.exception("the end of a message failed")
            self._record(transaction, None, FAILED, detail="internal error")
            return Answer(Destiny.TEMPFAIL, FAILED)
        finally:
            self.abort()

    # --- whenever ----------------------------------------------------------------------------

    def spoil(self) -> None:
        """A step went wrong: whatever comes, this message is answered with 451."""
        if self._transaction is not None:
            self._transaction.refuse(FAILED)

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

    # --- in threads of ours ------------------------------------------------------------------

    def _judged(self, client: Client, address: str, parameters: tuple[str, ...]) -> tuple[Traffic, Judged]:
        traffic = self._guard.traffic(client)
        return traffic, self._guard.judged(address, parameters=parameters, traffic=traffic)

    def _begin(self, transaction: Transaction) -> None:
        place = _held(transaction)
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
        place = _held(transaction)
        if place is None or transaction.job is None:
            return None
        try:
            return self._guard.finish(transaction.job)
        finally:
            place.drop()

    # --- the answer --------------------------------------------------------------------------

    def _answer(self, transaction: Transaction, door: Door) -> Answer:
        refusal = transaction.refusal or _spool_refusal(transaction.spool)
        if refusal is not None:
            return self._record(transaction, None, refusal, detail=transaction.spool.detail or refusal.text)
        verdict = self._verdict(transaction, door)
        if verdict is None:
            log.warning("(%s) no verdict within the deadline", _log_id(transaction))
            return self._record(transaction, None, None, detail="no verdict within the deadline")
        if verdict.answer is Destiny.PASS:
            try:
                door.apply(verdict.edits)
            except Exception:
                log.exception("(%s) the MTA did not take our edits", _log_id(transaction))
                return self._record(transaction, None, FAILED, detail="the MTA did not take our edits")
        return self._record(transaction, verdict, verdict.reply)

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

    def _record(
        self, transaction: Transaction, verdict: Verdict | None, refusal: Reply | None, *, detail: str = ""
    ) -> Answer:
        """Hand the message to journal and log; return the answer. Without a verdict it is *not checked*."""
        job = transaction.job or _unbegun(transaction)
        if job is None:
            return Answer(Destiny.TEMPFAIL, FAILED)
        final = verdict or self._guard.unchecked(job, detail)
        told = refusal or final.reply
        destiny = _refused_as(told) if verdict is None else verdict.answer
        line = "" if told is None or destiny is Destiny.PASS else str(told)
        try:
            self._desk.clerks.submit(self._guard.record, job, final, answer=destiny, reply_line=line)
        except RuntimeError:
            log.exception("(%s) could not be recorded", job.message.log_id)
        return Answer(destiny, told)

    def _asked(self, question: Callable[[], T]) -> T:
        """Return what a thread of ours found out; raises what it raised, or TimeoutError."""
        return self._desk.clerks.submit(question).result(timeout=_LOOKUP_SECONDS)


def _held(transaction: Transaction) -> Place | None:
    """Return the transaction's place, held once more; None when the transaction is over."""
    with transaction.lock:
        if transaction.is_over or transaction.place is None:
            return None
        transaction.place.hold()
        return transaction.place


def _unbegun(transaction: Transaction) -> Job | None:
    """Return a job without checks, for the record of a message that was refused before they began."""
    if transaction.message is None or not transaction.judged:
        return None
    now = time.monotonic()
    return Job(transaction.message, tuple(transaction.judged), deadline=now, started=now, running=None)


def _envelope(transaction: Transaction) -> Envelope:
    return Envelope(
        sender=transaction.sender,
        recipients=tuple(each.recipient for each in transaction.judged),
        client=transaction.client,
        traffic=transaction.traffic,
        parameters=transaction.parameters,
        mta=transaction.mta,
        queue_id=transaction.queue_id,
    )


def _spool_refusal(spool: Spool) -> Reply | None:
    if spool.trouble is None:
        return None
    return reply.TOO_LONG if spool.trouble is Trouble.TOO_LONG else NO_SPACE


def _refused_as(told: Reply | None) -> Destiny:
    return Destiny.REJECT if told is not None and told.code >= 500 else Destiny.TEMPFAIL


def _log_id(transaction: Transaction) -> str:
    return transaction.message.log_id if transaction.message else "-"


def _address(octets: bytes) -> str | None:
    """Return a mailbox without angle brackets; None if it is not UTF-8.

    ``sendmail(1)`` under Postfix gives it without brackets, SMTP with them.
    """
    try:
        text = octets.decode("utf-8").strip()
    except UnicodeDecodeError:
        return None
    return text[1:-1] if text.startswith("<") and text.endswith(">") else text


def _parameters(given: Sequence[bytes]) -> tuple[str, ...]:
    return tuple(octets.decode("utf-8", "backslashreplace") for octets in given)
