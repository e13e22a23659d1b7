# SPDX-License-Identifier: GPL-3.0-or-later
"""What the program tells its caller when it ends.

*Source:* sysexits(3); 130 is the shell's 128 + SIGINT.
"""

from enum import IntEnum

from milterguard.errors import ConfigError, ContentError, MilterguardError, NotFoundError


class Status(IntEnum):
    """Exit statuses; their meaning stands in the program's help."""

    OK = 0
    FOUND = 1
    USAGE = 64
    DATA = 65
    NO_INPUT = 66
    UNAVAILABLE = 69
    SOFTWARE = 70
    IO = 74
    TEMPFAIL = 75
    CONFIG = 78
    INTERRUPTED = 130


MEANINGS = {
    Status.OK: "done; scan: everything would pass; check: no error",
    Status.FOUND: "scan: something would be blocked; check: something is wrong",
    Status.USAGE: "the command line was not understood",
    Status.DATA: "a file is not what it should be",
    Status.NO_INPUT: "there is no such file or message",
    Status.UNAVAILABLE: "the MTA refuses, or the outcome of an earlier release is unknown",
    Status.SOFTWARE: "a defect of milterguard; --debug shows where",
    Status.IO: "quarantine, database or state folder cannot be read or written",
    Status.TEMPFAIL: "try again later; scan: a scanner could not answer",
    Status.CONFIG: "the configuration is wrong",
    Status.INTERRUPTED: "interrupted",
}


class CommandError(MilterguardError):
    """A command cannot go on; its text is for the operator."""

    def __init__(self, text: str, status: Status) -> None:
        super().__init__(text)
        self.status = status


def status_of(error: MilterguardError) -> Status:
    """Return the exit status for an error."""
    if isinstance(error, CommandError):
        return error.status
    if isinstance(error, ConfigError):
        return Status.CONFIG
    if isinstance(error, NotFoundError):
        return Status.NO_INPUT
    if isinstance(error, ContentError):
        return Status.DATA
    return Status.IO
