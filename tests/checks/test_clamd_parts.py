# SPDX-License-Identifier: GPL-3.0-or-later
"""clamd gets the parts that it may not have seen in the whole message, each on its own."""

import time
from collections.abc import Iterator

import pytest

from milterguard.checks.base import Budget
from milterguard.checks.clamd import ClamdCheck
from milterguard.config.settings import Clamd, ScanParts
from milterguard.core.finding import Category, Finding
from milterguard.core.part import Part
from milterguard.errors import CheckError, ContentError
from milterguard.unpack.opened import Leaf, Opened
from tests.core.build import message
from tests.fakes import clamd
from tests.fakes.clamd import FakeClamd
from tests.fakes.scripted import Script


class Parts:
    """A message taken apart into these leaves; ``error`` instead when it could not be."""

    def __init__(self, *leaves: Leaf, error: CheckError | None = None) -> None:
        tree = tuple(Part(f"1/{number}", -1) for number in range(1, len(leaves) + 1))
        self._opened = Opened(tree, leaves=leaves)
        self._error = error

    def proofs(self, budget: Budget) -> tuple[Finding, ...]:
        return ()

    def opened(self, budget: Budget) -> Opened:
        if self._error is not None:
            raise self._error
        return self._opened


def leaf(index: int, octets: bytes, *, is_suspect: bool = False, is_attachment: bool = False) -> Leaf:
    return Leaf(index, is_suspect, is_attachment, lambda: iter((octets,)))


def lost() -> Iterator[bytes]:
    yield b"some"
    raise ContentError("gone")


LEAVES = (leaf(0, b"text EVIL"), leaf(1, b"file EVIL", is_attachment=True), leaf(2, b"odd EVIL", is_suspect=True))


def scan(script: Script, parts: Parts, which: ScanParts = ScanParts.AMBIGUOUS) -> tuple[Finding, ...]:
    with FakeClamd(script) as server:
        check = ClamdCheck(Clamd(sockets=(server.socket,), retry_seconds=0, scan_parts=which))
        return check.run(message(), Budget(time.monotonic() + 20), parts)


@pytest.mark.parametrize(
    ("which", "placement"),
    [(ScanParts.AMBIGUOUS, "1/3"), (ScanParts.ATTACHMENTS, "1/2"), (ScanParts.ALWAYS, "1/1")],
)
def test_which_parts_are_scanned_is_a_setting(which: ScanParts, placement: str) -> None:
    """The first of them that is infected ends it; the finding says where."""
    whole, part = scan(clamd.looks_for(b"EVIL"), Parts(*LEAVES), which)
    assert whole.category is Category.CLEAN
    assert (part.category, part.detail, part.part) == (Category.VIRUS, "Eicar-Test-Signature", placement)


def test_parts_that_clamd_has_seen_are_not_scanned_again() -> None:
    """Nothing suspect, nothing more to do."""
    (whole,) = scan(clamd.looks_for(b"EVIL"), Parts(*LEAVES[:2]))
    assert whole.category is Category.CLEAN


def test_where_clamd_gave_up_every_part_is_scanned() -> None:
    """A bomb in the message must not hide what lies beside it."""
    answers = iter([clamd.found("Heuristics.Limits.Exceeded.MaxFileSize"), clamd.looks_for(b"EVIL")])
    whole, part = scan(lambda exchange: next(answers)(exchange), Parts(*LEAVES[:1]))
    assert (whole.category, whole.minor) == (Category.UNCHECKED, "over limits")
    assert (part.category, part.part) == (Category.VIRUS, "1/1")


def test_an_infected_message_needs_no_parts() -> None:
    """They are not even waited for."""
    (whole,) = scan(clamd.found("Eicar"), Parts(error=CheckError("parts", "must not be asked")))
    assert whole.category is Category.VIRUS


def test_without_parts_there_is_no_verdict() -> None:
    """Clean as a whole is not enough where a part may read differently."""
    with pytest.raises(CheckError, match="no process"):
        scan(clamd.clean, Parts(error=CheckError("parts", "no process")))


def test_a_part_that_cannot_be_read_is_a_failure() -> None:
    """Never clean."""
    with pytest.raises(CheckError, match="content: gone"):
        scan(clamd.clean, Parts(Leaf(0, is_suspect=True, is_attachment=True, blocks=lost)))


def test_what_was_said_of_the_whole_is_not_said_again_of_a_part() -> None:
    """Encrypted once is enough."""
    encrypted = clamd.found("Heuristics.Encrypted.Zip")
    (whole,) = scan(encrypted, Parts(*LEAVES))
    assert (whole.category, whole.minor, whole.part) == (Category.UNCHECKED, "encrypted", "")
