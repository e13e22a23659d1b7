# SPDX-License-Identifier: GPL-3.0-or-later
"""A campaign of kills: what is sent, what is killed, and what must be true afterwards.

Clients send until each message has a final answer, as an MTA would: again after a 4xx, never after
a 2xx or 5xx. Meanwhile workers die by SIGKILL at moments nobody chose. In the end every message is
looked for at the sink and in the quarantine.
"""

import itertools
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from os import kill
from pathlib import Path

from tests.daemons import Smtp, toml
from tests.daemons.sample import EICAR
from tests.house import STRANGER, House

DISCARDER = "discard@example.com"
USER = "user@example.com"
LOVER = "lover@example.com"
SETTINGS: toml.Table = {
    "server": {"deadline_seconds": 10.0, "workers": 3},
    "checks": {"clamd": {"retry_seconds": 0.1}, "spamd": {"enabled": False}},
    "policy": {"store_on_reject": []},
    "recipient": [
        {"match": [DISCARDER], "virus_destiny": "discard"},
        {"match": [LOVER], "virus_lover": True},
    ],
}
_KINDS = ("clean", "infected", "discarded", "mixed")
_SHARES = (25, 30, 30, 15)
"""Percent. Most must not be delivered: what passes one infected message in a hundred shall be seen."""
_RECIPIENTS = {"discarded": [DISCARDER], "mixed": [USER, LOVER]}
"""``mixed`` is infected: one gets it, the other is removed and a copy is kept for him."""
_CLAMD_SHARE = 0.1
"""Of all kills; the others hit a worker."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of it."""

    messages: int
    kills: int
    clients: int = 8
    seed: int = 1
    deadline_seconds: float = 900.0
    """Nothing goes on after that; what is missing then is a failure."""


@dataclass(slots=True)
class Tally:
    """What happened. ``lost``, ``doubled``, ``unscanned`` and ``wrong`` must stay empty."""

    answers: Counter[int] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    unscanned: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def is_good(self) -> bool:
        return not (self.lost or self.doubled or self.unscanned or self.wrong or self.unfinished)

    def __str__(self) -> str:
        return (
            f"{self.kills.total()} kills ({_counts(self.kills)}), answers {_counts(self.answers)}, "
            f"{self.seconds:.0f} s: {len(self.lost)} lost, {len(self.unscanned)} unscanned, "
            f"{len(self.doubled)} doubled, "
            f"{len(self.wrong)} with another's verdict, {len(self.unfinished)} unfinished"
        )


def _counts(counter: Counter[str] | Counter[int]) -> str:
    return ", ".join(f"{count}×{name}" for name, count in sorted(counter.items(), key=str)) or "none"


