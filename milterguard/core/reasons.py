# SPDX-License-Identifier: GPL-3.0-or-later
"""Which settings decided about a recipient, and whose word they are: what explains an outcome.

Of a recipient who is blocked: what made the category of the findings, and what made a refusal of the
category. Of one who gets the mail: what let it through in spite of what was found.

*Errors:* none.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from milterguard.core.decide import destiny_of, grounds, is_bypassed
from milterguard.core.destiny import Destiny
from milterguard.core.dmarc import Wish
from milterguard.core.envelope import Traffic
from milterguard.core.finding import Category, Finding
from milterguard.core.levels import reaches
from milterguard.core.listed import POINTS_TEST, Listing
from milterguard.core.part import Flag
from milterguard.core.policy import Policy
from milterguard.core.score import score_text
from milterguard.core.verdict import Outcome

DEFAULT, POLICY = "default", "[policy]"
"""Origins of what nothing is laid over."""
_DEFAULTS = Policy()
_BYPASSES = ("bypass_virus_checks", "bypass_banned_checks", "bypass_spam_checks", "bypass_header_checks")
_SHADOW = " (shadow)"
_NOT_BY_SMTP = "; what did not come by SMTP is never refused"
_SPAM = (Category.SPAM, Category.SPAMMY)


@dataclass(frozen=True, slots=True)
class Reason:
    """One setting that decided."""

    setting: str
    """A policy key, ``checks.NAME.on_failure``, or ``sender`` for what the lists of senders say."""
    value: str | float | bool | None
    origin: str
    """``default``, ``[policy]``, a bank, or the entry that says so with the key that matched."""


def reasons(outcome: Outcome, findings: Sequence[Finding], *, traffic: Traffic = Traffic.INBOUND) -> tuple[Reason, ...]:
    """Return what decided about a recipient, the heaviest category first, in it the setting of the destiny last.

    Nothing for mail in which nothing was found.
    """
    mine = grounds(findings, (outcome,))
    why = _Why(outcome, mine, traffic)
    if outcome.blocking is not None:
        return tuple(dict.fromkeys(why.of(outcome.blocking)))
    found = [reason for category in sorted(outcome.categories, reverse=True) for reason in why.of(category)]
    return tuple(dict.fromkeys((*found, *why.allowed(), *_silenced(outcome, findings))))


def origin_of(outcome: Outcome, setting: str) -> str:
    """Return whose word a setting is that holds for this recipient; what is on trial only is nobody's."""
    said = dict(outcome.origins).get(setting, "").split("; ")
    in_force = [each for each in said if each and not each.endswith(_SHADOW)]
    if in_force:
        return "; ".join(in_force)
    return DEFAULT if getattr(outcome.policy, setting) == getattr(_DEFAULTS, setting) else POLICY


def as_plain(reason: Reason) -> dict[str, Any]:
    """Return a reason as a JSON object."""
    return {"setting": reason.setting, "value": reason.value, "origin": reason.origin}


def in_words(told: Iterable[Mapping[str, Any]]) -> str:
    """Return ``spam_kill_level 5 (@example.com, …) and spam_destiny reject ([policy])`` for reasons as plain values."""
    return " and ".join(
        f"{each.get('setting')} {_value_words(each.get('value'))} ({each.get('origin')})" for each in told
    )


