# SPDX-License-Identifier: GPL-3.0-or-later
"""Which addresses may stand in a command of ours, and how long the dialogue may last."""

import time

import pytest

from milterguard.config.socket import SocketSpec
from milterguard.effects.submission import NotTaken, Submission, is_address
from tests.fakes.scripted import Exchange, Scripted


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


def test_a_slow_greeting_leaves_less_time_for_what_comes_next() -> None:
    """An MTA that greets late and then hangs is given up when the time of the whole dialogue is over."""

    def script(exchange: Exchange) -> None:
        exchange.drip(b"220 m\r\n", 0.2)
        exchange.hang()

    began = time.monotonic()
    with Scripted(script) as mta, pytest.raises(NotTaken, match="timed out"):
        Submission(SocketSpec.parse(mta.socket), hostname="h", timeout_seconds=2.0).__enter__()
    assert time.monotonic() - began < 2.8
