# SPDX-License-Identifier: GPL-3.0-or-later
"""``explain``: the story of a message from the evidence in the journal."""

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest

from milterguard.cli.story import tell, verdict_words
from milterguard.core.decide import decide
from milterguard.core.destiny import Destiny, Mixed
from milterguard.core.finding import Finding
from milterguard.core.listed import Listed, Listing
from milterguard.core.policy import Policy
from milterguard.core.report import Record
from milterguard.core.verdict import Judged, Verdict
from milterguard.store.journal import Journal
from milterguard.store.migrate import upgrade
from tests.cli.conftest import Program
from tests.core.build import CLEAN, NO_CLAMD, VIRUS, judged, message, points

MAIL_ID = "Abcdefghij12"


def record(findings: Sequence[Finding], *whom: Judged, subject: str = "hello", skipped: tuple[str, ...] = ()) -> Record:
    mail = message()
    decision = decide(findings, whom or (judged(),), mixed=Mixed.REMOVE)
    verdict = Verdict(decision, tuple(findings), skipped=skipped)
    return Record(
        mail_id=mail.mail_id,
        log_id=mail.log_id,
        received_at=mail.received_at,
        envelope=mail.envelope,
        size=1234,
        message_id="<1@sender.example>",
        subject=subject,
        from_address="a@sender.example",
        verdict=verdict,
        answer=decision.answer,
        reply="554 5.7.0 Rejected, id=Abcdefghij12",
        milliseconds=12.3,
    )


def explained(milterguard: Program, written: Record, *arguments: str) -> str:
    upgrade(milterguard.database)
    journal = Journal(milterguard.database)
    journal.write([written])
    journal.close()
    result = milterguard("explain", *(arguments or (MAIL_ID,)))
    assert result.exit_code == 0, result.output
    return result.output


def test_a_virus_is_told_with_what_was_not_checked(milterguard: Program) -> None:
    """Who found what, what was answered, and which check nobody waited for."""
    story = explained(milterguard, record([VIRUS], skipped=("spamd",)))
    assert "Message Abcdefghij12 was refused, because of clamd: virus Eicar-Test-Signature" in story
    assert "not checked by spamd" in story
    assert "554 5.7.0 Rejected, id=Abcdefghij12" in story
    assert "[192.0.2.7]:4711, mx.sender.example" in story


def test_spam_is_told_with_points_and_levels(milterguard: Program) -> None:
    """Each test with its points, each recipient with his levels and where his policy comes from."""
    entry = "@example.com, milterguard.toml: [[recipient]] 2"
    lover = judged("lover@example.com", policy=Policy(spam_lover=True))
    lover = replace(lover, origins=(("spam_lover", entry),))
    findings = [CLEAN, points(8.5, ("GTUBE", 8.5), ("OTHER", None))]
    story = explained(milterguard, record(findings, judged(), lover))
    assert "but not for <user@example.com>" in story
    assert "8.5 points reach the kill level of 6.9" in story
    assert "spamd: GTUBE=8.5, OTHER" in story
    assert "tag -999 tag2 6.2 kill 6.9" in story
    assert f"lover@example.com: spam_lover by {entry}" in story


def test_a_failed_check_is_told_with_what_that_means(milterguard: Program) -> None:
    """The operator's on_failure is named."""
    story = explained(milterguard, record([NO_CLAMD]))
    assert "deferred" in story
    assert "on_failure for this traffic: tempfail" in story


def test_the_text_of_a_reply_will_do(milterguard: Program) -> None:
    """People have the bounce, not the id."""
    assert MAIL_ID in explained(milterguard, record([VIRUS]), "554 5.7.0 Rejected, id=Abcdefghij12 - INFECTED")


def test_json_is_the_evidence(milterguard: Program) -> None:
    """Programs get everything."""
    document = json.loads(explained(milterguard, record([VIRUS]), MAIL_ID, "--json"))
    assert (document["mail_id"], document["findings"][0]["category"]) == (MAIL_ID, "virus")


def test_a_hostile_subject_commands_no_terminal(milterguard: Program) -> None:
    """Escapes are shown as text."""
    assert "\x1b" not in explained(milterguard, record([VIRUS], subject="\x1b[2J"))


def test_an_unknown_id_is_66_and_without_journal_78(milterguard: Program) -> None:
    """The hint tells what an id is."""
    upgrade(milterguard.database)
    result = milterguard("explain", MAIL_ID)
    assert (result.exit_code, "mail_id" in result.stderr) == (66, True)
    milterguard.configure({"store": {"url": ""}})
    assert milterguard("explain", MAIL_ID).exit_code == 78


def test_a_document_that_lacks_everything_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """Evidence of other versions is no reason to fail."""
    tell({})
    tell({"findings": [{}, "x"], "outcomes": [{}], "action": "pass", "received_at": 1e99, "released": "Abcdefghij12"})
    assert "Message ? was" in capsys.readouterr().out


def test_a_released_message_is_told_as_such() -> None:
    """It passed because an operator wanted it."""
    assert "released from the quarantine" in verdict_words({"action": "pass", "released": MAIL_ID})


def test_the_settings_that_decided_are_named(milterguard: Program) -> None:
    """With whose word they are, what the lists say, what is on trial, and why a check was not asked."""
    entry = "@example.com, milterguard.toml: [[recipient]] 2"
    strict = judged("strict@example.com", policy=Policy(spam_kill_level=5.0))
    strict = replace(strict, origins=(("spam_kill_level", entry),))
    denying = replace(judged("denying@example.com"), listed=Listed(Listing.DENIED, origins=("@b.example in wblist",)))
    unproved = replace(
        judged("proof@example.com", policy=Policy(allow_only_authenticated=True, virus_lover=True)),
        listed=Listed(Listing.ALLOWED, origins=("@c.example in allow_senders",)),
        trial=Policy(spam_kill_level=1.0),
    )
    written = record([points(6.0)], strict, denying, unproved, skipped=("clamd",))
    written = replace(written, verdict=replace(written.verdict, unwanted=("clamd",)))
    story = explained(milterguard, written)
    assert f"strict@example.com: decided by spam_kill_level 5 ({entry}) and spam_destiny reject (default)" in story
    assert "denying@example.com: decided by sender denied (@b.example in wblist) and spam_destiny reject" in story
    assert "proof@example.com: the sender is allowed, but neither SPF nor DKIM proves him" in story
    assert "proof@example.com: on trial: would have been refused as spam" in story
    assert "not checked by clamd: nobody wanted to know" in story


def test_what_was_only_watched_is_told(milterguard: Program) -> None:
    """The message passed, and what it would have been stands there."""
    written = record([VIRUS])
    written = replace(written, verdict=replace(written.verdict, is_observed=True), answer=Destiny.PASS, reply="")
    assert "only watched: it would have been refused" in explained(milterguard, written)
