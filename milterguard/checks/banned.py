# SPDX-License-Identifier: GPL-3.0-or-later
"""Banned names and types: for every combination of sets that some recipient has, what they ban and why.

The rules themselves are ``core/banned.py``; here they meet the recipients.

*Source:* amavis ``banned_filename_maps``; docs/banned.md.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from milterguard.config.settings import Settings
from milterguard.core.banned import Action, Answer, Inspection, Rule, RuleSet, reason
from milterguard.core.destiny import Destiny
from milterguard.core.envelope import Traffic
from milterguard.core.finding import Category, Finding
from milterguard.core.message import Message
from milterguard.core.part import Tree
from milterguard.core.text import printable
from milterguard.core.verdict import Judged
from milterguard.unpack.opened import Opened

log = logging.getLogger(__name__)

_MOST_FINDINGS = 20
"""For one combination of sets; beyond it only what brings another destiny."""


class BannedCheck:
    """Holds the parts of a message against the sets of its recipients. Safe to use from several threads."""

    name = "banned"

    def __init__(self, settings: Settings) -> None:
        self._sets = {each.name: each.in_force() for each in settings.banned}
        self._watched = {each.name: each for each in settings.banned if each.in_force() is not each}
        """Sets with rules on trial, those among the others."""
        self._unknown: set[str] = set()

    def judge(self, message: Message, judged: Sequence[Judged], opened: Opened) -> tuple[Finding, ...]:
        """Return a finding for each banned part, for those recipients whose rules ban it."""
        inspection = Inspection(opened.tree)
        is_refusable = message.envelope.traffic is not Traffic.LOCAL
        found: list[Finding] = []
        for names in _combinations(judged):
            sets = self._known(names)
            answers = (*inspection.answers(sets), *self._on_trial(sets, opened.tree))
            bans = _once((each for each in answers if each.rule.action is Action.BAN), opened.tree)
            found += [_finding(opened.tree, answer, rules=names, is_refusable=is_refusable) for answer in _some(bans)]
        return tuple(found)

    def _on_trial(self, sets: Sequence[RuleSet], tree: Tree) -> Iterator[Answer]:
        """Yield what rules on trial would say where they stand: after those before them, and before the others."""
        if not any(each.name in self._watched for each in sets):
            return
        whole = [self._watched.get(each.name, each) for each in sets]
        yield from (answer for answer in Inspection(tree).answers(whole) if answer.rule.is_on_trial)

    def _known(self, names: Iterable[str]) -> list[RuleSet]:
        """Return the sets of these names. As in amavis one that nobody defined bans nothing; that is logged once."""
        for name in names:
            if name not in self._sets and name not in self._unknown:
                self._unknown.add(name)
                log.warning("banned_rules names a set that is not defined, it is ignored: %s", printable(name, 80))
        return [self._sets[name] for name in names if name in self._sets]


def _combinations(judged: Iterable[Judged]) -> Iterable[tuple[str, ...]]:
    """Return each combination of sets that somebody has who wants to hear of banned parts."""
    policies = (policy for each in judged for policy in (each.policy, each.trial) if policy is not None)
    return dict.fromkeys(policy.banned_rules for policy in policies if not policy.bypass_banned_checks)


def _once(answers: Iterable[Answer], tree: Tree) -> Iterator[Answer]:
    """Yield the answers, but for a container that a rule holds of one instead of one for each thing in it.

    Not for parts of the message: a multipart says nothing to anybody.
    """
    told: set[tuple[int, Rule]] = set()
    for answer in answers:
        is_held = answer.node != answer.leaf and bool(tree[answer.node].names)
        if is_held and (answer.node, answer.rule) in told:
            continue
        told.add((answer.node, answer.rule))
        yield replace(answer, leaf=answer.node) if is_held else answer


def _some(answers: Iterable[Answer]) -> Iterator[Answer]:
    """Yield as many answers as are told, and of the others those that may change what becomes of the message."""
    destinies: set[Destiny | None] = set()
    for number, answer in enumerate(answers):
        if number < _MOST_FINDINGS or answer.rule.destiny not in destinies:
            yield answer
        destinies.add(answer.rule.destiny)


def _finding(tree: Tree, answer: Answer, *, rules: tuple[str, ...], is_refusable: bool) -> Finding:
    destiny = answer.rule.destiny
    if not is_refusable and destiny in (Destiny.REJECT, Destiny.TEMPFAIL):
        destiny = Destiny.DISCARD  # a refusal would bounce, or come back every second (D14)
    return Finding(
        "banned",
        Category.BANNED,
        detail=reason(tree, answer),
        part=tree[answer.leaf].placement,
        rule=answer.rule.title,
        rules=rules,
        destiny=destiny,
        is_on_trial=answer.rule.is_on_trial,
    )
