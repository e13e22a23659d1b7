# SPDX-License-Identifier: GPL-3.0-or-later
"""What lookups in SQL cost with 10,000 users."""

from tests.lookup.cost import filled, measured

MOST_STATEMENTS = 6
MOST_MILLISECONDS = 5.0


def test_a_message_for_five_costs_little(database_url: str) -> None:
    """Cold at most six queries and 5 ms at the median; warm none."""
    cost = measured(filled(database_url))
    assert cost.most_statements <= MOST_STATEMENTS, cost
    assert cost.warm_statements == 0, cost
    if not database_url.startswith("mysql"):
        assert cost.best_median_milliseconds <= MOST_MILLISECONDS, cost