class Campaign:
    """One run over an open house whose milterguard has ``SETTINGS``."""

    def __init__(self, house: House, plan: Plan, *, say: Callable[[str], None] = lambda _text: None) -> None:
        self._house, self._plan, self._say = house, plan, say
        self._random = random.Random(plan.seed)
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._answered = threading.Condition(self._lock)
        self._final: dict[str, int] = {}
        self._done = threading.Event()
        self._end = time.monotonic() + plan.deadline_seconds
        self.tally = Tally()

    def run(self) -> Tally:
        """Return what happened when every message has its final answer and every kill is done."""
        started = time.monotonic()
        clients = [threading.Thread(target=self._client, name=f"client-{n}") for n in range(self._plan.clients)]
        for client in clients:
            client.start()
        self._kill_until_done()
        for client in clients:
            client.join()
        self._await_empty_queue()
        self._account()
        self.tally.seconds = time.monotonic() - started
        return self.tally

    # --- sending ------------------------------------------------------------------------------

    def _client(self) -> None:
        while (name := self._next()) is not None:
            code = 0
            while not 200 <= code < 400 and code < 500 and time.monotonic() < self._end:
                if code:
                    time.sleep(0.05)  # a client comes again, but not at once
                code = self._try(name)
                with self._lock:
                    self.tally.answers[code] += 1
            with self._answered:
                self._final[name] = code
                self._answered.notify_all()

    def _next(self) -> str | None:
        """Return the name of the next message; they go on until all messages are sent and all kills done."""
        with self._lock:
            number = next(self._numbers)
            is_over = number >= self._plan.messages and self._done.is_set()
            if is_over or time.monotonic() >= self._end:
                return None
            return f"{self._random.choices(_KINDS, _SHARES)[0]}-{number}"

    def _try(self, name: str) -> int:
        """Return the reply code to one attempt; 421 when there was none."""
        kind = name.partition("-")[0]
        try:
            with Smtp(self._house.postfix.port) as smtp:
                smtp.ehlo()
                smtp.xclient(STRANGER)
                smtp.ehlo()
                dialogue = smtp.send(
                    _octets(name, kind), sender="sender@sender.example", recipients=_RECIPIENTS.get(kind, [USER])
                )
                with suppress(OSError):
                    smtp.quit()
                return dialogue.last.code
        except OSError:
            return 421

    # --- killing ------------------------------------------------------------------------------

    def _kill_until_done(self) -> None:
        """Kill at random moments until all kills are done."""
        pace = self._plan.messages / max(1, self._plan.kills)
        while (killed := self.tally.kills.total()) < self._plan.kills and time.monotonic() < self._end:
            wanted = int((killed + self._random.random()) * pace)
            with self._answered:
                self._answered.wait_for(partial(self._has_answered, wanted), timeout=5.0)
            if self._random.random() < _CLAMD_SHARE:
                self._kill_clamd()
            else:
                self._kill_worker()
            if killed % 50 == 0:
                self._say(f"{killed} kills, {len(self._final)} messages answered")
        self._done.set()

    def _has_answered(self, count: int) -> bool:
        return len(self._final) >= count

    def _kill_worker(self) -> None:
        workers = self._house.milterguard.worker_pids()
        if workers:
            with suppress(ProcessLookupError):
                kill(self._random.choice(workers), signal.SIGKILL)
                self.tally.kills["worker"] += 1

    def _kill_clamd(self) -> None:
        self._house.clamd.kill()
        self._house.clamd.start()
        self.tally.kills["clamd"] += 1

    # --- accounting ---------------------------------------------------------------------------

    def _await_empty_queue(self) -> None:
        while self._house.postfix.queue() and time.monotonic() < self._end:
            self._house.postfix.flush()
            time.sleep(0.2)

    def _account(self) -> None:
        delivered = Counter(value for each in self._house.sink.messages for value in each.values("Subject"))
        recipients = {name: set[str]() for name in self._final}
        for each in self._house.sink.messages:
            for value in each.values("Subject"):
                recipients[value].update(recipient.decode() for recipient in each.recipients)
        unmarked = {
            value
            for each in self._house.sink.messages
            for value in each.values("Subject")
            if len(each.values("X-Virus-Scanned")) != 1 or each.values("X-Virus-Scanned")[0].startswith("not")
        }
        kept = Counter(_subject_of(path) for path in self._copies())
        for name, code in self._final.items():
            self._account_for(name, code, copies=delivered[name], kept=kept[name])
            if name.startswith("mixed") and recipients[name] not in (set(), {LOVER}):
                self.tally.unscanned.append(name)
            if name in unmarked:
                self.tally.unscanned.append(name)

    def _account_for(self, name: str, code: int, *, copies: int, kept: int) -> None:
        tally, kind = self.tally, name.partition("-")[0]
        if not 200 <= code < 600 or 400 <= code < 500:
            tally.unfinished.append(f"{name}: {code}")
        elif kind == "infected" or kind == "discarded":
            wanted = 554 if kind == "infected" else 250
            if copies:
                tally.unscanned.append(name)
            elif code != wanted:
                tally.wrong.append(f"{name}: {code}")
            elif kind == "discarded" and kept != 1:
                (tally.doubled if kept else tally.lost).append(name)
        elif code != 250:
            tally.wrong.append(f"{name}: {code}")
        elif kind == "mixed" and kept != 1:
            (tally.doubled if kept else tally.lost).append(name)
        elif copies != 1:
            (tally.doubled if copies else tally.lost).append(name)

    def _copies(self) -> list[Path]:
        """Return the files of all kept copies."""
        return [path for path in self._house.milterguard.quarantine.glob("?/virus-*") if path.suffix == ""]


def _subject_of(copy: Path) -> str:
    return copy.read_bytes().partition(b"\r\nSubject: ")[2].partition(b"\r\n")[0].decode()


def _octets(name: str, kind: str) -> bytes:
    content = b"Hello.\r\n" if kind == "clean" else EICAR + b"\r\n"
    return (
        b"From: sender@sender.example\r\nTo: user@example.com\r\nDate: Sat, 21 Nov 2026 12:00:00 +0000\r\n"
        b"Message-ID: <" + name.encode() + b"@sender.example>\r\nSubject: " + name.encode() + b"\r\n\r\n" + content
    )
