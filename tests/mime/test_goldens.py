# SPDX-License-Identifier: GPL-3.0-or-later
"""Every construct of which the walker knows, as a message and the tree that is found in it."""

from pathlib import Path

import pytest

from tests.mime.goldens import FOLDER, cases, intention, tree


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.stem)
def test_the_tree_is_the_golden_one(case: Path) -> None:
    """The walker finds what the file beside the message says."""
    assert tree(case) == case.with_suffix(".tree").read_text()


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.stem)
def test_every_case_says_what_it_is_there_for(case: Path) -> None:
    """The tree is headed by one line of intention."""
    assert intention(case).startswith("# ")
    assert len(intention(case)) > 10


def test_no_tree_is_without_its_message() -> None:
    """There is a message beside each tree, and there are many."""
    trees = {path.stem for path in FOLDER.glob("*.tree")}
    assert trees == {case.stem for case in cases()}
    assert len(trees) >= 60
