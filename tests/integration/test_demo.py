# SPDX-License-Identifier: GPL-3.0-or-later
"""``make demo`` shows what it promises, and leaves nothing behind."""

import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


def test_the_demonstration_comes_to_its_end() -> None:
    """Ten messages, a release delivered once, an explanation; all stopped, in under two minutes."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.demo"], cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=110
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for words in (
        "INFECTED: Eicar-Test-Signature",
        "451 4.7.1 Message could not be checked",
        "to lover@example.com",
        "Delivered to user@example.com: 1 time",
        "What the checks found",
        "All that was started has been stopped",
    ):
        assert words in done.stdout
