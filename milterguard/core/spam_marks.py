# SPDX-License-Identifier: GPL-3.0-or-later
"""The X-Spam fields of a delivered message, and what a list of senders makes of them.

One set of fields for all recipients who are ours: the severest of them counts. Who denies the
sender comes before those whose lists say nothing, and these before those who allow him.

*Source:* amavis 2.13: its fields, their forms and their order; for an allowed sender X-Spam-Score is
shown not over 0, for a denied one not below 64, while ``score=`` tells what it really is. *Errors:* none.
"""

from collections.abc import Iterable, Sequence

from milterguard.core.finding import Category, Finding
from milterguard.core.listed import POINTS_TEST, Listing
from milterguard.core.score import score_text
from milterguard.core.text import field_text, folded
from milterguard.core.verdict import Outcome

_DENIED_SCORE = 64.0
_LEVEL_LIMIT = 64
_WORDS = {Listing.DENIED: "BLACKLISTED", Listing.ALLOWED: "WHITELISTED", None: ""}
Tests = tuple[tuple[str, float | None], ...]


def spam_fields(local: Sequence[Outcome], findings: Sequence[Finding], *, level_char: str) -> list[tuple[str, str]]:
    """Return the X-Spam fields when one of our recipients is at or above his tag level; top first."""
    checks = [finding for finding in findings if finding.check == "spamd"]
    is_failed = bool(checks) and all(finding.category is Category.FAILED for finding in checks)
    tagged = [each for each in local if not each.policy.bypass_spam_checks and (each.is_tagged or is_failed)]
    counted = severest(tagged)
    if not counted or not (checks or counted[0].listing):
        return []
    is_spam = any(each.is_spammy for each in counted)
    score, shown = highest(counted), shown_score(counted)
    fields = []
    if shown is not None:
        fields += [("X-Spam-Flag", "YES" if is_spam else "NO"), ("X-Spam-Score", score_text(shown))]
        fields += [("X-Spam-Level", level_text(shown, level_char))] if level_char else []
    return [*fields, ("X-Spam-Status", _status(counted, checks, score=score, is_spam=is_spam, is_failed=is_failed))]


def severest(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Return the outcomes whose lists say the severest thing of the sender."""
    for listing in (Listing.DENIED, None, Listing.ALLOWED):
        found = [each for each in outcomes if each.listing is listing]
        if found:
            return found
    return []


def highest(outcomes: Iterable[Outcome]) -> float | None:
    return max((each.score for each in outcomes if each.score is not None), default=None)


def shown_score(counted: Sequence[Outcome]) -> float | None:
    """Return the points as X-Spam-Score shows them; ``counted`` are some of ``severest``, not empty."""
    score = highest(counted)
    if counted[0].listing is Listing.DENIED:
        return max(_DENIED_SCORE, score or 0.0)
    return min(0.0, score or 0.0) if counted[0].listing is Listing.ALLOWED else score


def listing_word(counted: Sequence[Outcome]) -> str:
    """Return what stands before ``tests=``; empty when the lists decide nothing."""
    return _WORDS[counted[0].listing]


def list_tests(counted: Sequence[Outcome]) -> Tests:
    """Return what the lists add, as the test that amavis calls it: of the recipient with the most points."""
    score = highest(counted)
    points = [each.listed.points for each in counted if each.score == score and each.listed.points]
    return ((POINTS_TEST, max(points)),) if points else ()


def tests_text(tests: Iterable[tuple[str, float | None]]) -> str:
    """Return ``tests=[NAME=1.2, OTHER]`` in the order given, folded at the commas."""
    words = [name if points is None else f"{name}={score_text(points)}" for name, points in tests]
    return "tests=[" + folded(words, first=8, separator=", ").replace(" \n", "\n") + "]"


def level_text(score: float, character: str = "*") -> str:
    """Return one character for each whole point, 64 at most (amavis: X-Spam-Level)."""
    return character[:1] * max(0, min(_LEVEL_LIMIT, int(score)))


def _status(
    counted: Sequence[Outcome], checks: Sequence[Finding], *, score: float | None, is_spam: bool, is_failed: bool
) -> str:
    """Return ``Yes, score=7.2 tagged_above=-999 required=6.2 tests=[A=1, B=6.2] autolearn=no``, folded."""
    words = [
        "Yes," if is_spam else "No,",
        f"score={'x' if score is None else score_text(score)}",
        *(f"{label}={score_text(level)}" for label, level in _levels(counted)),
    ]
    tests = (*list_tests(counted), *(test for finding in checks for test in finding.tests))
    if is_failed and not counted[0].listing:
        return " ".join([*words, tests_text(tests), "autolearn=unavailable (not scanned)"])
    minors = [] if is_failed else sorted({finding.minor for finding in checks if finding.minor})
    learned = next((finding.autolearn for finding in checks if finding.autolearn), "unavailable")
    words += [f"({field_text(minor)})" for minor in minors]
    words += filter(None, [listing_word(counted)])
    return "\n ".join([" ".join(words), tests_text(tests), f"autolearn={field_text(learned, 40)}"])


def _levels(counted: Sequence[Outcome]) -> list[tuple[str, float]]:
    """Return the lowest tag and tag2 levels: one set of fields, and the strictest recipient counts."""
    tags = [each.policy.spam_tag_level for each in counted]
    tag2s = [each.policy.spam_tag2_level for each in counted if each.policy.spam_tag2_level is not None]
    levels = []
    if all(level is not None for level in tags):
        levels.append(("tagged_above", min(level for level in tags if level is not None)))
    if tag2s:
        levels.append(("required", min(tag2s)))
    return levels
