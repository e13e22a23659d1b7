# SPDX-License-Identifier: GPL-3.0-or-later
"""One target under atheris, in this process: ``python -m tests.fuzz.campaign TARGET CORPUS [libFuzzer option]``."""

import sys
from functools import partial
from importlib import import_module

_SECONDS_TO_HANG = 10


def main() -> None:
    """Never returns: libFuzzer ends the process."""
    atheris = import_module("atheris")
    with atheris.instrument_imports(include=["milterguard.mime", "milterguard.unpack"]):
        targets = import_module("tests.fuzz.targets")
    name, *options = sys.argv[1:]
    command = [sys.argv[0], *options, f"-max_len={targets.LONGEST_INPUT}", f"-timeout={_SECONDS_TO_HANG}"]
    atheris.Setup(command, partial(targets.timed, targets.TARGETS[name]))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
