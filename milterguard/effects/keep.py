# SPDX-License-Identifier: GPL-3.0-or-later
"""The copy that has to be durable before anything is answered, with the reason written on it.

*Source:* amavis' quarantine form of X-Spam-Status: other words than in delivered mail, points from
the lowest to the highest recipient, the lowest levels, tests in alphabetical order.
*Errors:* StoreError when there is no durable copy; ContentError when the message is gone.
"""

import base64
import hashlib
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Protocol

from milterguard.core.decide import grounds
from milterguard.core.finding import Category, Finding
from milterguard.core.marks import ALERTS, alert_details, alert_text
from milterguard.core.message import Message
from milterguard.core.report import SEPARATOR, hits
from milterguard.core.score import score_text
from milterguard.core.spam_marks import level_text, list_tests, listing_word, severest, shown_score
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
        """Keep the copy, durably, and return its location; empty when the decision wants none.

        Where it is kept in several folders there are several, with ``", "`` between: the copy in the
        first folder has the message's id, each further one has its own.
        """
        if decision.keep is None:
            return ""
        copies = [
            self._quarantine.store(
                replace(message, mail_id=id_in(message.mail_id, keep.folder)) if number else message,
                keep,
                fields=reasons(decision, findings, keep),
            )
            for number, keep in enumerate(decision.keep.parts or (decision.keep,))
        ]
        return SEPARATOR.join(copy.location for copy in copies)


def id_in(mail_id: str, folder: str) -> str:
    """Return the id of a message's copy in a further folder, so that each can be released on its own."""
    seeds = (f"{mail_id}/{folder}/{number}" for number in itertools.count())
    digests = (hashlib.sha256(seed.encode("utf-8", "replace")).digest() for seed in seeds)
    ids = (base64.urlsafe_b64encode(digest[:9]).decode("ascii") for digest in digests)
    return next(each for each in ids if each[0].isalnum() and each[-1].isalnum())


def reasons(decision: Decision, findings: Sequence[Finding], keep: Keep | None = None) -> list[tuple[str, str]]:
    """Return names and values of the fields that say why a copy was kept; ``keep``: the one of several."""
    keep = keep or decision.keep
    if keep is None:
        return []
    kept_for = frozenset(keep.recipients)
    concerned = [outcome for outcome in decision.outcomes if outcome.address in kept_for]
    alerts = _alert_fields(keep.category, grounds(findings, concerned))
    return alerts + _spam_fields(concerned, findings)


def _alert_fields(category: Category, findings: Iterable[Finding]) -> list[tuple[str, str]]:
    if category not in _ALERTS:
        return []
    return [("X-Amavis-Alert", alert_text(category, _ALERTS[category], alert_details(category, findings)))]


def _spam_fields(concerned: Sequence[Outcome], findings: Sequence[Finding]) -> list[tuple[str, str]]:
    """Return the X-Spam fields when there are points for somebody concerned, or a list knows the sender."""
    counted = severest([each for each in concerned if each.score is not None or each.listing])
    if not counted:
        return []
    is_spam = any(outcome.is_spammy for outcome in concerned)
    shown = shown_score(counted) or 0.0
    return [
        ("X-Spam-Flag", "YES" if is_spam else "NO"),
        ("X-Spam-Score", score_text(shown)),
        ("X-Spam-Level", level_text(shown)),
        ("X-Spam-Status", _status(concerned, findings, is_spam=is_spam)),
    ]


def _status(concerned: Sequence[Outcome], findings: Sequence[Finding], *, is_spam: bool) -> str:
    """Return ``Yes, score=2.212..3.712 tag=-999 tag2=1 kill=2 tests=[A=1, B=2] autolearn=no``, folded."""
    counted = severest(concerned)
    is_scored = any(each.score is not None for each in concerned)
    words = [
        "Yes," if is_spam else "No,",
        f"score={hits(concerned) if is_scored else 'x'}",
        *(f"{name}={score_text(level)}" for name, level in _lowest_levels(concerned)),
        *filter(None, [listing_word(counted)]),
    ]
    hit = {test for finding in findings for test in finding.tests} | {*list_tests(counted)}
    tests = sorted(hit, key=lambda test: test[0])
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
