# SPDX-License-Identifier: GPL-3.0-or-later
"""What SpamAssassin wrote into the header section it gave back: tests, their points, autolearn.

The rest of that section belongs to the sender of the message and is not looked at. Score and
threshold are not taken from here but from spamd's own protocol. Total and linear.

*Source:* Mail::SpamAssassin::Conf, template tags ``_TESTS(,)_``, ``_TESTSSCORES(,)_``,
``_AUTOLEARN_``.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

MAX_TESTS = 200
MAX_POINTS = 1_000_000.0
"""Nobody gives more points than that; what claims to is not a number of points."""

_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,80}")
_POINTS = re.compile(r"[+-]?[0-9]{1,12}(?:\.[0-9]{0,12})?|[+-]?\.[0-9]{1,12}")
_AUTOLEARN = re.compile(r"(?:^|[\s,])autolearn=([a-z]{1,20})(?![^\s,])")
_NONE = "none"


@dataclass(frozen=True, slots=True)
class Report:
    tests: tuple[tuple[str, float | None], ...] = ()
    """Names of the tests that hit, in SpamAssassin's order, with points where it was told to write them."""
    autolearn: str = ""


def parse_report(header: bytes) -> Report:
    """Return what the header section says, as far as it can be read. Never raises.

    Points need ``add_header all Tests-Scores _TESTSSCORES(,)_`` in SpamAssassin's local.cf.
    """
    status = _field(header, b"x-spam-status:")
    scores = _field(header, b"x-spam-tests-scores:")
    autolearn = _AUTOLEARN.search(status)
    return Report(
        tests=tuple(islice(_scored(scores), MAX_TESTS)) or tuple(islice(_named(status), MAX_TESTS)),
        autolearn=autolearn[1] if autolearn else "",
    )


def is_points(number: float) -> bool:
    """Whether a number can be points: nan, inf and absurd ones cannot."""
    return math.isfinite(number) and abs(number) <= MAX_POINTS


def _field(header: bytes, name: bytes) -> str:
    """Return the first field of that name, unfolded; SpamAssassin puts its own on top."""
    lines = iter(header.split(b"\n"))
    for line in lines:
        if line[: len(name)].lower() == name:
            value = [line[len(name) :]]
            for more in lines:
                if not more.startswith((b" ", b"\t")):
                    break
                value.append(more)
            return b" ".join(value).decode("latin-1")
    return ""


def _scored(text: str) -> Iterator[tuple[str, float | None]]:
    for item in text.split(","):
        name, equals, points = item.strip().partition("=")
        if equals and _NAME.fullmatch(name) and name != _NONE:
            yield name, _number(points)


def _number(text: str) -> float | None:
    if not _POINTS.fullmatch(text):
        return None
    number = float(text)
    return number if is_points(number) else None


def _named(status: str) -> Iterator[tuple[str, None]]:
    _, _, rest = status.partition("tests=")
    for item in rest.replace(",", " ").split():
        if "=" in item:
            return  # autolearn= and what follows
        if _NAME.fullmatch(item) and item != _NONE:
            yield item, None
