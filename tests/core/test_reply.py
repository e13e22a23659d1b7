# SPDX-License-Identifier: GPL-3.0-or-later
"""What the SMTP client is told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milterguard.core.decide import decide
from milterguard.core.destiny import Destiny, Mixed
from milterguard.core.finding import Category, Finding
from milterguard.core.policy import Policy
from milterguard.core.reply import category_words, not_stored, reply_for
from tests.core.build import CLEAN, ENCRYPTED, NO_CLAMD, VIRUS, judged, points


def replied(*findings: Finding, policy: Policy | None = None, contact: str = "") -> str:
    decision = decide(findings, (judged(policy=policy),), mixed=Mixed.REMOVE)
    return str(reply_for(decision, findings, mail_id="Abcdefghij12", contact=contact))


def bad_header(*minors: str) -> list[Finding]:
    return [Finding("bad_header", Category.BAD_HEADER, minor) for minor in minors]


def unchecked(*minors: str) -> list[Finding]:
    return [Finding("parts", Category.UNCHECKED, minor) for minor in minors]


REJECTS_ALL = Policy(unchecked_destiny=Destiny.REJECT, bad_header_destiny=Destiny.REJECT)


@pytest.mark.parametrize(
    ("finding", "line"),
    [
        (VIRUS, "554 5.7.0 Rejected, id=Abcdefghij12 - INFECTED: Eicar-Test-Signature"),
        (points(9.0), "554 5.7.0 Rejected, id=Abcdefghij12 - SPAM"),
        (ENCRYPTED, "554 5.7.0 Rejected, id=Abcdefghij12 - UNCHECKED-ENCRYPTED"),
        (Finding("x", Category.UNCHECKED), "554 5.7.0 Rejected, id=Abcdefghij12 - UNCHECKED"),
        (Finding("x", Category.BANNED), "554 5.7.0 Rejected, id=Abcdefghij12 - BANNED"),
        (Finding("x", Category.BAD_HEADER), "554 5.6.0 Rejected, id=Abcdefghij12 - BAD-HEADER"),
        (Finding("x", Category.FORGED), "550 5.7.1 Rejected, id=Abcdefghij12 - FORGED"),
        (Finding("x", Category.OVERSIZED), "552 5.3.4 Rejected, id=Abcdefghij12 - OVERSIZED"),
        (NO_CLAMD, "451 4.7.1 Message could not be checked, try again later, id=Abcdefghij12"),
        (CLEAN, "None"),
    ],
)
def test_each_category_has_its_reply(finding: Finding, line: str) -> None:
    """amavis' codes, short words, our id."""
    assert replied(finding, policy=REJECTS_ALL) == line


@pytest.mark.parametrize(
    ("findings", "answer"),
    [
        (bad_header("8bit"), "554 5.6.3 Rejected, id=Abcdefghij12 - BAD-HEADER-2: 8bit"),
        (bad_header("8bit", "mime"), "554 5.6.3 Rejected, id=Abcdefghij12 - BAD-HEADER-2: 8bit, mime"),
        (bad_header("8bit", "missing"), "554 5.6.0 Rejected, id=Abcdefghij12 - BAD-HEADER-7: missing, 8bit"),
        (bad_header("many from"), "554 5.6.0 Rejected, id=Abcdefghij12 - BAD-HEADER-9: many from"),
        (unchecked("encrypted", "ambiguous"), "554 5.6.0 Rejected, id=Abcdefghij12 - UNCHECKED-AMBIGUOUS"),
        (unchecked("encrypted", "over limits"), "554 5.7.0 Rejected, id=Abcdefghij12 - UNCHECKED-OVER-LIMITS"),
        (unchecked("undecodable", "encrypted"), "554 5.7.0 Rejected, id=Abcdefghij12 - UNCHECKED-ENCRYPTED"),
        (unchecked("undecodable"), "554 5.7.0 Rejected, id=Abcdefghij12 - UNCHECKED-UNDECODABLE"),
    ],
)
def test_the_most_alarming_minor_chooses_code_and_word(findings: list[Finding], answer: str) -> None:
    """8-bit fields and broken content have status codes of their own; all minors of a header section are told."""
    assert replied(*findings, policy=REJECTS_ALL) == answer


def test_the_contact_stands_at_the_end() -> None:
    """Strangers learn whom to ask."""
    assert replied(points(9.0), contact="see https://example.com/").endswith("SPAM; see https://example.com/")


def test_a_copy_that_could_not_be_kept_is_a_451() -> None:
    """Nothing about paths or disks."""
    assert str(not_stored("Abcdefghij12")).startswith("451 4.3.0 ")


@given(st.text(max_size=500), st.text(max_size=500))
def test_no_text_of_others_breaks_a_reply(detail: str, contact: str) -> None:
    """One line of printable ASCII, at most 512 octets with its codes."""
    line = replied(Finding("clamd", Category.VIRUS, detail=detail), contact=contact)
    assert len(line) <= 512
    assert all(" " <= character <= "~" for character in line)


def test_words_join_what_several_checks_found() -> None:
    """Each name once, in the order of the checks."""
    assert category_words(Category.VIRUS, [VIRUS, VIRUS, Finding("x", Category.VIRUS, detail="B")]) == (
        "INFECTED: Eicar-Test-Signature, B"
    )
    assert category_words(Category.CLEAN, [CLEAN]) == "CLEAN"


@pytest.mark.parametrize(
    ("unchecked_destiny", "ambiguous_destiny", "word"),
    [
        (Destiny.PASS, Destiny.REJECT, "5.6.0 Rejected, id=Abcdefghij12 - UNCHECKED-AMBIGUOUS"),
        (Destiny.REJECT, Destiny.REJECT, "5.6.0 Rejected, id=Abcdefghij12 - UNCHECKED-AMBIGUOUS"),
        (Destiny.REJECT, Destiny.PASS, "5.7.0 Rejected, id=Abcdefghij12 - UNCHECKED-ENCRYPTED"),
    ],
)
def test_only_a_minor_that_blocked_is_named(unchecked_destiny: Destiny, ambiguous_destiny: Destiny, word: str) -> None:
    """What the policy lets pass is no reason, however alarming."""
    policy = Policy(unchecked_destiny=unchecked_destiny, ambiguous_destiny=ambiguous_destiny)
    assert replied(*unchecked("encrypted", "ambiguous"), policy=policy) == f"554 {word}"


def test_only_what_blocked_somebody_is_named() -> None:
    """Not what the rules of somebody ban who gets such mail, or what a rule lets pass."""
    found = [
        Finding("banned", Category.BANNED, detail="macro", rules=("STRICT",)),
        Finding("banned", Category.BANNED, detail="program", rules=("DEFAULT",)),
        Finding("banned", Category.BANNED, detail="picture", rules=("DEFAULT",), destiny=Destiny.PASS),
    ]
    lover = judged("lover@example.com", policy=Policy(banned_rules=("STRICT",), banned_lover=True))
    decision = decide(found, (lover, judged()), mixed=Mixed.STRICTEST)
    assert str(reply_for(decision, found, mail_id="Abcdefghij12")).endswith(" - BANNED: program")
