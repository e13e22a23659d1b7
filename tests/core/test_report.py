# SPDX-License-Identifier: GPL-3.0-or-later
"""The log line, its JSON twin and the evidence."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milterguard.core.decide import decide
from milterguard.core.destiny import Destiny, Mixed
from milterguard.core.envelope import Client, Traffic
from milterguard.core.evidence import evidence
from milterguard.core.finding import Category, Finding
from milterguard.core.part import Flag, Part
from milterguard.core.policy import Policy
from milterguard.core.report import Record, actions, as_json, direction, edit_words, hits, log_line
from milterguard.core.verdict import (
    AddRecipient,
    ChangeField,
    Edit,
    InsertField,
    Judged,
    RemoveField,
    RemoveRecipient,
    Verdict,
)
from tests.core.build import CLEAN, ENCRYPTED, NO_CLAMD, VIRUS, envelope, judged, points


def record(*findings: Finding, to: tuple[Judged, ...] = (judged(),), quarantined_as: str = "") -> Record:
    decision = decide(findings, to, mixed=Mixed.REMOVE)
    return Record(
        mail_id="Abcdefghij12",
        log_id="00042-01",
        received_at=1_800_000_000.0,
        envelope=replace(envelope(), recipients=tuple(each.recipient for each in to)),
        size=350,
        message_id="<1@sender.example>",
        subject="hello",
        from_address="a@sender.example",
        verdict=Verdict(decision, findings, quarantined_as=quarantined_as),
        answer=decision.answer,
        reply="",
        milliseconds=376.4,
    )


def test_the_log_line_is_amavis_short_line() -> None:
    """Every field in its place."""
    assert log_line(record(CLEAN, points(2.2))) == (
        "(00042-01) Passed CLEAN {RelayedInbound}, [192.0.2.7]:4711 <sender@sender.example> -> <user@example.com>, "
        "Queue-ID: 4QUEUEID, Message-ID: <1@sender.example>, mail_id: Abcdefghij12, Hits: 2.2, size: 350, 376 ms"
    )


@pytest.mark.parametrize(
    ("findings", "words"),
    [
        ((VIRUS,), "Blocked INFECTED (Eicar-Test-Signature) {RejectedInbound}"),
        ((Finding("b", Category.BANNED, detail=".exe"),), "Blocked BANNED (.exe) {RejectedInbound}"),
        ((ENCRYPTED,), "Passed UNCHECKED-ENCRYPTED {RelayedInbound}"),
        (
            (ENCRYPTED, Finding("parts", Category.UNCHECKED, "over limits")),
            "Passed UNCHECKED-OVER-LIMITS {RelayedInbound}",
        ),
        ((Finding("parts", Category.UNCHECKED, "ambiguous"), ENCRYPTED), "Blocked UNCHECKED-AMBIGUOUS {"),
        (
            (Finding("h", Category.BAD_HEADER, "8bit"), Finding("h", Category.BAD_HEADER, "long")),
            "Passed BAD-HEADER-5 {RelayedInbound}",
        ),
        ((points(6.5),), "Passed SPAMMY {RelayedTaggedInbound}"),
        ((points(9.0),), "Blocked SPAM {RejectedInbound}"),
        ((NO_CLAMD,), "Blocked FAILED (clamd unavailable) {TempFailedInbound}"),
    ],
)
def test_the_log_says_what_it_was_and_what_was_done(findings: tuple[Finding, ...], words: str) -> None:
    """amavis' category and action words."""
    assert words in log_line(record(*findings))


def test_a_verdict_that_could_not_be_given_is_logged_as_failed() -> None:
    """What counts is the answer the client got."""
    late = replace(record(VIRUS), answer=Destiny.TEMPFAIL)
    assert "Blocked FAILED {TempFailedInbound}" in log_line(late)


def test_quarantine_and_removed_recipients_show() -> None:
    """Who did not get an accepted message, and where his copy is."""
    lover = judged("lover@example.com", policy=Policy(spam_lover=True))
    seen = record(points(9.0), to=(judged(), lover), quarantined_as="A/spam-Abcdefghij12.gz")
    line = log_line(seen)
    assert ", quarantine: A/spam-Abcdefghij12.gz, removed: <user@example.com>, " in line
    assert actions(seen) == ["DiscardedInbound", "RelayedTaggedInbound", "Quarantined"]


def test_where_a_message_went_instead_is_told() -> None:
    """moved: and bcc: in the line, of many the first; all in its twin."""
    plain = record(CLEAN)
    moved = tuple((f"{number}@x.example", f"{number}+spam@x.example") for number in range(60))
    seen = replace(plain, verdict=replace(plain.verdict, moved=moved[:1], bcc=("log@x.example",)))
    assert ", moved: <0@x.example> -> <0+spam@x.example>, bcc: <log@x.example>, Queue-ID" in log_line(seen)
    many = replace(plain, verdict=replace(plain.verdict, moved=moved))
    assert "<49+spam@x.example>,+10, " in log_line(many)
    assert as_json(many)["moved"][59] == ["59@x.example", "59+spam@x.example"]


