# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rule may ask for is what parts are told to be."""

from milterguard.config.banned_rules import shipped
from milterguard.unpack.kind import kinds_of
from milterguard.unpack.known import KNOWN
from tests.unpack.examined import TESTFILES


def test_the_rules_of_the_program_ask_for_known_types() -> None:
    """None of them could never hold."""
    assert {kind for each in shipped() for rule in each.rules for kind in rule.types} - KNOWN == set()


def test_what_files_are_is_known() -> None:
    """Nothing is told that a rule would be warned of."""
    found = {kind.lower() for path in TESTFILES.iterdir() for kind in kinds_of(path.read_bytes()[:40960])}
    assert found - KNOWN == set()
