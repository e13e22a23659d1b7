# SPDX-License-Identifier: GPL-3.0-or-later
"""Plays a policy test: the filter's own lookups and decisions, with findings that the case makes up.

*Errors:* CommandError for a message that cannot be read; StoreError where a database cannot be asked.
"""

import socket
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from milterguard.build import build_trial_guard
from milterguard.cli.case import PLAIN, Case
from milterguard.cli.mailfile import FileContent, opened_mail
from milterguard.cli.who import client_address
from milterguard.config.on_failure import OnFailure
from milterguard.config.settings import Settings
from milterguard.core.admit import refused_at_rcpt
from milterguard.core.destiny import Destiny
from milterguard.core.envelope import Client, Envelope, Traffic
from milterguard.core.fate import standings
from milterguard.core.finding import Category, Finding
from milterguard.core.message import Field
from milterguard.core.reasons import as_plain, in_words, reasons
from milterguard.core.reply import SPLIT
from milterguard.core.report import Record
from milterguard.core.text import decoded
from milterguard.core.verdict import ChangeField, InsertField, Judged, Reply, Verdict
from milterguard.guard import Guard
from milterguard.job import wants_split
from milterguard.scan import Scanned

REFUSED = "refused_at_rcpt"


@dataclass(frozen=True, slots=True)
class Miss:
    """Something that came out otherwise."""

    key: str
    expected: object
    found: object


@dataclass(frozen=True, slots=True)
class Played:
    """How a case went."""

    case: Case
    misses: tuple[Miss, ...]
    decided_by: tuple[tuple[str, str], ...]
    """Recipients and the settings that decided about them, in words."""


@dataclass(frozen=True, slots=True)
class _Came:
    """What really came of a case."""

    verdict: Verdict | None
    """None when nobody was left to send to."""
    banks: tuple[str, ...]
    refused: tuple[tuple[str, Reply], ...]
    subject: str
    traffic: Traffic


class Rehearsal:
    """Plays cases under one configuration."""

    def __init__(self, settings: Settings) -> None:
        checks = settings.checks
        local = replace(
            checks,
            clamd=replace(checks.clamd, enabled=False),
            spamd=replace(checks.spamd, enabled=False),
            authentication=replace(checks.authentication, enabled=False),
        )
        self._settings = settings
        self._guard = build_trial_guard(replace(settings, checks=local), _Nobody())

    def play(self, case: Case) -> Played:
        """Return how a case goes."""
        with _message(case, limit=self._settings.server.max_header_bytes) as (fields, content):
            came = _Playing(self._guard, self._settings, case).come(fields, content)
        return Played(case, tuple(_misses(case, came)), tuple(_decided_by(came)))

    def close(self) -> None:
        self._guard.close()


@dataclass(frozen=True, slots=True)
class _Playing:
    """One case."""

    guard: Guard
    settings: Settings
    case: Case

    def come(self, fields: Sequence[Field], content: FileContent) -> _Came:
        client, sender = _client(self.case), self.case.sender
        traffic = self.guard.traffic(client, sender)
        banks = self.guard.banks(client, sender, traffic)
        taken, refused = self._recipients(traffic, banks)
        subject = next((decoded(field.value).strip() for field in fields if field.is_named(b"Subject")), "")
        if not taken:
            return _Came(None, banks, refused, subject, traffic)
        envelope = Envelope(
            sender,
            tuple(each.recipient for each in taken),
            client,
            traffic,
            self._parameters(),
            mta=self.settings.headers.hostname or socket.gethostname(),
            banks=banks,
        )
        message = self.guard.message(envelope, fields, content)
        start = self.guard.begin if self.case.checks == "local" else self.guard.unbegun
        job = start(message, taken)
        scanned = self.guard.scanned(job)
        made_up = tuple(self._made_up(finding, traffic) for finding in self.case.findings)
        verdict = self.guard.concluded(job, Scanned((*made_up, *scanned.findings), tree=scanned.tree))
        return _Came(verdict, job.message.envelope.banks, refused, subject, traffic)

    def _recipients(
        self, traffic: Traffic, banks: tuple[str, ...]
    ) -> tuple[list[Judged], tuple[tuple[str, Reply], ...]]:
        """Return who may be written to, and who not, as the session asks."""
        taken: list[Judged] = []
        refused: list[tuple[str, Reply]] = []
        for address in self.case.recipients:
            judged = self.guard.judged(address, parameters=(), traffic=traffic, banks=banks, sender=self.case.sender)
            told = refused_at_rcpt(judged, sender=self.case.sender, parameters=self._parameters(), traffic=traffic)
            if told is None and taken and wants_split(taken[0], judged, traffic):
                told = SPLIT
            if told is None:
                taken.append(judged)
            else:
                refused.append((address, told))
        return taken, tuple(refused)

    def _parameters(self) -> tuple[str, ...]:
        return (f"SIZE={self.case.announced_size}",) if self.case.announced_size else ()

    def _made_up(self, finding: Finding, traffic: Traffic) -> Finding:
        """Return a finding of the case; what a failure means is looked up in the settings."""
        if finding.category is not Category.FAILED:
            return finding
        check = getattr(self.settings.checks, finding.check, None)
        on_failure: OnFailure = getattr(check, "on_failure", OnFailure())
        return replace(finding, on_failure=on_failure.of(traffic))


