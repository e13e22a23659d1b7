# SPDX-License-Identifier: GPL-3.0-or-later
"""Release tokens: ours are recognised, all others are not."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from milterguard.core.token import Token, bind, issue, read

KEY = b"k" * 32
TOKEN = Token("Abcdefghij12", 1_800_000_300, "nonce-nonce-nonce", bind("a@b.example", ["c@d.example"], "00"))


def test_a_token_is_read_back() -> None:
    """What was issued with the key is authentic."""
    assert read(issue(KEY, TOKEN), KEY) == TOKEN


def test_another_key_or_a_changed_claim_is_not_authentic() -> None:
    """Nobody can write or stretch a token without the key."""
    value = issue(KEY, TOKEN)
    assert read(value, b"x" * 32) is None
    assert read(value.replace("x=1800000300", "x=1900000300"), KEY) is None


@given(st.text(max_size=300))
def test_anything_else_is_no_token(value: str) -> None:
    """Strangers may write what they like into the field."""
    assert read(value, KEY) is None


def test_a_token_is_bound_to_sender_recipients_and_body() -> None:
    """Order and repetition of recipients do not matter, everything else does."""
    assert bind("s", ["a", "b", "a"], "00") == bind("s", ["b", "a"], "00")
    different = {bind("s", ["a"], "00"), bind("t", ["a"], "00"), bind("s", ["b"], "00"), bind("s", ["a"], "01")}
    assert len(different) == 4


def test_each_token_has_a_mark_of_its_own() -> None:
    """The nonce makes it so."""
    assert TOKEN.digest != replace(TOKEN, nonce="nonce-nonce-other").digest
