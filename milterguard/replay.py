# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides messages of the past again, from their evidence, under another configuration. Touches nothing.

The same rooms decide as for a message that comes: lookups, refusals at RCPT, ``decide``. What the checks
had found is taken from the evidence; of that, only rules about names and types are asked anew, and
what the failure of a check means. What nobody had asked for then cannot be known now.

*Errors:* ConfigError for settings that cannot be used; StoreError when a database of theirs cannot be asked.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from milterguard.build import build_policies
from milterguard.checks.banned import BannedCheck
from milterguard.config.on_failure import OnFailure
from milterguard.config.settings import Settings
from milterguard.core.admit import refused_at_rcpt
from milterguard.core.decide import decide
from milterguard.core.destiny import Mixed
from milterguard.core.envelope import Envelope, Traffic
from milterguard.core.fate import Fate, Standing, standings
from milterguard.core.finding import Category, Finding
from milterguard.core.message import Message, Reader
from milterguard.core.proofs import proofs_of
from milterguard.core.recall import Forgotten, Memory, recalled
from milterguard.core.verdict import Judged
from milterguard.errors import ContentError
from milterguard.job import class_of, mixed_of, over_limits_of
from milterguard.unpack.opened import Opened

_OURS = "milterguard"
_CUT = ("limit", "over limits")
"""What we say of a message of which we have not kept everything."""


class Why(StrEnum):
    """Why a message was not decided again."""

    OLD = "written before there was enough evidence, or damaged"
    RELEASED = "released from the quarantine"
    NO_VERDICT = "answered before there was a verdict, or not by it: no copy could be kept, or the like"


@dataclass(frozen=True, slots=True)
class Change:
    """What one recipient would get instead."""

    recipient: str
    before: Standing
    after: Standing


@dataclass(frozen=True, slots=True)
class Replayed:
    """One message, decided again."""

    mail_id: str
    sender: str
    changes: tuple[Change, ...] = ()
    why_not: Why | None = None
    is_partial: bool = False
    """Rules could not be asked anew, or a check had not been asked."""


class Replay:
    """Decides again under one configuration."""

    def __init__(self, settings: Settings) -> None:
        """Raises ConfigError."""
        self._settings = settings
        self._policies = build_policies(settings)
        self._banned = BannedCheck(settings) if settings.checks.banned.enabled else None

    def again(self, text: str) -> Replayed:
        """Return what would become of a message, from its document as JSON. Raises StoreError."""
        try:
            document = json.loads(text)
            mail_id, sender = str(document["mail_id"]), str(document["sender"])
        except (ValueError, KeyError, TypeError):
            return Replayed("", "", why_not=Why.OLD)
        try:
            why_not = _why_not(document)
            if why_not is not None:
                return Replayed(mail_id, sender, why_not=why_not)
            memory = recalled(document)
            before = {standing.recipient: standing for standing in _stored(document)}
            is_partial = self._is_partial(document, memory)
        except (Forgotten, KeyError, TypeError, ValueError, AttributeError):
            return Replayed(mail_id, sender, why_not=Why.OLD)
        changes = tuple(
            Change(after.recipient, before[after.recipient], after)
            for after in self._standings(memory)
            if after.recipient in before and after != before[after.recipient]
        )
        return Replayed(mail_id, sender, changes, is_partial=is_partial)

    def close(self) -> None:
        self._policies.close()

    def _is_partial(self, document: Mapping[str, Any], memory: Memory) -> bool:
        """Whether something that these settings ask for is not in the evidence."""
        is_without_parts = self._banned is not None and memory.tree is None
        return is_without_parts or document["authors"] is None or bool(document["skipped"] or document["unwanted"])

    def _standings(self, memory: Memory) -> Iterator[Standing]:
        traffic = self._policies.traffic(memory.client, memory.sender)
        banks = self._policies.banks(memory.client, memory.sender, traffic)
        taken: list[Judged] = []
        for address, parameters in memory.recipients:
            judged = self._policies.judged(address, parameters, traffic, banks, memory.sender)
            if refused_at_rcpt(judged, sender=memory.sender, parameters=memory.parameters, traffic=traffic):
                yield Standing(address, Fate.REFUSED_AT_RCPT, Category.CLEAN)
            else:
                taken.append(judged)
        if not taken:
            return
        if self._policies.need_proofs:
            proofs = proofs_of(memory.findings, memory.authors)
            banks = self._policies.banks(memory.client, memory.sender, traffic, proofs)
            taken = [
                self._policies.judged(each.recipient.address, each.recipient.parameters, traffic, banks, memory.sender)
                for each in taken
            ]
        known = self._policies.with_authors(taken, sender=memory.sender, authors=memory.authors, banks=banks)
        for group in _transactions(known, traffic):
            findings = self._findings(memory, group, traffic)
            yield from standings(decide(findings, group, mixed=mixed_of(group, traffic)))

    def _findings(self, memory: Memory, judged: Sequence[Judged], traffic: Traffic) -> tuple[Finding, ...]:
        """Return what the checks would have found under these settings."""
        kept = [self._with_failure(finding, traffic) for finding in memory.findings if self._holds(finding, memory)]
        if self._banned is not None and memory.tree is not None:
            kept += self._banned.judge(_message(memory, traffic), judged, Opened(memory.tree))
        return (*kept, *over_limits_of(judged, memory.size))

    def _holds(self, finding: Finding, memory: Memory) -> bool:
        """Whether a finding is still one: its check is switched on, and it is not asked anew."""
        if finding.check == _OURS:
            return finding.size is None
        if finding.check == "banned" and finding.category is Category.BANNED:
            return self._banned is not None and memory.tree is None
        if finding.result:
            proving = self._settings.checks.authentication
            return proving.enabled and bool(getattr(proving, finding.check, True))
        check = getattr(self._settings.checks, finding.check, None)
        return check is None or bool(check.enabled)

    def _with_failure(self, finding: Finding, traffic: Traffic) -> Finding:
        check = getattr(self._settings.checks, finding.check, None)
        on_failure: OnFailure | None = getattr(check, "on_failure", None)
        if finding.category is not Category.FAILED or on_failure is None:
            return finding
        return replace(finding, on_failure=on_failure.of(traffic))


