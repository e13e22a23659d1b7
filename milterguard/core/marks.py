# SPDX-License-Identifier: GPL-3.0-or-later
"""The fields a delivered message carries, and the foreign copies that must go (D2).

One set of fields for all recipients, computed from those who are ours and get the message,
independent of their order: the most severe mark wins, and no recipient is named.

*Source:* amavis' X-Spam fields, their formats and their order; RFC 5322 section 2.2.3 (folding).
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from milterguard.core.decide import grounds
from milterguard.core.destiny import Destiny
from milterguard.core.finding import Category, Finding
from milterguard.core.message import Field
from milterguard.core.reply import category_words
from milterguard.core.score import score_text
from milterguard.core.subject import subject_edits
from milterguard.core.text import field_text, folded
from milterguard.core.verdict import Decision, Edit, InsertField, Outcome, RemoveField, RemoveRecipient

TOKEN_FIELD = "X-Milterguard-Release"  # noqa: S105
"""Carries the release token; always removed."""

_ALWAYS_REMOVED = (
    "X-Spam-Status",
    "X-Spam-Level",
    "X-Spam-Flag",
    "X-Spam-Score",
    "X-Spam-Report",
    "X-Spam-Checker-Version",
    "X-Spam-Tests",
    "X-Virus-Scanned",
    "X-Quarantine-ID",
    TOKEN_FIELD,
)
_LEVEL_LIMIT = 64
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
    alert_name: str = "X-Amavis-Alert"
    level_char: str = "*"


def edits_for(
    fields: Sequence[Field],
    decision: Decision,
    findings: Sequence[Finding],
    *,
    mail_id: str,
    style: Style,
    is_stored: bool = False,
) -> tuple[Edit, ...]:
    """Return everything to be done to an accepted message, in the order it must be done.

    Removals of foreign copies from the highest index down (lower ones would shift the rest), then
    the Subject, then our fields at the top, then removed recipients. Empty unless the answer is PASS.
    """
    if decision.answer is not Destiny.PASS:
        return ()
    removed = frozenset(decision.removed)
    accepted = [outcome for outcome in decision.outcomes if outcome.address not in removed]
    ours = _our_fields(accepted, findings, mail_id=mail_id, style=style, is_stored=is_stored)
    return (
        *foreign_copies(fields, style),
        *subject_edits(fields, accepted, mail_id=mail_id, hostname=style.hostname),
        *(InsertField(name, value) for name, value in reversed(ours)),
        *(RemoveRecipient(address) for address in decision.removed),
    )


def foreign_copies(fields: Iterable[Field], style: Style) -> tuple[RemoveField, ...]:
    """Return the removal of every field that only we may write, highest index first."""
    present = Counter(field.name.lower() for field in fields)
    return tuple(
        RemoveField(name, index)
        for name in dict.fromkeys((*_ALWAYS_REMOVED, style.alert_name))
        if name
        for index in range(present[name.lower().encode("ascii", "replace")], 0, -1)
    )


def _our_fields(
    accepted: Sequence[Outcome], findings: Sequence[Finding], *, mail_id: str, style: Style, is_stored: bool
) -> list[tuple[str, str]]:
    """Return names and values of our fields, top first, in amavis' order."""
    local = [outcome for outcome in accepted if outcome.recipient.is_local]
    fields: list[tuple[str, str]] = []
    if is_stored and any(outcome.category in outcome.policy.store_on_pass for outcome in local):
        fields.append(("X-Quarantine-ID", f"<{mail_id}>"))
    scanned = _virus_scanned(accepted, findings, style)
    if scanned:
        fields.append(("X-Virus-Scanned", scanned))
    alert = _alert(accepted, findings)
    if alert and style.alert_name:
        fields.append((style.alert_name, alert))
    return fields + _spam_fields(local, findings, style)


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


def _spam_fields(local: Sequence[Outcome], findings: Sequence[Finding], style: Style) -> list[tuple[str, str]]:
    """Return the X-Spam fields when one of our recipients is at or above his tag level."""
    checks = [finding for finding in findings if finding.check == "spamd"]
    is_failed = all(finding.category is Category.FAILED for finding in checks)
    tagged = [
        each for each in local if not each.policy.bypass_spam_checks and (each.is_tagged or (checks and is_failed))
    ]
    if not tagged or not checks:
        return []
    score = max((each.score for each in tagged if each.score is not None), default=None)
    is_spam = any(each.is_spammy for each in tagged)
    fields = [("X-Spam-Flag", "YES")] if is_spam else []
    if score is not None:
        fields.append(("X-Spam-Score", score_text(score)))
        if style.level_char:
            fields.append(("X-Spam-Level", level_text(score, style.level_char)))
    return [*fields, ("X-Spam-Status", _spam_status(tagged, checks, score=score, is_spam=is_spam))]


def _spam_status(tagged: Sequence[Outcome], checks: Sequence[Finding], *, score: float | None, is_spam: bool) -> str:
    """Return ``Yes, score=7.2 tagged_above=-999 required=6.2 tests=[A=1, B=6.2] autolearn=no``, folded."""
    words = [
        "Yes," if is_spam else "No,",
        f"score={'x' if score is None else score_text(score)}",
        *(f"{label}={score_text(level)}" for label, level in _levels(tagged)),
    ]
    if all(finding.category is Category.FAILED for finding in checks):
        return " ".join([*words, "tests=[] autolearn=unavailable (not scanned)"])
    minors = sorted({finding.minor for finding in checks if finding.minor})
    learned = next((finding.autolearn for finding in checks if finding.autolearn), "unavailable")
    lines = [" ".join([*words, *(f"({field_text(minor)})" for minor in minors)]), tests_text(checks)]
    return "\n ".join([*lines, f"autolearn={field_text(learned, 40)}"])


def _levels(tagged: Sequence[Outcome]) -> list[tuple[str, float]]:
    """Return the lowest tag and tag2 levels: one set of fields, and the strictest recipient counts."""
    tags = [each.policy.spam_tag_level for each in tagged]
    tag2s = [each.policy.spam_tag2_level for each in tagged if each.policy.spam_tag2_level is not None]
    levels = []
    if all(level is not None for level in tags):
        levels.append(("tagged_above", min(level for level in tags if level is not None)))
    if tag2s:
        levels.append(("required", min(tag2s)))
    return levels


def tests_text(findings: Iterable[Finding]) -> str:
    """Return ``tests=[NAME=1.2, OTHER]`` in the scanner's order, folded at the commas."""
    tests = [
        name if points is None else f"{name}={score_text(points)}"
        for finding in findings
        for name, points in finding.tests
    ]
    return "tests=[" + folded(tests, first=8, separator=", ").replace(" \n", "\n") + "]"


def level_text(score: float, character: str = "*") -> str:
    """Return one character for each whole point, 64 at most (amavis: X-Spam-Level)."""
    return character[:1] * max(0, min(_LEVEL_LIMIT, int(score)))
