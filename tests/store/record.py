# SPDX-License-Identifier: GPL-3.0-or-later
"""Records for tests, with only what a test is about said."""

from dataclasses import replace

from milterguard.core.decide import decide
from milterguard.core.destiny import Destiny, Mixed
from milterguard.core.envelope import Envelope
from milterguard.core.finding import Finding
from milterguard.core.policy import Policy
from milterguard.core.report import Record
from milterguard.core.verdict import Judged, Verdict
from tests.core.build import CLEAN, envelope


def record(
    mail_id: str = "Abcdefghij12",
    *findings: Finding,
    of: Envelope | None = None,
    policies: tuple[Policy, ...] = (),
    answer: Destiny | None = None,
    quarantined_as: str = "",
) -> Record:
    """Return the record of a message that was judged by these findings and policies."""
    mail = of or envelope()
    each = policies or (Policy(),) * len(mail.recipients)
    judged = [Judged(recipient, policy) for recipient, policy in zip(mail.recipients, each, strict=True)]
    decision = decide(findings or (CLEAN,), judged, mixed=Mixed.REMOVE)
    return Record(
        mail_id=mail_id,
        log_id="00042-01",
        received_at=1_800_000_000.25,
        envelope=mail,
        size=1234,
        message_id="<1@sender.example>",
        subject="hello",
        from_address="A <a@sender.example>",
        verdict=Verdict(decision, findings or (CLEAN,), quarantined_as=quarantined_as),
        answer=answer or decision.answer,
        reply="",
        milliseconds=12.3,
    )


def numbered(count: int) -> list[Record]:
    """Return as many records of different messages."""
    return [replace(record(), mail_id=f"Mail{number:08}") for number in range(count)]
