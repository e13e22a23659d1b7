# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands for humans. Each stands in a module of its own, which is imported when it is asked for.

*Errors:* every command ends with one line on standard error and an exit status of sysexits(3);
``status.py`` says which.
"""


def main() -> None:
    """Run the program and exit. Entry point of ``milterguard``."""
    from milterguard.cli.program import program

    program.main(prog_name="milterguard")
