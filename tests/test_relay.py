# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is warned of mail that only passes through, and how often."""

import logging
from dataclasses import replace

import pytest

from milterguard.core.envelope import Recipient, Traffic
from milterguard.relay import RelayWarning, is_open_relay
from tests.core.build import envelope

OURS, THEIRS = Recipient("a@example.com", is_local=True), Recipient("b@elsewhere.example")


@pytest.mark.parametrize(
    ("traffic", "recipients", "is_one"),
    [
        (Traffic.INBOUND, (OURS,), False),
        (Traffic.INBOUND, (OURS, THEIRS), True),
        (Traffic.ORIGINATING, (THEIRS,), False),
        (Traffic.LOCAL, (THEIRS,), False),
    ],
)
def test_what_an_open_relay_is(traffic: Traffic, recipients: tuple[Recipient, ...], is_one: bool) -> None:
    """A stranger writes to somebody elsewhere."""
    assert is_open_relay(replace(envelope(), traffic=traffic, recipients=recipients)) is is_one


def test_the_warning_is_said_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    """With the number of those in between, and without what a client may have put into its address."""
    now = [0.0]
    warning = RelayWarning(lambda: now[0])
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            warning.say("1-1", "192.0.2.1\n")
        now[0] = 60.0
        warning.say("1-2", "192.0.2.1")
    first, second = caplog.messages
    assert first.endswith("0 more since the last warning")
    assert second.endswith("2 more since the last warning")
    assert "\n" not in first
