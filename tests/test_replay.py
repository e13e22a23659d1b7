# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages decided again: the same settings change nothing, others what they say."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milterguard.checks.banned import BannedCheck
from milterguard.config.banned_rules import shipped
from milterguard.config.on_failure import OnFailure
from milterguard.config.settings import Checks, Local, RecipientRule, Settings, Spamd
from milterguard.core.banned import Rule, RuleSet
from milterguard.core.decide import decide
from milterguard.core.destiny import Destiny, Mixed
from milterguard.core.envelope import Client, Envelope, Traffic
from milterguard.core.evidence import evidence
from milterguard.core.finding import Category, Finding
from milterguard.core.part import Part
from milterguard.core.policy import Policy
from milterguard.core.verdict import Verdict
from milterguard.job import mixed_of, over_limits_of
from milterguard.lookup.policies import Policies
from milterguard.replay import Replay, Replayed, Why
from milterguard.unpack.opened import Opened
from tests.core.build import CLEAN, NO_CLAMD, VIRUS, message, points
from tests.core.test_report import record

LOCAL = Local(domains=("example.com",))
TO = ("a@example.com", "b@example.com")
EXE = (Part("1", types=("multipart/mixed",)), Part("1/1", parent=0, names=("a.exe",), kinds=("exe",)))


def settings(*rules: RecipientRule, policy: Policy | None = None, **more: Any) -> Settings:
    return Settings(local=LOCAL, recipients=rules, policy=policy or Policy(), **more)


def rule(match: str, **said: Any) -> RecipientRule:
    return RecipientRule((match,), tuple(said.items()), "test: [[recipient]] 1")


def document(
    *findings: Finding,
    under: Settings | None = None,
    to: Sequence[str] = TO,
    tree: tuple[Part, ...] = EXE[:1],
) -> dict[str, Any]:
    """Return what is written down of a message that came under these settings."""
    held = under or settings()
    policies = Policies(held)
    client = Client("192.0.2.7", port=25)
    judged = tuple(policies.judged(each, (), Traffic.INBOUND, (), "s@sender.example") for each in to)
    banned = BannedCheck(held).judge(message(), judged, Opened(tree))
    found = (*findings, *banned, *over_limits_of(judged, 350))
    decision = decide(found, judged, mixed=mixed_of(judged, Traffic.INBOUND))
    envelope = Envelope("s@sender.example", tuple(each.recipient for each in judged), client)
    verdict = Verdict(decision, found, tree=tree)
    made = replace(record(), envelope=envelope, verdict=verdict, answer=decision.answer)
    written: dict[str, Any] = json.loads(json.dumps(evidence(made)))
    return written


def again(told: dict[str, Any], new: Settings) -> Replayed:
    replay = Replay(new)
    try:
        return replay.again(json.dumps(told))
    finally:
        replay.close()


DESTINIES = st.sampled_from(Destiny)
POLICIES = st.builds(
    Policy,
    virus_destiny=DESTINIES,
    spam_destiny=DESTINIES,
    banned_destiny=DESTINIES,
    spam_lover=st.booleans(),
    bypass_spam_checks=st.booleans(),
    spam_tag2_level=st.none() | st.floats(0, 10),
    spam_kill_level=st.none() | st.floats(0, 10),
    message_size_limit=st.sampled_from((0, 100, 1000)),
    mixed_recipients=st.sampled_from((Mixed.REMOVE, Mixed.STRICTEST)),
    store_on_reject=st.sampled_from(((), (Category.SPAM, Category.VIRUS))),
    deny_senders=st.sampled_from(((), ("@sender.example",))),
    reject_denied_at_rcpt=st.just(False),
)
FOUND = st.lists(st.sampled_from((CLEAN, VIRUS, points(3.0), points(6.5), points(9.0))), max_size=3)


@given(POLICIES, FOUND, st.booleans())
def test_the_same_settings_change_nothing(policy: Policy, findings: list[Finding], has_exe: bool) -> None:
    """Whatever they are and whatever was found."""
    under = settings(rule("a@example.com", spam_kill_level=4.0, virus_lover=True), policy=policy)
    told = document(*findings, under=under, tree=EXE if has_exe else EXE[:1])
    assert again(told, under) == Replayed(told["mail_id"], "s@sender.example")


def test_a_lower_level_changes_whom_it_concerns() -> None:
    """One recipient, from marked to removed, with a copy."""
    replayed = again(document(points(6.5)), settings(rule("b@example.com", spam_kill_level=6.0)))
    (change,) = replayed.changes
    assert (change.recipient, change.before.fate, change.after.fate) == ("b@example.com", "pass", "removed")
    assert (change.before.is_spammy, change.after.is_kept) == (True, True)


