# SPDX-License-Identifier: GPL-3.0-or-later
"""What could not be looked into, or can be read in more than one way: UNCHECKED, with its reason.

The minors, the most alarming first: ``ambiguous`` (mail programs may differ about what is in there),
``over limits``, ``encrypted``, ``undecodable``.

*Source:* amavis CC_UNCHECKED and its minors 1 (encrypted), 2 (over limits), 3 (ambiguous).
"""

from collections.abc import Iterator, Sequence
from itertools import chain, islice

from milterguard.core.finding import Category, Finding
from milterguard.core.message import Message
from milterguard.core.part import UNCHECKED_FLAGS, Flag, Part, Problem
from milterguard.core.text import printable
from milterguard.core.verdict import Judged
from milterguard.unpack.opened import Opened

NAME = "parts"
_MOST_FINDINGS = 20
_NAME_LIMIT = 60


class PartsCheck:
    """Reports the flags of the parts. Keeps nothing."""

    name = NAME

    def judge(self, message: Message, judged: Sequence[Judged], opened: Opened) -> tuple[Finding, ...]:
        """Return UNCHECKED for each part that deserves it, the most alarming reason first."""
        del message, judged
        told = islice(_told(opened), _MOST_FINDINGS)
        return tuple(
            Finding(NAME, Category.UNCHECKED, minor=flag.value, detail=detail, part=placement)
            for flag, detail, placement in told
        )


def _told(opened: Opened) -> Iterator[tuple[Flag, str, str]]:
    """Yield why, in which words, and where; each problem once, each part once for a flag."""
    for flag in UNCHECKED_FLAGS:
        problems = (_problem(each) for each in opened.problems if each.flag is flag)
        parts = (_part(each) for each in opened.tree if flag in each.flags)
        seen: set[tuple[str, str]] = set()
        for detail, placement in chain(problems, parts):
            if (detail, placement) not in seen:
                seen.add((detail, placement))
                yield flag, detail, placement


def _problem(problem: Problem) -> tuple[str, str]:
    return problem.detail, problem.placement


def _part(part: Part) -> tuple[str, str]:
    name = printable(part.names[0], _NAME_LIMIT) if part.names else f"part {part.placement}"
    return f"{name}: {printable(part.detail, 100)}" if part.detail else name, part.placement
