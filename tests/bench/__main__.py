# SPDX-License-Identifier: GPL-3.0-or-later
"""Installs the peers, runs the harness over all of them in turn, and writes ``docs/performance.md``.

``BENCH`` names the harness' folder. Only ratios within one run are worth quoting: all contenders
take turns on the same machine with the same daemons.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.bench.report import written

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "performance.md"
FAST = "postfix,noop-prefork,milterguard-none"
VIRUS = "direct-clamd,clamav-milter,milterguard-av,milterguard-closed,milterguard-proofs"
BOTH = "direct-both,clam+spamass,amavisd-milter,rspamd-av,milterguard-av-spam"


def main() -> int:
    """Return 0 when every run of the harness ended well."""
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=12)
    parser.add_argument("--concurrency", default="1,16")
    parser.add_argument("--contenders", default=f"{FAST},{VIRUS},{BOTH}")
    parser.add_argument("--results", type=Path, help="keep the measurements in this file")
    parser.add_argument("--no-install", action="store_true", help="the peers are installed already")
    options = parser.parse_args()
    harness = Path(os.environ.get("BENCH", ROOT.parent / "shared" / "bench"))
    if not (harness / "bench.py").is_file():
        print(f"make bench: no harness in {harness}: set BENCH to its folder", file=sys.stderr)
        return 66
    with tempfile.TemporaryDirectory(prefix="mg-bench-") as scratch:
        if not options.no_install:
            subprocess.run(["sh", harness / "install.sh", f"{scratch}/venv"], check=True)
        results = options.results or Path(scratch) / "results.jsonl"
        _run(harness, scratch, results, options=options)
        DOCUMENT.write_text(written(results))
    print(f"written: {DOCUMENT.relative_to(ROOT)}")
    return 0


def _run(harness: Path, scratch: str, results: Path, *, options: argparse.Namespace) -> None:
    definition = Path(scratch) / "contenders.toml"
    template = Path(__file__).with_name("contenders.toml").read_text()
    definition.write_text(template.replace("{root}", str(ROOT)))
    command: list[str | Path] = [
        sys.executable,
        harness / "bench.py",
        "run",
        "-x",
        definition,
        "-c",
        options.contenders,
        "-n",
        options.concurrency,
    ]
    command += ["-m", "mix", "-d", str(options.seconds), "-r", str(options.rounds), "-o", results]
    environment = {**os.environ, "BENCH_PYTHON": sys.executable, "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run(command, check=True, env=environment)


if __name__ == "__main__":
    sys.exit(main())
