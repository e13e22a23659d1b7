# SPDX-License-Identifier: GPL-3.0-or-later
"""Signatures cost what they may."""

import pytest

from tests.bench.proofs import Cost, costs

COSTS = list(costs())


@pytest.mark.parametrize("cost", COSTS, ids=[cost.name for cost in COSTS])
def test_it_costs_no_more(cost: Cost) -> None:
    """In processor time of its thread, so that a busy machine does not matter."""
    assert cost.milliseconds <= cost.limit