def _client(case: Case) -> Client:
    return Client(
        address="" if case.sendmail else client_address(case.client),
        port=0 if case.sendmail else 25,
        name="localhost" if case.sendmail else "unknown",
        helo=case.helo,
        login=case.login,
        mechanism="PLAIN" if case.login else "",
        tls="TLS" if case.tls or case.certificate else "",
        daemon=case.daemon,
        socket=case.socket,
        certificate=case.certificate,
        issuer=case.issuer,
    )


@contextmanager
def _message(case: Case, *, limit: int) -> Iterator[tuple[list[Field], FileContent]]:
    """Give fields and body of the case's message: its file, its text, or a plain one."""
    if case.message:
        with opened_mail(str(case.file.parent / case.message), max_header_bytes=limit) as opened:
            yield opened
        return
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_text(case.raw or PLAIN, encoding="utf-8")
        with opened_mail(file.name, max_header_bytes=limit) as opened:
            yield opened


# --- what was expected -----------------------------------------------------------------------------


def _misses(case: Case, came: _Came) -> Iterator[Miss]:
    expect = case.expect
    found = _found(came)
    for key in ("answer", "code", "status", "category", "bank"):
        wanted = getattr(expect, key)
        if wanted and wanted != found[key]:
            yield Miss(key, wanted, found[key])
    for key, text in (("reply_contains", found["reply"]), ("subject", found["subject"])):
        wanted = getattr(expect, key)
        if wanted and wanted not in text:
            yield Miss(key, wanted, text)
    if expect.quarantined is not None and expect.quarantined is not found["quarantined"]:
        yield Miss("quarantined", expect.quarantined, found["quarantined"])
    if expect.shadow and expect.shadow not in found["shadow"]:
        yield Miss("shadow", expect.shadow, ", ".join(found["shadow"]) or "nothing")
    for name, wanted in expect.fields.items():
        values = found["fields"].get(name.lower(), [])
        if not any(wanted in value for value in values):
            yield Miss(f"fields.{name}", wanted, "; ".join(values) or "no such field")
    for address, said in expect.recipients.items():
        yield from _recipient_misses(address, said, found["recipients"].get(address, {}))


def _recipient_misses(address: str, said: Any, found: Any) -> Iterator[Miss]:
    for key, wanted in said.items():
        if found.get(key) != wanted:
            yield Miss(f"recipients.{address}.{key}", wanted, found.get(key))


def _found(came: _Came) -> dict[str, Any]:
    verdict = came.verdict
    reply = verdict.reply if verdict else came.refused[0][1]
    edits = verdict.edits if verdict else ()
    return {
        "answer": verdict.answer.value if verdict else REFUSED,
        "code": reply.code if reply else 250,
        "status": reply.status if reply else "",
        "reply": str(reply or ""),
        "category": verdict.decision.category.word if verdict else "",
        "bank": "/".join(came.banks),
        "subject": _subject(came),
        "quarantined": bool(verdict and verdict.decision.keep),
        "shadow": sorted({each.tried.destiny.value for each in verdict.decision.outcomes if each.tried})
        if verdict
        else [],
        "fields": _fields(edits),
        "recipients": dict(_recipients(came)),
    }


def _subject(came: _Came) -> str:
    edits = came.verdict.edits if came.verdict else ()
    changed = (
        edit.value for edit in edits if isinstance(edit, ChangeField | InsertField) and edit.name.lower() == "subject"
    )
    return next(changed, came.subject)


def _fields(edits: Sequence[object]) -> dict[str, list[str]]:
    fields: dict[str, list[str]] = {}
    for edit in edits:
        if isinstance(edit, InsertField | ChangeField):
            fields.setdefault(edit.name.lower(), []).append(" ".join(edit.value.split()))
    return fields


def _recipients(came: _Came) -> Iterator[tuple[str, dict[str, Any]]]:
    for address, reply in came.refused:
        yield address, {"answer": REFUSED, "code": reply.code}
    if came.verdict is None:
        return
    moved = dict(came.verdict.moved)
    code = came.verdict.reply.code if came.verdict.reply else 250
    for standing in standings(came.verdict.decision):
        address = standing.recipient
        is_delivered = came.verdict.answer is Destiny.PASS and standing.fate == "pass"
        yield (
            address,
            {
                "answer": standing.fate.value,
                "code": code,
                "category": standing.category.word,
                "delivered_to": moved.get(address, address) if is_delivered else "",
                "spam": standing.is_spammy,
            },
        )


def _decided_by(came: _Came) -> Iterator[tuple[str, str]]:
    """Yield who was answered by which settings of whose word."""
    for address, reply in came.refused:
        yield address, str(reply)
    if came.verdict is None:
        return
    for outcome in came.verdict.decision.outcomes:
        why = reasons(outcome, came.verdict.findings, traffic=came.traffic)
        yield outcome.address, in_words(map(as_plain, why)) or "nothing was found"


class _Nobody:
    """Takes records, of which there are none."""

    def submit(self, record: Record) -> None:
        del record
