# SPDX-License-Identifier: GPL-3.0-or-later
"""A desk with the real Guard behind it, for sessions without an MTA."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from milterguard.config.on_failure import OnFailure
from milterguard.config.settings import Server
from milterguard.core.destiny import Destiny, Mixed
from milterguard.core.envelope import Client, Recipient, Traffic
from milterguard.core.finding import Finding
from milterguard.core.message import Message
from milterguard.core.policy import Policy
from milterguard.core.report import Record
from milterguard.core.verdict import Decision, Edit, Judged
from milterguard.guard import Guard
from milterguard.job import Rules
from milterguard.scan import Checked, Scan
from milterguard.server.admission import Admission, Seats
from milterguard.server.desk import Desk
from milterguard.server.session import Answer, Session
from tests.server.tree import Policies, Says


class Classes(Policies):
    """Recipients whose name begins with x have a policy of their own."""

    def __init__(self, mixed: Mixed) -> None:
        self._mixed = mixed

    def judged(
        self,
        address: str,
        *,
        parameters: tuple[str, ...],
        traffic: Traffic,
        banks: tuple[str, ...] = (),
        sender: str = "",
    ) -> Judged:
        is_other = address.startswith("x")
        policy = Policy(spam_lover=is_other, banned_destiny=Destiny.DISCARD, mixed_recipients=self._mixed)
        return Judged(Recipient(address, is_local=True, parameters=parameters), policy)


class SlowKeeper:
    """Keeps when it is told that it may."""

    def __init__(self) -> None:
        self.may = threading.Event()
        self.may.set()

    def keep(self, message: Message, decision: Decision, findings: Sequence[Finding]) -> str:
        self.may.wait(10)
        return "kept"


class Records:
    """Remembers what was recorded."""

    def __init__(self) -> None:
        self.all: list[Record] = []
        self._came = threading.Condition()

    def submit(self, record: Record) -> None:
        with self._came:
            self.all.append(record)
            self._came.notify_all()

    def last(self, number: int = 1) -> Record:
        with self._came:
            assert self._came.wait_for(lambda: len(self.all) >= number, 5)
            return self.all[-1]


class Door:
    """The MTA's side, which may refuse."""

    def __init__(self, trouble: Callable[[], None] = lambda: None) -> None:
        self.edits: list[Edit] = []
        self.progressed = 0
        self._trouble = trouble

    def progress(self) -> None:
        self.progressed += 1
        self._trouble()

    def apply(self, edits: Sequence[Edit]) -> None:
        self._trouble()
        self.edits += edits


class Room:
    """A desk with one session at it."""

    def __init__(self, server: Server, *, deadline_seconds: float, mixed: Mixed) -> None:
        self.records = Records()
        self.keeper = SlowKeeper()
        scan = Scan((Checked(Says(), OnFailure()),), threads=4)
        rules = Rules(deadline_seconds=deadline_seconds)
        guard = Guard(Classes(mixed), scan, keeper=self.keeper, recorders=(self.records,), rules=rules)
        seats = Seats()
        admission = Admission(seats, seats.take() or 0, max_messages=server.max_messages, max_messages_total=99)
        self.desk = Desk(guard, server, admission)
        self.session = Session(self.desk)
        self.session.connect(Client("192.0.2.7", 25, "mx.sender.example"), "mta.ours.example")
        self.session.helo("mx.sender.example", "")

    def begin(
        self, say: str = "", *, body: bytes = b"hello\r\n", recipients: tuple[bytes, ...] = (b"<u@o.x>",)
    ) -> None:
        self.session.mail(b"<s@sender.example>", ())
        for recipient in recipients:
            assert self.session.rcpt(recipient, ()) is None
        assert self.session.data("4Q") is None
        self.session.field(b"X-Say", b" " + say.encode())
        self.session.end_of_header()
        self.session.body(body)

    def message(self, say: str = "", *, body: bytes = b"hello\r\n", door: Door | None = None) -> Answer:
        self.begin(say, body=body)
        return self.session.end_of_message(door or Door())

    def await_empty(self) -> None:
        """Every place was given back."""
        end = time.monotonic() + 5
        while self.desk.admission.count:
            assert time.monotonic() < end, "a place was not given back"
            time.sleep(0.01)


@contextmanager
def opened(
    *, server: Server | None = None, deadline_seconds: float = 5.0, mixed: Mixed = Mixed.REMOVE
) -> Iterator[Room]:
    room = Room(server or Server(), deadline_seconds=deadline_seconds, mixed=mixed)
    try:
        yield room
        room.session.abort()
        room.await_empty()
    finally:
        room.keeper.may.set()
        room.desk.close()
