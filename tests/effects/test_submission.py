# SPDX-License-Identifier: GPL-3.0-or-later
"""Which addresses may stand in a command of ours."""

import pytest

from milterguard.effects.submission import is_address


@pytest.mark.parametrize(
    "text", ["a@b.example", '"a b"@b.example', "@route:a@b.example", "grüße@b.example", "postmaster"]
)
def test_what_came_as_an_address_can_be_given_back(text: str) -> None:
    """Quoted local parts with blanks among them."""
    assert is_address(text)


@pytest.mark.parametrize(
    "text", ["", "a b@b.example", "a@b.example>\r\nRCPT TO:<c", '"a\r\nb"@b.example', '"\ud800"@b.example', "a" * 1001]
)
def test_nothing_can_become_another_command(text: str) -> None:
    """Line ends, brackets, blanks outside quotes, what is no UTF-8, and what has no end."""
    assert not is_address(text)