def _value_words(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return "unset" if value is None else str(value).lower()
    return score_text(value) if isinstance(value, int | float) else str(value)


@dataclass(frozen=True, slots=True)
class _Why:
    """What decided about one outcome."""

    outcome: Outcome
    mine: Sequence[Finding]
    """Findings on which it stands."""
    traffic: Traffic

    def of(self, category: Category) -> Iterator[Reason]:
        """Yield what made this category, then what made its destiny."""
        findings = [finding for finding in self.mine if finding.category is category]
        if category in _SPAM:
            yield from self._of_score(category)
        if any(finding.size is not None for finding in findings):
            yield self._setting("message_size_limit")
        if self.outcome.policy.loves(category):
            yield self._setting(f"{category.word}_lover")
        elif findings:
            yield from self._of_findings(findings)
        elif category is Category.SPAM:
            yield self._setting("spam_destiny")

    def allowed(self) -> Iterator[Reason]:
        """Yield that the sender is allowed, where he is."""
        if self.outcome.listing is Listing.ALLOWED:
            yield Reason("sender", "allowed", self._list_origin())

    def _of_score(self, category: Category) -> Iterator[Reason]:
        policy, score, points = self.outcome.policy, self.outcome.score, self.outcome.listed.points
        if self.outcome.listing is Listing.DENIED:
            yield Reason("sender", "denied", self._list_origin())
            return
        if category is Category.SPAM:
            yield self._setting("spam_kill_level")
        else:
            is_tag2 = reaches(score, policy.spam_tag2_level)
            yield self._setting("spam_tag2_level" if is_tag2 else "spam_tag3_level")
        if points:
            yield Reason("sender", f"{POINTS_TEST}={score_text(points)}", "; ".join(self.outcome.listed.origins))

    def _list_origin(self) -> str:
        return next(iter(self.outcome.listed.origins), "")

    def _of_findings(self, findings: Sequence[Finding]) -> Iterator[Reason]:
        """Yield what gave these findings of one category the destiny that the recipient has by them."""
        policy, destiny = self.outcome.policy, self.outcome.destiny
        decisive = [finding for finding in findings if destiny_of(finding, policy) is destiny]
        for finding in decisive or findings:
            yield from self._of_finding(finding)

    def _of_finding(self, finding: Finding) -> Iterator[Reason]:
        if finding.category is Category.BANNED and finding.destiny is not None:
            yield Reason("banned_rules", f"{finding.rule}: {finding.destiny}", self._origin("banned_rules"))
        elif finding.category is Category.BANNED:
            yield Reason("banned_rules", finding.rule or finding.detail, self._origin("banned_rules"))
            yield self._setting("banned_destiny")
        elif finding.category is Category.UNCHECKED and finding.minor == Flag.AMBIGUOUS:
            yield self._setting("ambiguous_destiny")
        elif finding.category is Category.FAILED:
            yield Reason(f"checks.{finding.check}.on_failure", str(finding.on_failure), f"[checks.{finding.check}]")
        elif finding.category is Category.FORGED:
            asked = "quarantine" if finding.minor == Wish.QUARANTINE else "reject"
            yield self._setting(f"dmarc_{asked}_destiny")
        elif hasattr(self.outcome.policy, f"{finding.category.word}_destiny"):
            yield self._setting(f"{finding.category.word}_destiny")

    def _setting(self, name: str) -> Reason:
        value = getattr(self.outcome.policy, name)
        origin = self._origin(name)
        if isinstance(value, Destiny):
            is_rewritten = self.traffic is Traffic.LOCAL and value is Destiny.DISCARD
            return Reason(name, value.value, origin + _NOT_BY_SMTP if is_rewritten else origin)
        return Reason(name, value, origin)

    def _origin(self, setting: str) -> str:
        return origin_of(self.outcome, setting)


def _silenced(outcome: Outcome, findings: Iterable[Finding]) -> Iterator[Reason]:
    """Yield the bypasses by which something that was found is nothing to this recipient."""
    policy = outcome.policy
    alarming = [each for each in findings if each.category is not Category.CLEAN or each.score is not None]
    silent = [each for each in alarming if not each.is_on_trial and is_bypassed(each, policy)]
    for name in _BYPASSES:
        if not getattr(policy, name):
            continue
        off: dict[str, Any] = {name: False}
        without = replace(policy, **off)
        if any(not is_bypassed(each, without) for each in silent):
            yield Reason(name, True, origin_of(outcome, name))
