# SPDX-License-Identifier: GPL-3.0-or-later
"""The copy that has to be durable before anything is answered, with the reason written on it.

*Source:* amavis' quarantine form of X-Spam-Status: other words than in delivered mail, points from
the lowest to the highest recipient, the lowest levels, tests in alphabetical order.
*Errors:* StoreError when there is no durable copy; ContentError when the message is gone.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

from milterguard.core.decide import grounds
from milterguard.core.finding import Category, Finding
from milterguard.core.marks import ALERTS, alert_details, alert_text, level_text
from milterguard.core.message import Message
from milterguard.core.report import hits
from milterguard.core.score import score_text
from milterguard.core.text import field_text, folded
from milterguard.core.verdict import Decision, Keep, Outcome
from milterguard.store.quarantine import Stored

_ALERTS = {
    **ALERTS,
    Category.OVERSIZED: "OVERSIZED, message is too big",
    Category.FAILED: "FAILED, message could not be checked",
}
_TESTS_LIMIT = 300
_NAME_LIMIT = 80


class Quarantine(Protocol):
    """Where copies are kept (``store/quarantine.py``)."""

    def store(self, message: Message, keep: Keep, *, fields: Sequence[tuple[str, str]] = ()) -> Stored: ...


class Keeper:
    """Keeps the copy that a decision asks for."""

    def __init__(self, quarantine: Quarantine) -> None:
        self._quarantine = quarantine

    def keep(self, message: Message, decision: Decision, findings: Sequence[Finding]) -> str:
        """Keep the copy, durably, and return its location; empty when the decision wants none."""
        if decision.keep is None:
            return ""
        return self._quarantine.store(message, decision.keep, fields=reasons(decision, findings)).location


def reasons(decision: Decision, findings: Sequence[Finding]) -> list[tuple[str, str]]:
    """Return names and values of the fields that say why a copy was kept."""
    if decision.keep is None:
        return []
    kept_for = frozenset(decision.keep.recipients)
    concerned = [outcome for outcome in decision.outcomes if outcome.address in kept_for]
    alerts = _alert_fields(decision.keep.category, grounds(findings, concerned))
    return alerts + _spam_fields(concerned, findings)


def _alert_fields(category: Category, findings: Iterable[Finding]) -> list[tuple[str, str]]:
    if category not in _ALERTS:
        return []
    return [("X-Amavis-Alert", alert_text(category, _ALERTS[category], alert_details(category, findings)))]


def _spam_fields(concerned: Sequence[Outcome], findings: Sequence[Finding]) -> list[tuple[str, str]]:
    """Return the X-Spam fields when there are points for somebody concerned."""
    scores = [outcome.score for outcome in concerned if outcome.score is not None]
    if not scores:
        return []
    is_spam = any(outcome.is_spammy for outcome in concerned)
    return [
        ("X-Spam-Flag", "YES" if is_spam else "NO"),
        ("X-Spam-Score", score_text(max(scores))),
        ("X-Spam-Level", level_text(max(scores))),
        ("X-Spam-Status", _status(concerned, findings, is_spam=is_spam)),
    ]


def _status(concerned: Sequence[Outcome], findings: Sequence[Finding], *, is_spam: bool) -> str:
    """Return ``Yes, score=2.212..3.712 tag=-999 tag2=1 kill=2 tests=[A=1, B=2] autolearn=no``, folded."""
    words = [
        "Yes," if is_spam else "No,",
        f"score={hits(concerned)}",
        *(f"{name}={score_text(level)}" for name, level in _lowest_levels(concerned)),
    ]
    tests = sorted({test for finding in findings for test in finding.tests}, key=lambda test: test[0])
    shown = [
        field_text(name, _NAME_LIMIT) if points is None else f"{field_text(name, _NAME_LIMIT)}={score_text(points)}"
        for name, points in tests[:_TESTS_LIMIT]
    ]
    learned = next((finding.autolearn for finding in findings if finding.autolearn), "unavailable")
    lines = [
        " ".join(words),
        f"tests=[{folded(shown, first=8, separator=', ')}]",
        f"autolearn={field_text(learned, _NAME_LIMIT)}",
    ]
    return "\n ".join(lines)


def _lowest_levels(concerned: Iterable[Outcome]) -> list[tuple[str, float]]:
    policies = [outcome.policy for outcome in concerned]
    levels = {
        "tag": [policy.spam_tag_level for policy in policies],
        "tag2": [policy.spam_tag2_level for policy in policies],
        "kill": [policy.spam_kill_level for policy in policies],
    }
    known = {name: [level for level in each if level is not None] for name, each in levels.items()}
    return [(name, min(each)) for name, each in known.items() if each]
