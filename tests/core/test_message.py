# SPDX-License-Identifier: GPL-3.0-or-later
"""Fields and octets of a message."""

import pytest

from milterguard.core.finding import Category
from milterguard.core.message import Field, blocks
from milterguard.core.policy import Policy
from tests.core.build import envelope, fields, message


def test_a_field_keeps_its_octets_and_gets_wire_line_ends() -> None:
    """The MTA shows folds as LF; on the wire they are CRLF."""
    assert Field(b"To", b"  a,\n\tb,\r\n c").octets() == b"To:  a,\r\n\tb,\r\n c\r\n"


def test_the_header_ends_with_an_empty_line() -> None:
    """Fields in order, then CRLF."""
    assert message("A: 1", "B: 2").header == b"A: 1\r\nB: 2\r\n\r\n"


def test_the_first_field_of_a_name_counts() -> None:
    """Names compare without case; values are unfolded."""
    seen = message("subject: one\n\ttwo", "Subject: three")
    assert seen.first(b"Subject") == b"one two"
    assert seen.first(b"To") == b""


def test_blocks_yield_prefix_header_and_body() -> None:
    """What a scanner is sent, and no more once it says stop."""
    seen = message("A: 1", body=b"x" * 10)
    assert list(blocks(seen, b"P\r\n", size=4)) == [b"P\r\nA: 1\r\n\r\n", b"xxxx", b"xxxx", b"xx"]
    assert list(blocks(seen, stop=lambda: True)) == [b"A: 1\r\n\r\n"]
    assert seen.size() == len(b"A: 1\r\n\r\n") + 10


@pytest.mark.parametrize("category", list(Category))
def test_every_category_has_word_and_letter_and_a_destiny(category: Category) -> None:
    """decide is total over the categories."""
    assert category.word == category.word.lower()
    assert len(category.letter) == 1
    assert Policy().destiny(category) in set(type(Policy().virus_destiny))


def test_a_client_is_authenticated_by_login_or_mechanism() -> None:
    """XCLIENT gives a mechanism only."""
    assert not envelope().client.is_authenticated
    assert fields("A: b") == (Field(b"A", b" b"),)
