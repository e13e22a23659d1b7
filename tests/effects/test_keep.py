# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy says why it is kept, in amavis' words for the quarantine."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milterguard.core.decide import decide
from milterguard.core.destiny import Destiny, Mixed
from milterguard.core.finding import Category, Finding
from milterguard.core.policy import Policy
from milterguard.core.report import SEPARATOR
from milterguard.core.verdict import Decision
from milterguard.effects.keep import Keeper, id_in, reasons
from milterguard.errors import StoreError
from milterguard.store.location import checked, mail_id_at
from milterguard.store.quarantine import FileQuarantine
from tests.core.build import ENCRYPTED, NO_CLAMD, VIRUS, judged, message, points

KEEP_ALL = Policy(store_on_reject=tuple(Category), store_on_pass=tuple(Category))


def decided(*findings: Finding, policies: tuple[Policy, ...] = (KEEP_ALL,)) -> Decision:
    each = [judged(f"user{number}@example.com", policy=policy) for number, policy in enumerate(policies)]
    return decide(findings, each, mixed=Mixed.REMOVE)


def reason(*findings: Finding, policies: tuple[Policy, ...] = (KEEP_ALL,)) -> dict[str, str]:
    return dict(reasons(decided(*findings, policies=policies), findings))


def test_a_copy_is_kept_with_its_reason(tmp_path: Path) -> None:
    """The location is where the quarantine put it, and the file says what was found."""
    decision = decided(VIRUS)
    location = Keeper(FileQuarantine(tmp_path)).keep(message(), decision, [VIRUS])
    assert location == "A/virus-Abcdefghij12"
    assert (
        b"\r\nX-Amavis-Alert: INFECTED, message contains virus: Eicar-Test-Signature\r\n"
        in (tmp_path / location).read_bytes()
    )


def test_nothing_is_kept_when_the_decision_wants_nothing(tmp_path: Path) -> None:
    """Most mail is not kept."""
    decision = decided(VIRUS, policies=(Policy(),))
    assert decision.answer is Destiny.REJECT
    assert Keeper(FileQuarantine(tmp_path)).keep(message(), decision, [VIRUS]) == ""
    assert reasons(decision, [VIRUS]) == []
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_kept_is_said(tmp_path: Path) -> None:
    """The guard must know, because then the message is not accepted."""
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError):
        Keeper(FileQuarantine(tmp_path / "file")).keep(message(), decided(VIRUS), [VIRUS])


def test_spam_has_its_points_levels_and_tests() -> None:
    """Tests in the order of their names, with their points where known."""
    assert reason(points(12.3456, ("URIBL", 1.25), ("BAYES_99", 3.5), ("HTML", None))) == {
        "X-Spam-Flag": "YES",
        "X-Spam-Score": "12.346",
        "X-Spam-Level": "************",
        "X-Spam-Status": (
            "Yes, score=12.346 tag=-999 tag2=6.2 kill=6.9\n tests=[BAYES_99=3.5, HTML, URIBL=1.25]\n autolearn=no"
        ),
    }


def test_levels_are_the_lowest_of_those_it_is_kept_for() -> None:
    """Several recipients have one copy; an unset level is left out."""
    first = Policy(spam_kill_level=5.0, spam_tag_level=None, store_on_reject=(Category.SPAM,))
    second = Policy(spam_kill_level=4.0, spam_tag2_level=3.0, spam_tag_level=None, store_on_reject=(Category.SPAM,))
    assert reason(points(5.0), policies=(first, second))["X-Spam-Status"] == (
        "Yes, score=5 tag2=3 kill=4\n tests=[]\n autolearn=no"
    )


def test_points_differ_when_a_recipient_has_none() -> None:
    """Who bypasses spam checks has no points, and spoils nobody's."""
    assert reason(points(7.0), VIRUS, policies=(KEEP_ALL, Policy(bypass_spam_checks=True)))["X-Spam-Score"] == "7"


def test_few_points_are_no_spam() -> None:
    """A copy of an archived message has its points too."""
    fields = reason(points(-1.5))
    assert (fields["X-Spam-Flag"], fields["X-Spam-Level"]) == ("NO", "")
    assert fields["X-Spam-Status"].startswith("No, score=-1.5 ")


