# SPDX-License-Identifier: GPL-3.0-or-later
"""A short form of ``make chaos``: workers and clamd are killed, and every message is accounted for."""

from pathlib import Path

import pytest

from tests.chaos.campaign import SETTINGS, Campaign, Plan, Tally
from tests.house import House, open_house


@pytest.mark.timeout(240)
def test_nothing_is_lost_doubled_or_unscanned(short_folder: Path) -> None:
    """Twenty kills over 300 messages: 0 lost, 0 doubled, 0 unscanned, 0 with another's verdict."""
    with open_house(short_folder, settings=SETTINGS) as house:
        tally = Campaign(house, Plan(messages=300, kills=20, deadline_seconds=200.0)).run()
        if not tally.is_good:
            _show(house, tally)
    assert tally.kills.total() == 20
    assert tally.answers[250] > 150
    assert tally.answers[554] > 75
    assert tally.is_good, str(tally)


def _show(house: House, tally: Tally) -> None:
    """Print what tells how it came about: the messages concerned as they were delivered, and all logs."""
    print(tally)
    concerned = {*tally.unscanned, *tally.lost, *tally.doubled}
    print(sorted(concerned))
    for each in house.sink.messages:
        if not concerned.isdisjoint(each.values("Subject")):
            print(each.number, each.recipients, each.header.decode("latin-1"))
    print(house.milterguard.log())
    print(house.postfix.log())