def _why_not(document: Mapping[str, Any]) -> Why | None:
    if document.get("released"):
        return Why.RELEASED
    findings = document.get("findings")
    if not isinstance(findings, list) or not document.get("outcomes"):
        return Why.OLD
    ours = [each for each in findings if each.get("check") == _OURS]
    is_cut = any(each.get("category") == Category.FAILED.word or each.get("minor") in _CUT for each in ours)
    # What was answered is what somebody was to get, unless something else came between.
    answer = document["observed"] or document["action"]
    is_other = answer not in {each.get("destiny") for each in document["outcomes"]}
    return Why.NO_VERDICT if is_cut or is_other else None


def _stored(document: Mapping[str, Any]) -> Iterator[Standing]:
    """Yield what each recipient got."""
    words = {category.word: category for category in Category}
    kept_for = frozenset(document["kept_for"])
    for each in document["outcomes"]:
        yield Standing(
            each["recipient"],
            Fate(each["fate"]),
            words[each["blocking"] or each["category"]],
            is_spammy=each["is_spammy"],
            is_kept=each["recipient"] in kept_for,
        )


def _transactions(judged: Sequence[Judged], traffic: Traffic) -> Iterable[tuple[Judged, ...]]:
    """Return the recipients as a client would send to them: in one transaction, or one for each policy."""
    if judged[0].policy.mixed_recipients is not Mixed.SPLIT or traffic is not Traffic.INBOUND:
        return [tuple(judged)]
    groups: list[list[Judged]] = []
    for each in judged:
        same = next((group for group in groups if class_of(group[0]) == class_of(each)), None)
        if same is None:
            groups.append([each])
        else:
            same.append(each)
    return [tuple(group) for group in groups]


class _Gone:
    """The content of a message of which only the evidence is left; rules about names do not read it."""

    size = 0

    def open(self, *, deadline: float | None = None) -> Reader:
        del deadline
        raise ContentError("the message is gone")

    def whole(self, *, deadline: float | None = None) -> bytes:
        del deadline
        raise ContentError("the message is gone")


def _message(memory: Memory, traffic: Traffic) -> Message:
    envelope = Envelope(memory.sender, (), memory.client, traffic, memory.parameters)
    return Message("", "", received_at=0.0, envelope=envelope, fields=(), content=_Gone())
