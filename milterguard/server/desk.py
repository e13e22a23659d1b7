# SPDX-License-Identifier: GPL-3.0-or-later
"""What all sessions of one worker share: the guard, the limits, the threads. Made after the fork.

Two kinds of threads, so that a recipient's question never waits behind another message's scan:
*clerks* for short questions, *judges* for the checks of one message, one for each that is admitted.
All of them were made by Python and have no signal blocked; libmilter's own have, and every process
that a thread starts would inherit that.
"""

import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from milterguard.config.settings import Server
from milterguard.core import reply
from milterguard.core.series import place_of
from milterguard.core.verdict import Reply
from milterguard.guard import Guard
from milterguard.server.admission import Admission
from milterguard.server.tally import Row

_CLERKS = 8
_REASONS = {
    reply.DENIED_SENDER: "sender",
    reply.DENIED_RECIPIENT: "recipient",
    reply.TOO_BIG: "size",
    reply.SPLIT: "split",
    reply.NO_POLICY: "lookup",
    reply.NOT_UTF8: "address",
    reply.NOT_A_MAILBOX: "address",
}


class Abandonable(Protocol):
    """A session whose message can be given up from another thread."""

    def abandon(self) -> None: ...


class Desk:
    """Shared by the sessions of a worker; safe to use from all threads."""

    def __init__(
        self, guard: Guard, server: Server, admission: Admission, *, socket: str = "", row: Row | None = None
    ) -> None:
        """``socket`` is the entry of ``server.listen`` that this worker is for, ``row`` its counters."""
        self.guard = guard
        self.server = server
        self.admission = admission
        self.socket = socket
        self._row = row
        self.clerks = ThreadPoolExecutor(_CLERKS, "clerk", _unblock_signals)
        self.judges = ThreadPoolExecutor(server.max_messages, "judge", _unblock_signals)
        self._lock = threading.Lock()
        self._open: set[Abandonable] = set()
        self._messages = 0

    @property
    def sessions(self) -> int:
        """Connections of MTAs that are open."""
        return len(self._open)

    @property
    def messages(self) -> int:
        """Messages that came to their end since the worker started."""
        return self._messages

    def opened(self, session: Abandonable) -> None:
        with self._lock:
            self._open.add(session)

    def closed(self, session: Abandonable) -> None:
        """Forget a session. Idempotent."""
        with self._lock:
            self._open.discard(session)

    def count_message(self) -> None:
        with self._lock:
            self._messages += 1

    def count_refusal(self, refusal: Reply) -> None:
        """Count a recipient who was refused or deferred at RCPT."""
        if self._row is not None:
            self._row.add([(place_of("refused_recipients", reason=_REASONS.get(refusal, "other")), 1)])

    def abandon_all(self) -> None:
        """Stop the checks of all messages: the process is about to end, the MTA will say 451."""
        with self._lock:
            sessions = tuple(self._open)
        for session in sessions:
            session.abandon()

    def close(self) -> None:
        """Let what is under way end, then close the guard. Open sessions get no answer any more."""
        self.judges.shutdown(wait=True, cancel_futures=True)
        self.clerks.shutdown(wait=True)
        self.guard.close()


def _unblock_signals() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
