# SPDX-License-Identifier: GPL-3.0-or-later
"""Which kind within a category counts when a message has several: it names the log word, the letter, the reply.

*Source:* amavis' minor codes of CC_BADH and CC_UNCHECKED: the highest one is the message's.
"""

from collections.abc import Iterable
from itertools import chain

from milterguard.core.finding import Category, Finding
from milterguard.core.part import UNCHECKED_FLAGS

MIME = "mime"
NON_ASCII = "8bit"
CONTROL = "control"
BLANK_FOLD = "blank fold"
LONG = "long"
SYNTAX = "syntax"
MISSING = "missing"
DUPLICATE = "duplicate"
MANY_FROM = "many from"

HEADER_MINORS = (MIME, NON_ASCII, CONTROL, BLANK_FOLD, LONG, SYNTAX, MISSING, DUPLICATE, MANY_FROM)
"""Minors of BAD_HEADER in the order of amavis' codes, which count from 1. The last one is ours."""
_MIME_LETTER = "M"
_RANKS = {
    Category.BAD_HEADER: tuple(reversed(HEADER_MINORS)),
    Category.UNCHECKED: tuple(str(flag) for flag in UNCHECKED_FLAGS),
}
"""The most alarming first."""


def header_code(minor: str) -> int:
    """Return amavis' code of a minor of BAD_HEADER, 1 to 9; 0 for any other word."""
    return HEADER_MINORS.index(minor) + 1 if minor in HEADER_MINORS else 0


def main_minor(category: Category, findings: Iterable[Finding]) -> str:
    """Return the minor that counts among the findings of a category; empty when none has one.

    A known minor is before all others; of the others the first counts.
    """
    minors = [finding.minor for finding in findings if finding.category is category and finding.minor]
    known = (minor for minor in _RANKS.get(category, ()) if minor in minors)
    return next(chain(known, minors), "")


def letter(category: Category, findings: Iterable[Finding]) -> str:
    """Return the letter of amavis' SQL column ``content``: BAD_HEADER has one of its own for broken MIME."""
    if category is Category.BAD_HEADER and main_minor(category, findings) == MIME:
        return _MIME_LETTER
    return category.letter
