# SPDX-License-Identifier: GPL-3.0-or-later
"""What root does for the filter belongs to the filter."""

import os
import pwd
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from milterguard.core.finding import Category
from milterguard.core.verdict import Keep
from milterguard.store.tokens import release_gate
from tests.cli.conftest import Program
from tests.core.build import message
from tests.daemons import private_folder
from tests.effects.mta import Mta

NOBODY = pwd.getpwnam("nobody")


@pytest.fixture
def theirs() -> Iterator[Program]:
    """Everything in a folder that belongs to another user."""
    with private_folder() as folder:
        program = Program(folder)
        program.quarantine.store(message(), Keep(Category.SPAM, ("user@example.com",)))
        yield program


def give_away(folder: Path) -> None:
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, NOBODY.pw_uid, NOBODY.pw_gid, follow_symlinks=False)


def run(program: Program, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "milterguard", *arguments, "--config", str(program.configuration)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def owners(folder: Path) -> set[int]:
    return {path.lstat().st_uid for path in folder.rglob("*")}


def test_a_release_by_root_leaves_nothing_of_roots(theirs: Program) -> None:
    """Key, marks and receipt belong to the owner of the quarantine, who can go on with them."""
    gate = release_gate(theirs.folder / "state")
    gate.use_once("ab" * 32, 2_000_000_000.0)  # the filter has made the folder of marks
    with Mta(gate) as door:
        theirs.configure({"release": {"smtp": f"inet:{door.port}@127.0.0.1"}})
        give_away(theirs.folder)
        done = run(theirs, "quarantine", "release", "Abcdefghij12")
        assert done.returncode == 0, done.stderr
        assert door.delivered[0].released
    assert owners(theirs.folder / "quarantine") == {NOBODY.pw_uid}
    assert (theirs.folder / "state/release.key").stat().st_uid == NOBODY.pw_uid


def test_a_database_made_by_root_belongs_to_the_filter(theirs: Program) -> None:
    """As the folder does that it lies in."""
    give_away(theirs.folder)
    done = run(theirs, "db", "upgrade")
    assert done.returncode == 0, done.stderr
    assert owners(theirs.folder) == {NOBODY.pw_uid}


@pytest.mark.parametrize("looking", [["check"], ["db", "status"], ["explain", "Abcdefghij12"], ["quarantine", "list"]])
def test_who_only_looks_makes_no_database(milterguard: Program, looking: list[str]) -> None:
    """A file made by root while the filter was not yet started would be closed to it for good."""
    before = sorted(milterguard.folder.rglob("*"))
    milterguard(*looking)
    assert sorted(milterguard.folder.rglob("*")) == before
