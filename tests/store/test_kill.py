# SPDX-License-Identifier: GPL-3.0-or-later
"""Killed with -9 anywhere: what was said to be kept is there in full, and nothing half can be seen."""

import random
import subprocess
import sys
from pathlib import Path

from milterguard.store.quarantine import FileQuarantine
from tests.core.build import Octets, message
from tests.store.build import original, visible
from tests.store.keeper_child import body_of

ROUNDS = 8
REPOSITORY = Path(__file__).resolve().parents[2]


def killed(root: Path, name: str, *, after_lines: int, seconds: float) -> list[str]:
    """Let a process keep messages, kill it a moment after it has said some, return all that it has said."""
    command = [sys.executable, "-m", "tests.store.keeper_child", str(root), name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY) as child:
        assert child.stdout is not None
        said = [child.stdout.readline() for _ in range(after_lines)]
        try:
            child.wait(seconds)
        except subprocess.TimeoutExpired:
            child.kill()
        said += child.stdout.readlines()
    return [line.strip() for line in said if line.endswith("\n")]


def test_whenever_it_is_killed_what_was_said_is_complete(tmp_path: Path) -> None:
    """Every location that was named exists in full; every file that can be seen is complete."""
    chance = random.Random(7)  # any moment will do, the same ones again help to look into a failure
    said: list[str] = []
    for round_number in range(ROUNDS):
        said += killed(
            tmp_path, f"Kill{round_number:02}", after_lines=chance.randint(1, 9), seconds=chance.uniform(0.0, 0.01)
        )
    quarantine = FileQuarantine(tmp_path)
    entries = {entry.location: entry for entry in quarantine.entries()}
    assert len(said) >= ROUNDS
    assert set(said) <= set(entries)
    assert sorted(entries) == visible(tmp_path)
    for entry in entries.values():
        number = int(entry.mail_id[-6:])
        body = Octets(body_of(entry.mail_id[:-6], number)).open().read(1 << 30)
        assert original(quarantine, entry) == message().header + body
