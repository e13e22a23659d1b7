# SPDX-License-Identifier: GPL-3.0-or-later
"""Which rule said what about which part, the rules that let through too: more than a finding tells.

A finding is made where something is banned. Who writes rules wants to see as well what an exception
let through, and at which part on the way down a rule held.
"""

from collections.abc import Sequence
from itertools import islice
from typing import Any

from milterguard.config.settings import Settings
from milterguard.core.banned import Answer, Inspection, reason
from milterguard.core.report import Record
from milterguard.core.verdict import Outcome

_MOST = 1000
"""Answers shown for one combination of sets."""


def rulings(record: Record, settings: Settings) -> list[dict[str, Any]] | None:
    """Return each answer of the rules as plain values, with those for whom it is one; None when nobody asked them."""
    tree = record.verdict.tree
    if not tree or not settings.checks.banned.enabled:
        return None
    sets = {each.name: each for each in settings.banned}
    inspection = Inspection(tree)
    found: dict[Answer, list[str]] = {}
    for names, addresses in _asking(record.verdict.decision.outcomes):
        for answer in islice(inspection.answers([sets[name] for name in names if name in sets]), _MOST):
            found.setdefault(answer, []).extend(addresses)
    return [
        {
            "part": tree[answer.leaf].placement,
            "matched": tree[answer.node].placement,
            "set": answer.rules,
            "rule": answer.rule.title,
            "action": str(answer.rule.action),
            "destiny": str(answer.rule.destiny) if answer.rule.destiny else None,
            "detail": reason(tree, answer),
            "recipients": addresses,
        }
        for answer, addresses in found.items()
    ]


def _asking(outcomes: Sequence[Outcome]) -> list[tuple[tuple[str, ...], list[str]]]:
    """Return each combination of sets with the recipients who have it."""
    found: dict[tuple[str, ...], list[str]] = {}
    for each in outcomes:
        if not each.policy.bypass_banned_checks:
            found.setdefault(each.policy.banned_rules, []).append(each.address)
    return list(found.items())
