# SPDX-License-Identifier: GPL-3.0-or-later
"""What lookups in SQL cost with 10,000 users."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.lookup.cost import Cost, filled

MOST_STATEMENTS = 6
MOST_MILLISECONDS = 7.5
"""5 ms is what a machine with nothing else to do must keep; `python -m tests.lookup.cost` says."""
_ATTEMPTS = 4
"""The machine may have other things to do."""


def measured_alone(url: str) -> Cost:
    """Return the cost in a process of its own: neither coverage nor what the tests keep in memory is part of it."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.lookup.cost", url],
        check=True,
        capture_output=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "COVERAGE_PROCESS_CONFIG": ""},
    )
    return Cost(**json.loads(done.stdout))


def test_a_message_for_five_costs_little(database_url: str) -> None:
    """Cold at most six queries and, but for MariaDB's driver in Python, milliseconds at the median; warm no query."""
    filled(database_url)
    costs = []
    for _ in range(_ATTEMPTS):
        costs.append(measured_alone(database_url))
        assert costs[-1].most_statements <= MOST_STATEMENTS, costs
        assert costs[-1].warm_statements == 0, costs
        if database_url.startswith("mysql") or costs[-1].best_median_milliseconds <= MOST_MILLISECONDS:
            break
    assert costs[-1].best_median_milliseconds <= MOST_MILLISECONDS or database_url.startswith("mysql"), costs
