# SPDX-License-Identifier: GPL-3.0-or-later
"""The fields a delivered message carries, and the foreign copies that must go (D2).

One set of fields for all recipients, computed from those who are ours and get the message,
independent of their order: the most severe mark wins, and no recipient is named.

*Source:* amavis' X-Spam fields, their formats and their order; RFC 5322 section 2.2.3 (folding).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from milterguard.core import authres
from milterguard.core.authres import received_spf
from milterguard.core.custom import FieldRule, custom
from milterguard.core.decide import grounds
from milterguard.core.destiny import Destiny
from milterguard.core.envelope import Traffic
from milterguard.core.finding import Category, Finding
from milterguard.core.message import Field
from milterguard.core.policy import Protect
from milterguard.core.reply import category_words
from milterguard.core.spam_marks import spam_fields
from milterguard.core.subject import subject_edits
from milterguard.core.text import field_text
from milterguard.core.verdict import Decision, Edit, InsertField, Outcome, RemoveField

TOKEN_FIELD = "X-Milterguard-Release"  # noqa: S105
"""Carries the release token; always removed."""

RECEIVED_SPF = "Received-SPF"
TAG_FIELD = "X-Subject-Tag"
"""Carries the tag of a Subject that a signature covers (``protect_signatures``)."""

OWN_NAMES = (
    "X-Spam-Status",
    "X-Spam-Level",
    "X-Spam-Flag",
    "X-Spam-Score",
    "X-Spam-Report",
    "X-Spam-Checker-Version",
    "X-Spam-Tests",
    "X-Virus-Scanned",
    "X-Quarantine-ID",
    TAG_FIELD,
    TOKEN_FIELD,
)
"""Fields that only we may write: foreign copies are always removed."""
_METHODS = ("auth", "x-tls", "iprev", "spf", "dkim", "arc", "dmarc")
"""Whatever has results for Authentication-Results, in their order there."""
MOST_COPIES = 500
"""More foreign copies than that are no mail: an MTA takes quadratic time to remove them."""
ALERTS = {
    Category.VIRUS: "INFECTED, message contains virus",
    Category.BANNED: "BANNED, message contains",
    Category.UNCHECKED: "UNCHECKED, message could not be looked into",
    Category.FORGED: "FORGED, message is not from its From domain",
    Category.BAD_HEADER: "BAD HEADER SECTION",
}
"""What a delivered message is warned of, and in which words."""


@dataclass(frozen=True, slots=True)
class Style:
    """How our fields look; from ``[headers]``."""

    virus_scanned: str = "milterguard"
    hostname: str = "localhost"
    authserv_id: str = ""
    """Our name in Authentication-Results; empty: ``hostname``."""
    is_proving: bool = True
    """Whether we find out who sent a message; else what others say about that is left as it is."""
    has_received_spf: bool = False
    """Whether Received-SPF is written as well."""
    alert_name: str = "X-Amavis-Alert"
    level_char: str = "*"
    custom: tuple[FieldRule, ...] = ()
    """Fields of the operator's own; from ``[[field]]``."""

    @property
    def id(self) -> str:
        """Our name in Authentication-Results."""
        return self.authserv_id or self.hostname


def edits_for(
    fields: Sequence[Field],
    decision: Decision,
    findings: Sequence[Finding],
    *,
    mail_id: str,
    style: Style,
    traffic: Traffic = Traffic.INBOUND,
    is_stored: bool = False,
    spares: Callable[[Edit], bool] = lambda _edit: False,
) -> tuple[Edit, ...]:
    """Return everything to be done to the fields of an accepted message, in the order it must be done.

    Removals of foreign copies from the highest index down (lower ones would shift the rest), then
    the Subject, then our fields at the top, and above them the operator's own. Empty unless the
    answer is PASS. ``spares`` tells of an edit whether it would break a valid signature that is to be spared: then
    the tag of the Subject stands in a field of its own, and the operator's edits are left out.
    """
    if decision.answer is not Destiny.PASS:
        return ()
    findings = sorted(findings, key=_place)
    removed = frozenset(decision.removed)
    accepted = [outcome for outcome in decision.outcomes if outcome.address not in removed]
    kept_for = decision.keep.recipients if is_stored and decision.keep else ()
    ours = _our_fields(accepted, findings, mail_id=mail_id, style=style, kept_for=kept_for, traffic=traffic)
    theirs = custom(fields, style.custom, accepted, traffic=traffic, mail_id=mail_id, hostname=style.hostname)
    tag = subject_edits(fields, accepted, mail_id=mail_id, hostname=style.hostname)
    if any(map(spares, tag)):
        tag = subject_edits(fields, accepted, mail_id=mail_id, hostname=style.hostname, other=TAG_FIELD)
    is_free = accepted[0].policy.protect_signatures is not Protect.NEVER_BREAK
    return (
        *foreign_copies(fields, style),
        *(edit for edit in theirs.removals if is_free or not spares(edit)),
        *tag,
        *(InsertField(name, value) for name, value in reversed(ours)),
        *(edit for edit in theirs.inserts if is_free or not spares(edit)),
    )


