# SPDX-License-Identifier: GPL-3.0-or-later
"""How points are written."""

import pytest

from milterguard.core.score import score_text


@pytest.mark.parametrize(
    ("score", "text"), [(2.3014, "2.301"), (-0.099, "-0.099"), (0.0, "0"), (-0.0001, "0"), (100.0, "100")]
)
def test_scores_are_written_as_amavis_does(score: float, text: str) -> None:
    """Three decimals at most, no trailing zeros, no minus zero."""
    assert score_text(score) == text
