# SPDX-License-Identifier: GPL-3.0-or-later
"""What a check has to say about a message.

*Source:* amavis' content categories (CC_CLEAN … CC_VIRUS); FAILED takes the place of CC_MTA.
"""

from dataclasses import dataclass
from enum import IntEnum

from milterguard.core.destiny import Destiny


class Category(IntEnum):
    """Content categories, lightest first: comparing them compares their weight."""

    CLEAN = 1
    FAILED = 2
    OVERSIZED = 3
    BAD_HEADER = 4
    SPAMMY = 5
    SPAM = 6
    FORGED = 7
    UNCHECKED = 8
    BANNED = 9
    VIRUS = 10

    @property
    def word(self) -> str:
        """The setting's word: ``bad_header``, ``virus`` …"""
        return self.name.lower()

    @property
    def letter(self) -> str:
        """The letter of amavis' SQL column ``msgs.content``."""
        return _LETTERS[self]


_LETTERS = {
    Category.CLEAN: "C",
    Category.FAILED: "T",
    Category.OVERSIZED: "O",
    Category.BAD_HEADER: "H",
    Category.SPAMMY: "Y",
    Category.SPAM: "S",
    Category.FORGED: "F",
    Category.UNCHECKED: "U",
    Category.BANNED: "B",
    Category.VIRUS: "V",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One statement of one check. CLEAN is a statement too: the scanner literally said so."""

    check: str
    """Name of the check, such as ``clamd``."""
    category: Category
    minor: str = ""
    """What kind within the category: ``encrypted``, ``over limits``, ``timeout`` …"""
    detail: str = ""
    """What was found, in the scanner's words: a virus name, an error. Hostile text."""
    score: float | None = None
    """Points of a spam check (finite), else None."""
    tests: tuple[tuple[str, float | None], ...] = ()
    """Names of the spam tests that hit, with their points where known."""
    autolearn: str = ""
    """What the spam check said about learning: ``no``, ``ham``, ``unavailable`` …"""
    on_failure: Destiny = Destiny.TEMPFAIL
    """For FAILED only: what the check's setting ``on_failure`` wants for this traffic."""
    part: str = ""
    """Placement of the part that it is about; empty: the whole message."""
    rule: str = ""
    """Title of the rule that matched."""
    rules: tuple[str, ...] | None = None
    """Holds for recipients with these ``banned_rules`` only; None: for everybody."""
    destiny: Destiny | None = None
    """What the rule itself says shall become of the message; None: what the policy says."""
    result: str = ""
    """Of a check about who sent it: ``pass``, ``fail``, ``temperror`` … (RFC 8601 section 2.7)."""
    properties: tuple[tuple[str, str], ...] = ()
    """What the result is about, such as ``("header.d", "example.org")`` (RFC 8601 section 2.3). Hostile text."""
    size: int | None = None
    """For OVERSIZED: octets of the message; holds for recipients with a lower ``message_size_limit``. None: for all."""
    is_on_trial: bool = False
    """By a rule with ``shadow = true``: told, and without effect."""
    server: str = ""
    """Which server answered, for the evidence."""
    seconds: float = 0.0
    """How long the check took, for the evidence; never part of a decision."""
