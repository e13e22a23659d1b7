# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds what looks like base64 in a message of which nobody can say where its parts are.

Runs of such lines are given one by one, and once more joined with what little stands between them: which of
the two a mail program takes depends on how it reads the lines in between.
"""

import re
from collections.abc import Iterator

from milterguard.mime.decoding import lines
from milterguard.mime.gibberish import LETTERS, looks_encoded
from milterguard.mime.octets import Octets

_OTHERS = bytes(set(range(256)) - set(LETTERS))
_FEWEST_LETTERS = 24
_WIDEST_GAP = 256
# Whoever scatters letters over more runs than this gets the rest taken as one.
_MOST_RUNS = 50_000
_LINES = re.compile(
    rb"(?m)(?:^(?!--|(?i:content|mime|x)-[A-Za-z-]{0,60}+:)[ \t>]*+"
    rb"(?:[A-Za-z0-9+/=_-]++(?:[^\sA-Za-z0-9+/=_-]{1,2}+(?=[A-Za-z0-9+/=_-]))?+)++"
    rb"[^\sA-Za-z0-9+/=_-]{0,2}+[ \t]*+\r?(?:\n|\Z))++"
)
_DIVIDER = re.compile(rb"(?mi)^(?:--|(?:content|mime|x)-[a-z-]{0,60}+:)")


def carved(octets: Octets, start: int, end: int, *, at_most: int = 100) -> tuple[tuple[int, int], ...]:
    """Return ranges that may be base64, in their order; they may overlap. Never raises."""
    end = min(end, len(octets))
    start = min(max(start, 0), end)
    found: list[tuple[int, int]] = []
    for group in _groups(octets, list(_runs(octets, start, end))):
        strong = [run for run in group if _is_base64(octets, *run)]
        joined = (group[0][0], group[-1][1])
        if len(strong) > 1:
            found.append((strong[0][0], strong[-1][1]))
        elif not strong and _is_base64(octets, *joined):
            found.append(joined)
        found += [run for run in strong if run not in found[-1:]]
        if len(found) >= at_most:
            break
    return tuple(found[:at_most])


def _runs(octets: Octets, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the runs of lines with little but letters of base64 in them."""
    position = start
    count = first = last = 0
    for block in lines(octets, start, end):
        for match in _LINES.finditer(block):
            began, ended = position + match.start(), position + match.end()
            if last == began and last > first:
                last = ended
                continue
            if last > first:
                yield first, last
            first, last = began, ended
            count += 1
            if count == _MOST_RUNS:
                yield began, end
                return
        position += len(block)
    if last > first:
        yield first, last


def _groups(octets: Octets, runs: list[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    """Yield runs that stand so near to one another, with no delimiter or field between, that they may be one."""
    group = runs[:1]
    for run in runs[1:]:
        gap = octets[group[-1][1] : run[0]] if run[0] - group[-1][1] <= _WIDEST_GAP else b"--"
        if _DIVIDER.search(gap):
            yield group
            group = []
        group.append(run)
    if group:
        yield group


def _is_base64(octets: Octets, start: int, end: int) -> bool:
    letters = octets[start : min(end, start + 4096)].translate(None, _OTHERS)
    return len(letters) >= _FEWEST_LETTERS and looks_encoded(octets, start, end)
