# SPDX-License-Identifier: GPL-3.0-or-later
"""A large message costs a worker little, idle connections cost it next to nothing."""

import time
from pathlib import Path

import pytest

from tests.fakes.mta import Mail
from tests.server.tree import running


def peak(pid: int) -> int:
    """Return the most resident memory a process has had, in kB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def read(body: bytes) -> Mail:
    return Mail(fields=[("X-Say", "read")], body=body)


@pytest.mark.parametrize("megabytes", [25, 100])
def test_a_large_message_costs_a_worker_less_than_20_mb(tmp_path: Path, megabytes: int) -> None:
    """Scanned while it arrives; resident memory compared with that after a small message."""
    with running(tmp_path, workers=1) as tree, tree.call().greet() as mta:
        assert mta.message(read(b"x" * 500_000)).is_accepted
        (pid,) = tree.workers()
        before = peak(pid)
        assert mta.message(read(b"x" * (megabytes << 20))).is_accepted
        assert peak(pid) - before < 20 * 1024


def test_idle_connections_do_not_slow_others_down(tmp_path: Path) -> None:
    """300 open sessions, one of them in a header: a message beside them takes its usual time."""
    with running(tmp_path, workers=1, stop_grace_seconds=0.5) as tree:
        idle = [tree.call().greet() for _ in range(300)]
        idle[0].mail("<a@b.example>")
        with tree.call().greet() as mta:
            started = time.monotonic()
            for _ in range(20):
                assert mta.message(read(b"x")).is_accepted
            assert time.monotonic() - started < 2
        for each in idle:
            each.close()
