# SPDX-License-Identifier: GPL-3.0-or-later
"""What name servers have answered, for as long as it holds and as long as there is room. *Errors:* none."""

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

import dns.name
from dns.rdatatype import RdataType

_MAX_TTL_SECONDS = 86400.0
_MAX_KEPT_OCTETS = 16384
"""Longer answers are asked for again: nothing that mail asks about has as many."""
_ENTRY_OCTETS = 500
"""Of an entry's records, on the average."""
_RECORD_OCTETS = 100


@dataclass(frozen=True, slots=True)
class Answer:
    """What a name has of one type."""

    records: tuple[object, ...] = ()
    """``bytes`` of TXT, joined; ``str`` of A, AAAA and PTR; (preference, name) of MX."""
    is_missing: bool = False
    """The name itself does not exist (NXDOMAIN)."""


Question = tuple[dns.name.Name, RdataType]


class Cache:
    """Answers for as long as each may be kept, the last asked about staying longest. For several threads.

    dnspython's own keeps whole packets, at 5 KB each.
    """

    def __init__(self, entries: int) -> None:
        self._entries = entries
        self._room = entries * _ENTRY_OCTETS
        self._lock = threading.Lock()
        self._known: OrderedDict[Question, tuple[Answer, float]] = OrderedDict()

    def find(self, question: Question) -> Answer | None:
        with self._lock:
            found = self._known.get(question)
            if found is None or found[1] <= time.monotonic():
                return None
            self._known.move_to_end(question)
            return found[0]

    def keep(self, question: Question, answer: Answer, seconds: float) -> None:
        size = _size(answer)
        if size > _MAX_KEPT_OCTETS:
            return
        with self._lock:
            if question in self._known:
                self._room += _size(self._known.pop(question)[0])
            self._known[question] = answer, time.monotonic() + min(seconds, _MAX_TTL_SECONDS)
            self._room -= size
            while len(self._known) > self._entries or self._room < 0:
                _, (oldest, _) = self._known.popitem(last=False)
                self._room += _size(oldest)


def _size(answer: Answer) -> int:
    """Return about how many octets the records of an answer take."""
    return sum(len(record) if isinstance(record, bytes | str) else _RECORD_OCTETS for record in answer.records)
