# SPDX-License-Identifier: GPL-3.0-or-later
"""How points are written.

*Source:* amavis' X-Spam-Score.
"""


def score_text(score: float) -> str:
    """Return points with at most three decimals and no trailing zeros, as amavis writes them."""
    text = f"{score:.3f}".rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text
