# SPDX-License-Identifier: GPL-3.0-or-later
"""X-Spam fields where lists of senders have a say: amavis' words, and points that are shown otherwise than counted.

*Source:* what amavis 2.13 was seen to write.
"""

from itertools import permutations

import pytest

from milterguard.core.decide import decide
from milterguard.core.destiny import Destiny, Mixed
from milterguard.core.finding import Category, Finding
from milterguard.core.levels import is_tagged
from milterguard.core.listed import Listed, Listing
from milterguard.core.marks import Style, edits_for
from milterguard.core.policy import Policy
from milterguard.core.spam_marks import severest
from milterguard.core.verdict import Decision, InsertField, Judged
from milterguard.effects.keep import reasons
from tests.core.build import fields, judged, points

LOVER = Policy(spam_lover=True)
SPAMD_DOWN = Finding("spamd", Category.FAILED, "timeout", on_failure=Destiny.PASS)


def known(
    listing: Listing | None = None, points: float | None = None, *, policy: Policy = LOVER, address: str = "a@x.example"
) -> Judged:
    mine = judged(address, policy=policy)
    return Judged(mine.recipient, mine.policy, listed=Listed(listing, points))


def decided(*findings: Finding, to: tuple[Judged, ...]) -> Decision:
    return decide(findings, to, mixed=Mixed.REMOVE)


def seen(*findings: Finding, to: tuple[Judged, ...], level_char: str = "*") -> dict[str, str]:
    style = Style(virus_scanned="", hostname="mail.example.com", level_char=level_char)
    decision = decided(*findings, to=to)
    edits = edits_for(fields("Subject: x"), decision, findings, mail_id="Abcdefghij12", style=style)
    return {edit.name: edit.value for edit in reversed(edits) if isinstance(edit, InsertField)}


def test_an_allowed_sender_has_no_points_to_be_seen_and_his_real_ones_are_told() -> None:
    """amavis: score=2.302, X-Spam-Score 0, an empty X-Spam-Level, WHITELISTED before tests=."""
    assert seen(points(2.302, ("A", 2.302)), to=(known(Listing.ALLOWED),)) == {
        "X-Spam-Flag": "NO",
        "X-Spam-Score": "0",
        "X-Spam-Level": "",
        "X-Spam-Status": (
            "No, score=2.302 tagged_above=-999 required=6.2 WHITELISTED\n tests=[A=2.302]\n autolearn=no"
        ),
    }
    assert seen(points(-3.5), to=(known(Listing.ALLOWED),))["X-Spam-Score"] == "-3.5"


def test_a_denied_sender_has_64_points_at_least() -> None:
    """And 64 characters; a denied sender is spam whatever the score."""
    fields = seen(points(2.302, ("A", 2.302)), to=(known(Listing.DENIED),))
    assert (fields["X-Spam-Flag"], fields["X-Spam-Score"], fields["X-Spam-Level"]) == ("YES", "64", "*" * 64)
    assert fields["X-Spam-Status"] == (
        "Yes, score=2.302 tagged_above=-999 required=6.2 BLACKLISTED\n tests=[A=2.302]\n autolearn=no"
    )
    assert seen(points(70.5), to=(known(Listing.DENIED),))["X-Spam-Score"] == "70.5"
    assert "X-Spam-Level" not in seen(points(70.5), to=(known(Listing.DENIED),), level_char="")


def test_points_of_the_lists_are_a_test() -> None:
    """AM.WBL, the first of them: amavis' own sample."""
    strict = Policy(spam_tag2_level=1.0, spam_kill_level=None)
    fields = seen(points(2.212, ("B", 2.212)), to=(known(points=1.5, policy=strict),))
    assert fields["X-Spam-Score"] == "3.712"
    assert fields["X-Spam-Status"] == (
        "Yes, score=3.712 tagged_above=-999 required=1\n tests=[AM.WBL=1.5, B=2.212]\n autolearn=no"
    )
    assert "AM.WBL" not in seen(points(1.0), to=(known(points=0.0),))["X-Spam-Status"]


