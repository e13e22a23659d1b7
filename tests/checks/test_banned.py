# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is told of which banned part, and what his rules say shall become of it."""

from dataclasses import replace

import pytest

from milterguard.checks.banned import BannedCheck
from milterguard.config.banned_rules import shipped
from milterguard.config.settings import Settings
from milterguard.core.banned import Rule, RuleSet
from milterguard.core.decide import judge
from milterguard.core.destiny import Destiny
from milterguard.core.envelope import Traffic
from milterguard.core.finding import Category, Finding
from milterguard.core.message import Message
from milterguard.core.part import Flag, Part
from milterguard.core.policy import Policy
from milterguard.core.verdict import Judged
from milterguard.unpack.opened import Opened
from tests.core.build import judged, message

EXE = Opened((Part("1", types=("multipart/mixed",)), Part("1/1", parent=0, names=("a.exe",), kinds=("exe", "exe-ms"))))
PLAIN = judged("plain@example.com")
RELAXED = judged("relaxed@example.com", policy=Policy(banned_rules=("ALLOW_EXECUTABLES", "DEFAULT")))
BYPASSING = judged("bypassing@example.com", policy=Policy(bypass_banned_checks=True, banned_rules=("NO_MACROS",)))


def found(
    *to: Judged, opened: Opened = EXE, rules: tuple[Rule, ...] = (), traffic: Traffic = Traffic.INBOUND
) -> tuple[Finding, ...]:
    check = BannedCheck(Settings(banned=(*shipped(), RuleSet("MINE", rules))))
    return check.judge(_of(traffic), to, opened)


def _of(traffic: Traffic) -> Message:
    plain = message()
    return replace(plain, envelope=replace(plain.envelope, traffic=traffic))


def test_a_banned_part_is_told_with_rule_and_place() -> None:
    """The detail is amavis' short reason with the rule's title."""
    assert found(PLAIN) == (
        Finding(
            "banned",
            Category.BANNED,
            detail="executable: .exe,.exe-ms,a.exe",
            part="1/1",
            rule="executable",
            rules=("DEFAULT",),
        ),
    )


def test_nothing_banned_nothing_said() -> None:
    """Neither about harmless parts nor about a message that has none."""
    assert found(PLAIN, opened=Opened((Part("1", types=("text/plain",)),))) == ()
    assert found(PLAIN, opened=Opened()) == ()


def test_each_combination_of_sets_is_asked_once() -> None:
    """Recipients with the same sets share their findings; those who bypass the check ask for nothing."""
    findings = found(PLAIN, PLAIN, RELAXED, BYPASSING)
    assert [each.rules for each in findings] == [("DEFAULT",)]
    outcomes = [judge(findings, each).destiny for each in (PLAIN, RELAXED, BYPASSING)]
    assert outcomes == [Destiny.REJECT, Destiny.PASS, Destiny.PASS]


def test_a_set_that_nobody_defined_is_logged_once_and_ignored(caplog: pytest.LogCaptureFixture) -> None:
    """A policy out of a database may name one; the other sets hold all the same, for him who has them."""
    check = BannedCheck(Settings(banned=shipped()))
    lost, odd = (judged(policy=Policy(banned_rules=names)) for names in (("GONE\n",), ("GONE\n", "GONE\n", "DEFAULT")))
    for _ in range(2):
        findings = check.judge(message(), (lost, odd), EXE)
        assert [each.rules for each in findings] == [("GONE\n", "GONE\n", "DEFAULT")]
        assert [judge(findings, each).destiny for each in (lost, odd)] == [Destiny.PASS, Destiny.REJECT]
    [said] = caplog.messages
    assert said.startswith("banned_rules names a set that is not defined")
    assert said.isprintable()