@pytest.mark.parametrize(
    ("finding", "alert"),
    [
        (ENCRYPTED, "UNCHECKED, message could not be looked into: Heuristics.Encrypted.Zip"),
        (Finding("banned", Category.BANNED, detail=".exe"), "BANNED, message contains: .exe"),
        (Finding("x", Category.BAD_HEADER, minor="8bit"), "BAD HEADER SECTION, 8bit"),
        (Finding("x", Category.FORGED), "FORGED, message is not from its From domain"),
    ],
)
def test_each_alarming_category_has_its_words(finding: Finding, alert: str) -> None:
    """With what was found, where that is known."""
    assert reason(finding) == {"X-Amavis-Alert": alert}


def test_a_failed_check_that_passes_can_be_kept() -> None:
    """Archived mail that could not be scanned says so."""
    passing = Finding("clamd", Category.FAILED, "timeout", on_failure=Destiny.PASS)
    assert reason(passing) == {"X-Amavis-Alert": "FAILED, message could not be checked: timeout"}
    assert reason(NO_CLAMD) == {}


@given(st.text(max_size=400), st.lists(st.tuples(st.text(max_size=200), st.none() | st.floats(-1e3, 1e3)), max_size=20))
def test_no_scanner_writes_a_field_of_its_own(detail: str, tests: list[tuple[str, float | None]]) -> None:
    """Whatever names are reported, line ends are our folds only."""
    findings = (Finding("clamd", Category.VIRUS, detail=detail), points(9.0, *tests))
    for _, value in reasons(decided(*findings), findings):
        assert all(line.startswith(" ") for line in value.split("\n")[1:])
        assert "\r" not in value
        assert value.isascii()


def test_a_copy_names_what_concerns_those_it_is_kept_for() -> None:
    """What another recipient's rules ban is nobody's business here."""
    other = Finding("banned", Category.BANNED, detail="secret-name.doc", rules=("STRICT",))
    mine = Finding("banned", Category.BANNED, detail="evil.exe", rules=("DEFAULT",))
    assert "secret-name" not in reason(other, mine)["X-Amavis-Alert"]
    assert "evil.exe" in reason(other, mine)["X-Amavis-Alert"]


def test_a_copy_lies_in_every_folder_that_somebody_wants(tmp_path: Path) -> None:
    """The first has the message's id, each further one its own; a retry adds none, each names whom it is for."""
    folders = ((Category.VIRUS, ""), (Category.VIRUS, "customer/virus"), (Category.VIRUS, "other"))
    policies = tuple(Policy(virus_destiny=Destiny.DISCARD, quarantine_to=(each,)) for each in folders)
    decision = decided(VIRUS, policies=policies)
    quarantine = FileQuarantine(tmp_path)
    said = Keeper(quarantine).keep(message(), decision, [VIRUS])
    locations = said.split(SEPARATOR)
    assert locations[0] == "A/virus-Abcdefghij12"
    ids = [mail_id_at(location) for location in locations]
    assert ids == ["Abcdefghij12", id_in("Abcdefghij12", "customer/virus"), id_in("Abcdefghij12", "other")]
    retry = replace(message(), mail_id="Zyxwvutsrq98")
    assert Keeper(quarantine).keep(retry, decision, [VIRUS]) == said
    assert {(each.mail_id, each.location, each.blocked) for each in quarantine.entries()} == {
        (mail_id, location, (f"user{number}@example.com",))
        for number, (mail_id, location) in enumerate(zip(ids, locations, strict=True))
    }
    assert len(list(quarantine.entries())) == 3


@given(st.text(max_size=20))
def test_the_id_of_a_further_copy_is_an_id(folder: str) -> None:
    """It begins and ends as every id does, and is the same for the same message and folder."""
    derived = id_in("Abcdefghij12", folder)
    assert checked(derived) == derived
    assert len(derived) == 12
    assert derived == id_in("Abcdefghij12", folder) != id_in("Zyxwvutsrq98", folder)
