# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs out comes back without a restart."""

import contextlib
import resource
import time
from pathlib import Path

from tests.daemons import Milterguard
from tests.fakes.mta import Mail, Mta
from tests.server.tree import Tree


def test_a_shortage_of_descriptors_passes(tmp_path: Path) -> None:
    """With 64 descriptors a hundred connections are too many; once they are gone messages are taken again."""
    tree = Tree(tmp_path, workers=1, stop_grace_seconds=0.5)
    try:
        tree.start()
        for pid in tree.workers():
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (64, 64))
        callers = [tree.call() for _ in range(100)]
        with_answer = 0
        for each in callers:
            each.socket.settimeout(0.05)
            try:
                each.greet()
                with_answer += 1
            except (OSError, EOFError):
                break
        assert 0 < with_answer < 100
        for each in callers:
            each.close()
        end = time.monotonic() + 20
        while not _is_served(tree):
            assert time.monotonic() < end
    finally:
        tree.stop()


def test_as_many_files_are_opened_as_are_allowed(tmp_path: Path) -> None:
    """A low soft limit, which shells and service managers give, is raised to the hard one; the log says so."""
    former, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    milterguard = Milterguard(tmp_path, settings={"log": {"level": "debug"}})
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, most))
        milterguard.start()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (former, most))
    with contextlib.ExitStack() as stack:
        stack.callback(milterguard.stop)
        for pid in (milterguard.pid, *milterguard.worker_pids()):
            # Not prlimit(2), which wants the right to change them as well.
            limits = Path(f"/proc/{pid}/limits").read_text(encoding="ascii").splitlines()
            assert ["Max", "open", "files", str(most), str(most), "files"] in map(str.split, limits)
        assert f"open files: at most {most}, by default 256" in milterguard.log()


def _is_served(tree: Tree) -> bool:
    try:
        with Mta(tree.path, timeout=1) as mta:
            return mta.greet().message(Mail()).is_accepted
    except (OSError, EOFError):
        return False