def _place(finding: Finding) -> tuple[str, tuple[int, ...], str]:
    """Return what brings findings into one order, whatever theirs was: by check, in it by part."""
    part = tuple(int(number) for number in finding.part.split("/") if number.isdecimal())
    return finding.check, part, repr(finding)


def foreign_copies(fields: Iterable[Field], style: Style) -> tuple[RemoveField, ...]:
    """Return the removal of every field that only we may write, highest index first."""
    present = Counter(field.key for field in fields)
    return (
        *(
            RemoveField(name, index)
            for name in dict.fromkeys((*OWN_NAMES, style.alert_name, RECEIVED_SPF if style.is_proving else ""))
            if name
            for index in range(present[name.lower().encode("ascii", "replace")], 0, -1)
        ),
        *_claiming_our_id(fields, style),
    )


def _claiming_our_id(fields: Iterable[Field], style: Style) -> Iterator[RemoveField]:
    """Yield the removal of every Authentication-Results that is not from us and says it is, highest index first."""
    if not style.is_proving:
        return
    theirs = [field for field in fields if field.is_named(authres.NAME.encode("ascii"))]
    for index in range(len(theirs), 0, -1):
        if authres.claims(theirs[index - 1], style.id):
            yield RemoveField(authres.NAME, index)


def _our_fields(
    accepted: Sequence[Outcome],
    findings: Sequence[Finding],
    *,
    mail_id: str,
    style: Style,
    kept_for: Sequence[str],
    traffic: Traffic,
) -> list[tuple[str, str]]:
    """Return names and values of our fields, top first, in amavis' order."""
    local = [outcome for outcome in accepted if outcome.recipient.is_local]
    fields = _proofs(told_proofs(findings, accepted, traffic=traffic), style)
    if any(outcome.address in kept_for for outcome in local):
        fields.append(("X-Quarantine-ID", f"<{mail_id}>"))
    scanned = _virus_scanned(accepted, findings, style)
    if scanned:
        fields.append(("X-Virus-Scanned", scanned))
    alert = _alert(accepted, findings)
    if alert and style.alert_name:
        fields.append((style.alert_name, alert))
    return fields + spam_fields(local, findings, level_char=style.level_char)


def _proofs(told: Sequence[Finding], style: Style) -> list[tuple[str, str]]:
    """Return the fields that say who sent the message."""
    value = authres.field_value(style.id, told)
    fields = [(authres.NAME, value)] if value else []
    if style.has_received_spf:
        fields += [(RECEIVED_SPF, received_spf(each, style.hostname)) for each in told if each.check == "spf"]
    return fields


def told_proofs(findings: Iterable[Finding], accepted: Iterable[Outcome], *, traffic: Traffic) -> list[Finding]:
    """Return the findings that have a result, in the order of Authentication-Results.

    Of our own mail strangers are not told: a login is nobody's business.
    """
    if traffic is not Traffic.INBOUND and not any(outcome.recipient.is_local for outcome in accepted):
        return []
    return sorted((each for each in findings if each.check in _METHODS and each.result), key=_method)


def _method(finding: Finding) -> int:
    return _METHODS.index(finding.check)


def _virus_scanned(accepted: Sequence[Outcome], findings: Sequence[Finding], style: Style) -> str:
    """Return the value for everybody who does not bypass virus checks, local or not (amavis HE1)."""
    checks = [finding for finding in findings if finding.check == "clamd"]
    if not style.virus_scanned or not checks or all(each.policy.bypass_virus_checks for each in accepted):
        return ""
    if all(finding.category is Category.FAILED for finding in checks):
        return field_text(f"not scanned, {style.virus_scanned} at {style.hostname} could not")
    return field_text(f"{style.virus_scanned} at {style.hostname}")


def _alert(accepted: Sequence[Outcome], findings: Sequence[Finding]) -> str:
    """Return the warning for the heaviest alarming category that anybody accepted has."""
    alarming = {category for outcome in accepted for category in outcome.categories} & set(ALERTS)
    if not alarming:
        return ""
    category, theirs = max(alarming), grounds(findings, accepted)
    words = [category_words(category, theirs)] if category is Category.UNCHECKED else []
    return alert_text(category, ALERTS[category], [*words, *alert_details(category, theirs)])


def alert_details(category: Category, findings: Iterable[Finding]) -> list[str]:
    """Return what was found of that category, in the order of the findings."""
    return [each.detail or each.minor for each in findings if each.category is category]


def alert_text(category: Category, words: str, details: Iterable[str]) -> str:
    """Return the value of an alert field: its words and each detail once, with amavis' punctuation."""
    shown = ", ".join(dict.fromkeys(detail for detail in details if detail))
    separator = ", " if category is Category.BAD_HEADER else ": "
    return field_text(f"{words}{separator}{shown}" if shown else words)
