# SPDX-License-Identifier: GPL-3.0-or-later
r"""Expressions of the operator, for text that strangers choose: their time grows with its length, and no faster.

Python's own engine tries again, and a file name of thirty letters keeps ``(a|a)*$`` busy for hours. RE2
does not; so it lacks what cannot be found in one pass.

*Source:* https://github.com/google/re2/wiki/Syntax

*Errors:* ValueError with what is wrong, or with what RE2 lacks.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import re2

_LACKING = (
    (r"invalid perl operator: \(\?<?[=!]", "RE2 has no look-around"),
    (r"invalid perl operator: \(\?#", "RE2 has no comments, write a title"),
    (r"invalid perl operator: \(\?x", "RE2 has no expressions with blanks and comments in them"),
    (r"invalid perl operator: \(\?>", "RE2 has no atomic groups, and needs none"),
    (r"invalid perl operator: \(\?P", "RE2 has no back-references"),
    (r"invalid escape sequence: \\[1-9gk]", "RE2 has no back-references"),
    (r"invalid escape sequence: \\Z", r"RE2 has no \Z, write $ or \z"),
    (r"invalid escape sequence: \\[uUN]", r"RE2 has characters by number as \x{202e}"),
    (r"bad repetition operator: [*+?]\+", "RE2 has no possessive repetitions, and needs none"),
)
"""How RE2 complains of what other engines have, and what to say to who knows those."""


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression compiled. Equal to what is written the same; may be used by several threads at a time."""

    pattern: str
    _found: Callable[[bytes], object | None] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Whether it is found is all that is asked, and sooner told.
        compiled = _compiled(self.pattern, never_capture=True)
        object.__setattr__(self, "_found", compiled.search)

    def search(self, text: str, /) -> object | None:
        """Return something if the expression is found in a text, whatever characters that is made of.

        As in Perl and Python ``$`` holds before a line end at the end, too: ``evil.exe\\n`` is no way out.
        """
        octets = text.encode("utf-8", "replace")  # half of a surrogate pair becomes a question mark
        return self._found(octets) or (self._found(octets[:-1]) if octets.endswith(b"\n") else None)


@dataclass(frozen=True, slots=True)
class Searching:
    """An expression that tells what its groups hold. May be used by several threads at a time."""

    pattern: str
    groups: int = field(init=False, compare=False)
    """How many it has."""
    _compiled: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        compiled = _compiled(self.pattern, never_capture=False)
        object.__setattr__(self, "_compiled", compiled)
        object.__setattr__(self, "groups", compiled.groups)

    def search(self, text: str, /) -> tuple[str, ...] | None:
        """Return what is found and then its groups, of those that took no part ""; None when nothing is.

        ``$`` holds before a line end at the end, as in ``Expression``.
        """
        octets = text.encode("utf-8", "replace")
        found = self._compiled.search(octets) or (self._compiled.search(octets[:-1]) if octets[-1:] == b"\n" else None)
        if found is None:
            return None
        return tuple((each or b"").decode("utf-8", "replace") for each in (found.group(), *found.groups()))


def _compiled(pattern: str, *, never_capture: bool) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.never_capture = never_capture
    try:
        return re2.compile(pattern.encode(), options)
    except re2.error as error:
        raise ValueError(_complaint(error.args[0].decode("utf-8", "replace"))) from None


def _complaint(said: str) -> str:
    hint = next((words for shape, words in _LACKING if re.match(shape, said)), "")
    return f"{hint} ({said})" if hint else said
