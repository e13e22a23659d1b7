# SPDX-License-Identifier: GPL-3.0-or-later
"""Which settings decided about a recipient, in words."""

from dataclasses import replace
from typing import Any

import pytest

from milterguard.core.decide import judge
from milterguard.core.destiny import Destiny
from milterguard.core.envelope import Traffic
from milterguard.core.finding import Category, Finding
from milterguard.core.listed import Listed, Listing
from milterguard.core.policy import Policy
from milterguard.core.reasons import as_plain, in_words, reasons
from milterguard.core.verdict import Judged
from tests.core.build import CLEAN, NO_CLAMD, VIRUS, judged, points

BANNED = Finding("banned", Category.BANNED, rule="exe", rules=("DEFAULT",))
BIG = Finding("milterguard", Category.OVERSIZED, "size", size=1000)
FORGED = Finding("dmarc", Category.FORGED, "reject", result="fail")
HEADER = Finding("bad_header", Category.BAD_HEADER, "missing")


def who(listed: Listed | None = None, **policy: Any) -> Judged:
    return replace(judged(policy=Policy(**policy)), listed=listed or Listed())


def told(*findings: Finding, to: Judged, traffic: Traffic = Traffic.INBOUND) -> str:
    return in_words(map(as_plain, reasons(judge(findings, to), findings, traffic=traffic)))


@pytest.mark.parametrize(
    ("findings", "to", "words"),
    [
        ((CLEAN,), who(), ""),
        ((VIRUS,), who(), "virus_destiny reject (default)"),
        ((VIRUS,), who(virus_destiny=Destiny.DISCARD), "virus_destiny discard ([policy])"),
        ((VIRUS,), who(virus_lover=True), "virus_lover true ([policy])"),
        ((VIRUS,), who(bypass_virus_checks=True), "bypass_virus_checks true ([policy])"),
        ((points(7.0),), who(), "spam_kill_level 6.9 (default) and spam_destiny reject (default)"),
        (
            (points(7.0),),
            who(spam_destiny=Destiny.PASS),
            "spam_kill_level 6.9 (default) and spam_destiny pass ([policy]) and spam_tag2_level 6.2 (default)",
        ),
        ((points(5.0),), who(spam_tag3_level=4.0), "spam_tag3_level 4 ([policy])"),
        (
            (points(5.0),),
            who(Listed(points=3.0, origins=("@x in score_senders",))),
            "spam_kill_level 6.9 (default) and sender AM.WBL=3 (@x in score_senders) and spam_destiny reject (default)",
        ),
        (
            (points(9.0),),
            who(Listed(Listing.ALLOWED, origins=("@x in allow_senders",))),
            "sender allowed (@x in allow_senders)",
        ),
        ((BANNED,), who(), "banned_rules exe (default) and banned_destiny reject (default)"),
        ((replace(BANNED, destiny=Destiny.DISCARD),), who(), "banned_rules exe: discard (default)"),
        (
            (BIG,),
            who(message_size_limit=500),
            "message_size_limit 500 ([policy]) and oversized_destiny reject (default)",
        ),
        ((NO_CLAMD,), who(), "checks.clamd.on_failure tempfail ([checks.clamd])"),
        ((Finding("parts", Category.UNCHECKED, "ambiguous"),), who(), "ambiguous_destiny reject (default)"),
        ((FORGED,), who(), "dmarc_reject_destiny reject (default)"),
        (
            (replace(FORGED, minor="quarantine"),),
            who(dmarc_quarantine_destiny=Destiny.DISCARD),
            "dmarc_quarantine_destiny discard ([policy])",
        ),
        ((HEADER,), who(bad_header_destiny=Destiny.REJECT), "bad_header_destiny reject ([policy])"),
    ],
)
def test_the_settings_that_decided(findings: tuple[Finding, ...], to: Judged, words: str) -> None:
    """Those that made the category, then the one that made the destiny, each with its origin."""
    assert told(*findings, to=to) == words


def test_an_entry_is_named_by_its_origin() -> None:
    """As ``policy show`` names it."""
    to = replace(who(spam_kill_level=5.0), origins=(("spam_kill_level", "@example.com, f: [[recipient]] 1"),))
    assert told(points(6.0), to=to).startswith("spam_kill_level 5 (@example.com, f: [[recipient]] 1)")


def test_what_did_not_come_by_smtp_was_never_to_be_refused() -> None:
    """The destiny is not the one that somebody wrote."""
    words = told(VIRUS, to=who(virus_destiny=Destiny.DISCARD), traffic=Traffic.LOCAL)
    assert words == "virus_destiny discard ([policy]; what did not come by SMTP is never refused)"