def test_rules_about_names_are_asked_anew() -> None:
    """Of the new settings, where the parts are known."""
    allowed = settings(policy=Policy(banned_rules=("ALLOW_EXECUTABLES", "DEFAULT")))
    told = document(under=allowed, tree=EXE)
    assert again(told, allowed).changes == ()
    assert {each.after.fate for each in again(told, settings()).changes} == {"reject"}
    mine = RuleSet("DEFAULT", (Rule("none", extensions=frozenset({"xyz"})),))
    assert {each.after.fate for each in again(document(tree=EXE), settings(banned=(*shipped()[1:], mine))).changes} == {
        "pass"
    }


def test_where_parts_are_not_known_the_findings_stay() -> None:
    """And that is told."""
    told = document(tree=EXE)
    told["parts_left_out"] = 1
    replayed = again(told, settings(policy=Policy(banned_destiny=Destiny.DISCARD)))
    assert replayed.is_partial
    assert {each.after.fate for each in replayed.changes} == {"discard"}


def test_what_a_failure_means_is_looked_up_anew() -> None:
    """By the new settings, for this traffic."""
    told = document(NO_CLAMD)
    passing = Checks(clamd=replace(Checks().clamd, on_failure=OnFailure(Destiny.PASS, Destiny.PASS, Destiny.PASS)))
    assert {each.after.fate for each in again(told, settings(checks=passing)).changes} == {"pass"}


def test_a_check_that_is_switched_off_has_found_nothing() -> None:
    """Its points are gone."""
    told = document(points(9.0))
    off = settings(checks=Checks(spamd=Spamd(enabled=False)))
    assert {(each.before.fate, each.after.fate) for each in again(told, off).changes} == {("reject", "pass")}


def test_refusals_at_rcpt_and_transactions_of_their_own() -> None:
    """A denied sender is refused where he would be; recipients of two policies are answered apart."""
    told = document(points(6.5))
    denied = again(told, settings(rule("a@example.com", deny_senders=("@sender.example",))))
    assert [(each.recipient, each.after.fate) for each in denied.changes] == [("a@example.com", "refused_at_rcpt")]
    everybody = again(told, settings(policy=Policy(refuse_mail=True)))
    assert {each.after.fate for each in everybody.changes} == {"refused_at_rcpt"}
    split = settings(rule("b@example.com", spam_kill_level=6.0), policy=Policy(mixed_recipients=Mixed.SPLIT))
    assert [(each.recipient, each.after.fate) for each in again(told, split).changes] == [("b@example.com", "reject")]
    together = again(document(points(6.5), to=(*TO, "c@example.com")), split)
    assert [each.recipient for each in together.changes] == ["b@example.com"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"released": "Abc"}, Why.RELEASED),
        ({"version": 1}, Why.OLD),
        ({"outcomes": []}, Why.OLD),
        ({"findings": None}, Why.OLD),
        ({"kept_for": None}, Why.OLD),
        ({"findings": [7]}, Why.OLD),
        ({"outcomes": [7]}, Why.OLD),
        ({"sender": None}, Why.OLD),
        ({"client_address": None}, Why.OLD),
        ({"authors": [7]}, Why.OLD),
        ({"parts": [7]}, Why.OLD),
        ({"action": "tempfail"}, Why.NO_VERDICT),
        ({"findings": [{"check": "milterguard", "category": "failed", "minor": "error"}]}, Why.NO_VERDICT),
        ({"findings": [{"check": "milterguard", "category": "oversized", "minor": "limit"}]}, Why.NO_VERDICT),
    ],
)
def test_what_cannot_be_decided_again_is_told(change: dict[str, Any], why: Why) -> None:
    """And why."""
    assert again(document() | change, settings()).why_not is why


def test_too_many_authors_to_be_written_down_are_told() -> None:
    """Lists about them could not be asked."""
    assert again(document() | {"authors": None}, settings()).is_partial


def test_without_rules_about_names_no_parts_are_needed() -> None:
    """A site that does not look into messages has complete evidence all the same."""
    off = settings(checks=replace(Checks(), banned=replace(Checks().banned, enabled=False)))
    assert again(document(under=settings()) | {"parts": []}, off) == again(document(), off)
    assert not again(document() | {"parts": []}, off).is_partial


@pytest.mark.parametrize("text", ["", "{", "7", "[]", "{}"])
def test_damaged_documents_are_no_error(text: str) -> None:
    """They are counted."""
    replay = Replay(settings())
    assert replay.again(text).why_not is Why.OLD
    replay.close()