def test_a_rule_may_say_what_becomes_of_the_message() -> None:
    """Only mail that nobody can be told about is not refused: it is discarded, and kept."""
    mine = judged(policy=Policy(banned_rules=("MINE",)))
    for said, local in (
        (Destiny.REJECT, Destiny.DISCARD),
        (Destiny.TEMPFAIL, Destiny.DISCARD),
        (Destiny.DISCARD, Destiny.DISCARD),
        (Destiny.PASS, Destiny.PASS),
        (None, None),
    ):
        rules = (Rule("mine", destiny=said),)
        assert [each.destiny for each in found(mine, rules=rules)] == [said]
        assert [each.destiny for each in found(mine, rules=rules, traffic=Traffic.LOCAL)] == [local]


def test_findings_are_few_but_none_that_matters_is_left_out() -> None:
    """Of a thousand banned parts the first are told, and one of those that want another destiny."""
    members = [Part(f"1/{number}", parent=0, names=("a.txt",), is_member=True) for number in range(1, 1001)]
    members += [Part(f"1/{number}", parent=0, names=("a.pdf",), is_member=True) for number in (1001, 1002)]
    rules = (
        Rule("light", extensions=frozenset(("txt",)), destiny=Destiny.PASS),
        Rule("severe", extensions=frozenset(("pdf",))),
    )
    mine = judged(policy=Policy(banned_rules=("MINE",)))
    findings = found(mine, rules=rules, opened=Opened((Part("1"), *members)))
    assert [each.rule for each in findings] == ["light"] * 20 + ["severe"]
    assert judge(findings, mine).destiny is Destiny.REJECT


def test_a_container_is_told_once() -> None:
    """And not for each thing in it: the sender should see which file is the matter."""
    flags = frozenset((Flag.MACRO,))
    tree = (
        Part("1", types=("multipart/mixed",)),
        Part("1/1", parent=0, names=("r.docm",), kinds=("zip", "docx"), flags=flags),
        *(
            Part(f"1/1/{number}", parent=1, names=(f"{number}.xml",), kinds=("xml",), is_member=True)
            for number in (1, 2)
        ),
        Part("1/1/3", parent=1, names=("evil.exe",), is_member=True),
    )
    strict = judged(policy=Policy(banned_rules=("DEFAULT", "NO_MACROS")))
    assert [(each.part, each.detail) for each in found(strict, opened=Opened(tree))] == [
        ("1/1", "macros: .zip,.docx,r.docm"),
        ("1/1/3", "executable by name: evil.exe"),
    ]


@pytest.mark.parametrize(
    ("kinds", "is_banned"), [(("zip",), True), (("zip", "docx", "doc"), False), (("zip", "odt"), False)]
)
def test_a_document_is_no_archive(kinds: tuple[str, ...], is_banned: bool) -> None:
    """Though it is a zip by its octets."""
    tree = (Part("1"), Part("1/1", parent=0, names=("r.bin",), kinds=kinds), Part("1/1/1", parent=1, names=("x",)))
    strict = judged(policy=Policy(banned_rules=("NO_ARCHIVES",)))
    assert bool(found(strict, opened=Opened(tree))) == is_banned


ON_TRIAL = (
    Rule("watched", extensions=frozenset({"exe"}), destiny=Destiny.DISCARD, is_on_trial=True),
    Rule("in force", extensions=frozenset({"exe"})),
)
WATCHING = judged("watching@example.com", policy=Policy(banned_rules=("MINE",)))


def test_a_rule_on_trial_is_told_beside_the_one_in_force() -> None:
    """It stands before it, and what becomes of the message is what it would be without it."""
    findings = found(WATCHING, rules=ON_TRIAL)
    assert [(each.rule, each.is_on_trial) for each in findings] == [("in force", False), ("watched", True)]
    outcome = judge(findings, WATCHING)
    assert (outcome.destiny, outcome.tried and outcome.tried.destiny) == (Destiny.REJECT, None)


def test_a_rule_on_trial_alone_has_no_effect() -> None:
    """The message passes as clean, and what would have become of it is told."""
    findings = found(WATCHING, rules=ON_TRIAL[:1])
    outcome = judge(findings, WATCHING)
    assert (outcome.destiny, outcome.category) == (Destiny.PASS, Category.CLEAN)
    assert outcome.tried is not None
    assert (outcome.tried.destiny, outcome.tried.blocking) == (Destiny.DISCARD, Category.BANNED)
