# SPDX-License-Identifier: GPL-3.0-or-later
"""Counters that several processes share."""

import os

from milterguard.server.tally import Tally


def test_what_a_process_counted_stays_when_it_is_gone() -> None:
    """Its row is then free for another one."""
    tally = Tally(seats=2, columns=3)
    row = tally.take(1)
    pid = os.fork()
    if not pid:
        row.add([(0, 2), (2, 0.5)])
        os._exit(0)
    os.waitpid(pid, 0)
    assert tally.totals() == [2, 0, 0.5]
    tally.give_back(1)
    assert tally.totals() == [2, 0, 0.5]
    tally.take(1).add([(0, 1)])
    tally.take(0).add([(0, 1)])
    assert tally.totals() == [4, 0, 0.5]