def test_the_log_names_only_what_decided() -> None:
    """What was banned for those who are blocked; and what those have who get the message."""
    found = [Finding("banned", Category.BANNED, detail=name, rules=(name,)) for name in ("STRICT", "LAX")]
    strict = judged(policy=Policy(banned_rules=("STRICT",)))
    lover = judged("lover@example.com", policy=Policy(banned_rules=("LAX",), banned_lover=True))
    assert "Blocked BANNED (STRICT) {" in log_line(record(*found, to=(strict,)))
    assert "Passed BANNED (LAX) {" in log_line(record(*found, to=(strict, lover)))


def test_a_released_message_names_what_it_gives_back() -> None:
    """released: the quarantined message's id."""
    plain = record()
    line = log_line(replace(plain, verdict=replace(plain.verdict, released="Zyxwvutsrq98")))
    assert ", released: Zyxwvutsrq98, " in line
    assert ", Hits: -, " in line


@pytest.mark.parametrize(
    ("traffic", "is_local", "word"),
    [
        (Traffic.INBOUND, True, "Inbound"),
        (Traffic.INBOUND, False, "OpenRelay"),
        (Traffic.ORIGINATING, True, "Internal"),
        (Traffic.ORIGINATING, False, "Outbound"),
        (Traffic.LOCAL, True, "Internal"),
    ],
)
def test_directions(traffic: Traffic, is_local: bool, word: str) -> None:
    """From where, to whom."""
    assert direction(traffic, is_local=is_local) == word


def test_our_own_mail_is_marked_local_and_needs_no_address() -> None:
    """LOCAL, and no brackets without an address."""
    own = replace(record(CLEAN), envelope=envelope(traffic=Traffic.LOCAL, client=Client()))
    assert "}, LOCAL <sender@sender.example> -> " in log_line(own)


def test_long_recipient_lists_are_counted_not_listed() -> None:
    """The line stays readable."""
    many = record(CLEAN, to=tuple(judged(f"{number}@example.com") for number in range(60)))
    assert ",+10, " in log_line(many)


def test_points_that_differ_show_as_a_range() -> None:
    """low..high over the recipients."""
    outcomes = record(points(2.2)).verdict.decision.outcomes
    assert hits((outcomes[0], replace(outcomes[0], score=3.7))) == "2.2..3.7"


def test_the_evidence_is_plain_json_and_holds_every_finding() -> None:
    """What explain tells can be stored and read back."""
    seen = record(VIRUS, points(9.0, ("A", 1.0), ("B", None)))
    document = json.loads(json.dumps(evidence(seen)))
    assert [each["check"] for each in document["findings"]] == ["clamd", "spamd"]
    assert document["outcomes"][0]["blocking"] == "virus"
    assert document["viruses"] == ["Eicar-Test-Signature"]
    assert as_json(record(NO_CLAMD))["failed"] == ["clamd"]
    assert document["outcomes"][0]["policy_origins"] == {}
    kept = evidence(record(Finding("b", Category.BANNED)))
    assert kept["kept_for"] == ["user@example.com"]


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (RemoveField("X-Spam-Flag", 2), "remove X-Spam-Flag [2]"),
        (ChangeField("Subject", 1, "a\n b"), "change Subject: a b"),
        (InsertField("X-Spam-Flag", "YES"), "insert X-Spam-Flag: YES"),
        (AddRecipient("a@b.example"), "add recipient <a@b.example>"),
        (
            AddRecipient("a@b.example", ("NOTIFY=NEVER", "ORCPT=rfc822;x@b.example")),
            "add recipient <a@b.example> NOTIFY=NEVER ORCPT=rfc822;x@b.example",
        ),
        (RemoveRecipient("a@b.example"), "remove recipient <a@b.example>"),
    ],
)
def test_edits_in_words(edit: Edit, words: str) -> None:
    """One line each."""
    assert edit_words(edit) == words


@given(st.text(max_size=100), st.text(max_size=100), st.text(max_size=100))
def test_nothing_hostile_breaks_the_log_line(sender: str, message_id: str, virus: str) -> None:
    """One printable line, whatever the addresses, ids and virus names."""
    hostile = replace(
        record(Finding("clamd", Category.VIRUS, detail=virus)), envelope=envelope(sender=sender), message_id=message_id
    )
    assert log_line(hostile).isprintable()


def test_of_many_parts_those_that_matter_are_kept() -> None:
    """What was found about one, or is wrong with one, is not lost behind three hundred others."""
    dull = tuple(Part(f"1/{number}", 0) for number in range(1, 401))
    flagged = Part("1/401", 0, names=("x" * 200 + ".exe",), flags=frozenset({Flag.ENCRYPTED}))
    found = replace(VIRUS, part="1/390")
    whole = record(found)
    whole = replace(whole, verdict=replace(whole.verdict, tree=(Part("1"), *dull, flagged)))
    document = evidence(whole)
    placements = [part["placement"] for part in document["parts"]]
    assert len(placements) == 300
    assert document["parts_left_out"] == 102
    assert placements[:3] == ["1", "1/1", "1/2"]
    assert placements[-2:] == ["1/390", "1/401"]
    assert document["parts"][-1]["names"][0].endswith(".exe")
