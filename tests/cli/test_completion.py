# SPDX-License-Identifier: GPL-3.0-or-later
"""Completion scripts, and the files in etc/ that are made of them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from milterguard.cli.completion import SHELLS, completion_script
from tests.cli.conftest import Program

FILES = {"bash": "milterguard.bash", "zsh": "_milterguard", "fish": "milterguard.fish"}


@pytest.mark.parametrize("shell", SHELLS)
def test_the_files_in_etc_are_what_the_program_prints(milterguard: Program, shell: str) -> None:
    """A stale file is a defect."""
    printed = milterguard("completion", shell).output
    assert printed == completion_script(shell) + "\n"
    assert (Path(__file__).parents[2] / "etc/completions" / FILES[shell]).read_text() == printed


def test_the_shell_is_told_the_commands() -> None:
    """What the script asks the program for is answered."""
    asked = {"_MILTERGUARD_COMPLETE": "bash_complete", "COMP_WORDS": "milterguard q", "COMP_CWORD": "1"}
    code = "from milterguard.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env={**os.environ, **asked}
    )
    assert done.stdout == "plain,quarantine\n"
