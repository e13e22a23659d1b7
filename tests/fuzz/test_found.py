# SPDX-License-Identifier: GPL-3.0-or-later
"""Inputs that fuzzing once stumbled over; the word before the hyphen is the target."""

from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS, timed

FOUND = sorted((Path(__file__).parents[1] / "cases" / "fuzz").iterdir())


@pytest.mark.parametrize("path", FOUND, ids=lambda path: path.name)
def test_what_was_found_does_no_harm_any_more(path: Path) -> None:
    """No exception, and in time."""
    timed(TARGETS[path.name.partition("-")[0]], path.read_bytes())
