# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs atheris over the targets, each in a process of its own, as ``make fuzz`` does.

Every target begins with the messages in the shared data that were made to be hard to read. Inputs that a
target fails on are kept, and their paths printed.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.data import evasions, oddities

ROOT = Path(__file__).parents[2]
NAMES = ("base64", "quoted", "foreign", "walker", "names", "listing", "calendar", "plain", "signed")
_GRACE_SECONDS = 120


def main() -> int:
    """Return 0 when no target failed."""
    parser = argparse.ArgumentParser(prog="make fuzz")
    parser.add_argument("--seconds", type=int, default=600, help="for each target")
    parser.add_argument("--found", type=Path, help="the folder for inputs that a target fails on")
    parser.add_argument("targets", nargs="*", choices=[*NAMES, []], metavar="TARGET", help=", ".join(NAMES))
    options = parser.parse_args()
    folder = options.found or Path(tempfile.mkdtemp(prefix="mg-fuzz-"))
    folder.mkdir(parents=True, exist_ok=True)
    failed = [name for name in options.targets or NAMES if not _is_good(name, options.seconds, folder=folder)]
    inputs = sorted(path for path in folder.iterdir() if path.is_file())
    for path in inputs:
        print(path)
    print(f"failed: {', '.join(failed)}" if failed else "no target failed")
    if not inputs and not options.found:
        folder.rmdir()
    return 1 if failed or inputs else 0


def _is_good(name: str, seconds: int, *, folder: Path) -> bool:
    print(f"{name}: {seconds} s", flush=True)
    with tempfile.TemporaryDirectory(prefix="mg-corpus-") as corpus:
        for number, octets in enumerate([*evasions().values(), *oddities("hide-content").values()]):
            (Path(corpus) / str(number)).write_bytes(octets)
        command = [sys.executable, "-m", "tests.fuzz.campaign", name, corpus]
        command += [f"-max_total_time={seconds}", f"-artifact_prefix={folder}/{name}-", "-print_final_stats=1"]
        try:
            ended = subprocess.run(command, cwd=ROOT, check=False, timeout=seconds + _GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            print(f"{name}: does not end")
            return False
    return ended.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
