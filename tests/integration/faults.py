# SPDX-License-Identifier: GPL-3.0-or-later
"""Every fault with the one answer it has: the table of ``docs/operations.md`` is written from here.

``python -m tests.integration.faults`` writes it; ``test_failure_table.py`` makes each fault happen behind a
real Postfix and holds the answer to what stands here.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"
BEGIN, END = "<!-- failure table: begin -->", "<!-- failure table: end -->"

UNCHECKED = "451 4.7.1 Message could not be checked, try again later"
POSTFIX = "451 4.7.1 Service unavailable - try again later"
NOT_STORED = "451 4.3.0 Message could not be stored, try again later"
AGAIN = "delivered once, scanned, when the client comes again"
KEPT = "kept once, when the client comes again; delivered to nobody"
UNPROVEN = "delivered; what could not be asked is `temperror`, and nothing is refused because of it"
SIGNED = "delivered once, signed, when the client comes again"
UNMARKED = "delivered, with fields that say it was not scanned for spam"


@dataclass(frozen=True, slots=True)
class Fault:
    """What is broken, what the SMTP client reads, and what becomes of the message."""

    name: str
    reply: str
    """How the reply begins; ours ends with the message's id."""
    outcome: str


FAULTS = {
    fault.name: fault
    for fault in (
        Fault("clamd is down", UNCHECKED, AGAIN),
        Fault("clamd hangs", UNCHECKED, AGAIN),
        Fault("clamd dies while it is given the message", UNCHECKED, AGAIN),
        Fault("clamd answers garbage", UNCHECKED, AGAIN),
        Fault("spamd is down", "250 2.0.0 Ok: queued", UNMARKED),
        Fault("spamd hangs", "250 2.0.0 Ok: queued", UNMARKED),
        Fault("spamd dies while it is given the message", "250 2.0.0 Ok: queued", UNMARKED),
        Fault("spamd answers garbage", "250 2.0.0 Ok: queued", UNMARKED),
        Fault('spamd is down, and its on_failure is "tempfail"', UNCHECKED, AGAIN),
        Fault("the DNS does not answer", "250 2.0.0 Ok: queued", UNPROVEN),
        Fault("the DNS answers with errors", "250 2.0.0 Ok: queued", UNPROVEN),
        Fault("the key process is away, and the message is to be signed", UNCHECKED, SIGNED),
        Fault("the quarantine cannot be written, and the message must be kept", NOT_STORED, KEPT),
        Fault("the quarantine's disk is full, and the message must be kept", NOT_STORED, KEPT),
        Fault("the spool's disk is full", "451 4.3.1", AGAIN),
        Fault("the database is locked", "250 2.0.0 Ok: queued", "delivered at once; its record is written later"),
        Fault("the database is missing", "250 2.0.0 Ok: queued", "delivered at once; its record is written later"),
        Fault("too many messages are in work", "451 4.3.2", AGAIN),
        Fault("a worker is killed before MAIL", POSTFIX, AGAIN),
        Fault("a worker is killed before RCPT", POSTFIX, AGAIN),
        Fault("a worker is killed before DATA", POSTFIX, AGAIN),
        Fault("a worker is killed before the content", POSTFIX, AGAIN),
        Fault("a worker is killed while the content comes", POSTFIX, AGAIN),
        Fault("a worker is killed while it waits for the scanners", POSTFIX, AGAIN),
        Fault("milterguard is stopped", POSTFIX, AGAIN),
        Fault("a reload finds a broken configuration", "250 2.0.0 Ok: queued", "delivered under the old one"),
    )
}


def table() -> str:
    """Return the table in Markdown."""
    rows = [f"| {fault.name} | `{fault.reply}` … | {fault.outcome} |" for fault in FAULTS.values()]
    return "\n".join(["| Fault | The SMTP client reads | The message is |", "|---|---|---|", *rows])


def documented(text: str) -> str:
    """Return the document with the table of now between the marks. Raises ValueError without marks."""
    head, mark, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not mark or not end:
        raise ValueError(f"{BEGIN} and {END} are missing")
    return f"{head}{BEGIN}\n{table()}\n{END}{tail}"


if __name__ == "__main__":
    OPERATIONS.write_text(documented(OPERATIONS.read_text()))
    sys.exit(0)