def test_where_nobody_needed_a_scan_that_is_said() -> None:
    """spamd was not asked: no points, no tests, autolearn=unavailable."""
    assert seen(to=(known(Listing.ALLOWED),)) == {
        "X-Spam-Flag": "NO",
        "X-Spam-Score": "0",
        "X-Spam-Level": "",
        "X-Spam-Status": "No, score=x tagged_above=-999 required=6.2 WHITELISTED\n tests=[]\n autolearn=unavailable",
    }
    denied = seen(to=(known(Listing.DENIED, 2.5),))
    assert denied["X-Spam-Score"] == "64"
    assert denied["X-Spam-Status"].endswith("BLACKLISTED\n tests=[AM.WBL=2.5]\n autolearn=unavailable")
    assert seen(to=(known(),)) == {}
    assert seen(to=(known(Listing.ALLOWED, policy=Policy(spam_tag_level=5.0)),)) == {}


def test_a_scanner_that_failed_matters_to_those_only_whose_lists_say_nothing() -> None:
    """(not scanned) where it would have counted."""
    assert "(not scanned)" not in seen(SPAMD_DOWN, to=(known(Listing.DENIED),))["X-Spam-Status"]
    unscanned = seen(SPAMD_DOWN, to=(known(),))
    assert unscanned == {
        "X-Spam-Status": "No, score=x tagged_above=-999 required=6.2 tests=[] autolearn=unavailable (not scanned)"
    }
    assert seen(SPAMD_DOWN, to=(known(points=1.0),))["X-Spam-Status"].startswith("No, score=1 ")


def test_of_several_recipients_the_severest_counts_in_any_order() -> None:
    """Denied before unknown before allowed; the fields name nobody."""
    allowed = known(Listing.ALLOWED, 9.0, address="allowed@x.example")
    unknown = known(points=0.5, address="unknown@x.example")
    denied = known(Listing.DENIED, address="denied@x.example")
    for to, word, score in (
        ((allowed, unknown), "tests=[AM.WBL=0.5]", "1.5"),
        ((allowed, unknown, denied), "BLACKLISTED", "64"),
        ((allowed, known(Listing.ALLOWED, address="b@x.example")), "WHITELISTED", "0"),
    ):
        for order in permutations(to):
            shown = seen(points(1.0), to=order)
            assert word in shown["X-Spam-Status"]
            assert shown["X-Spam-Score"] == score
            assert "x.example" not in str(shown)
    assert severest(()) == []


def test_no_mail_is_without_its_flag() -> None:
    """NO where it is no spam, also above the kill level where tag2 is higher still."""
    assert seen(points(1.0), to=(known(),))["X-Spam-Flag"] == "NO"
    high = Policy(spam_lover=True, spam_tag2_level=60.0)
    assert seen(points(50.0), to=(known(policy=high),))["X-Spam-Flag"] == "NO"


@pytest.mark.parametrize(
    ("listing", "score", "status"),
    [
        (Listing.DENIED, "64", "Yes, score=3 tag=-999 tag2=6.2 kill=6.9 BLACKLISTED\n tests=[AM.WBL=1, Z=2]"),
        (Listing.ALLOWED, "0", "No, score=3 tag=-999 tag2=6.2 kill=6.9 WHITELISTED\n tests=[AM.WBL=1, Z=2]"),
        (None, "3", "No, score=3 tag=-999 tag2=6.2 kill=6.9\n tests=[AM.WBL=1, Z=2]"),
    ],
)
def test_a_kept_copy_says_the_same(listing: Listing | None, score: str, status: str) -> None:
    """In the words of the quarantine, tests in the order of their names."""
    found = (points(2.0, ("Z", 2.0)),)
    archive = Policy(spam_lover=True, store_on_pass=tuple(Category))
    fields = dict(reasons(decided(*found, to=(known(listing, 1.0, policy=archive),)), found))
    assert fields["X-Spam-Score"] == score
    assert fields["X-Spam-Status"] == f"{status}\n autolearn=no"


def test_a_copy_of_mail_that_nobody_scanned_has_no_points() -> None:
    """score=x, because there are none."""
    archive = Policy(spam_lover=True, store_on_pass=tuple(Category))
    fields = dict(reasons(decided(to=(known(Listing.DENIED, policy=archive),)), ()))
    assert fields["X-Spam-Score"] == "64"
    assert fields["X-Spam-Status"].startswith("Yes, score=x ")


def test_an_allowed_senders_mail_is_tagged_ten_points_later() -> None:
    """Without points as with none of them."""
    policy = Policy(spam_tag_level=-9.0)
    assert is_tagged(1.0, policy, Listing.ALLOWED)
    assert not is_tagged(None, policy, Listing.ALLOWED)
    assert is_tagged(None, Policy(spam_tag_level=-10.0), Listing.ALLOWED)
