# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps one daemon and everything it forks, and ends all of it when we are gone.

A daemon may fork, start sessions and change its user; its parent may be killed with -9 in the middle
of a test. This small process stands between the two: orphans of the daemon become its children (it is
a subreaper), and the end of its control socket, which the kernel closes when the parent dies,
is the order to end them all. It runs isolated (``python -I -S``) and imports nothing of ours.

Protocol on the control socket: ``started PID``, later ``ended STATUS`` (as by ``waitpid``), one a line.

*Source:* prctl(2), PR_SET_CHILD_SUBREAPER and PR_SET_PDEATHSIG.
"""

import contextlib
import ctypes
import os
import select
import signal
import sys
import time
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
GRACE_SECONDS = 2.0
"""Between SIGTERM and SIGKILL for what is still alive when the parent has gone."""
POLL_SECONDS = 0.01


def descendants(root: int) -> tuple[int, ...]:
    """Pids of all living processes below ``root``, parents before their children. Never raises."""
    children: dict[int, list[int]] = {}
    for pid, parent in _parents():
        children.setdefault(parent, []).append(pid)
    found: list[int] = []
    waiting = [root]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return tuple(found)


def _parents() -> list[tuple[int, int]]:
    pairs = []
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            # The name in parentheses may hold blanks and parentheses itself.
            state, parent = Path(entry.path, "stat").read_bytes().rpartition(b")")[2].split()[:2]
            if state != b"Z":
                pairs.append((int(entry.name), int(parent)))
    return pairs


def main(arguments: list[str]) -> None:
    control, command = int(arguments[0]), arguments[1:]
    os.set_inheritable(control, False)
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake_write)
    daemon = _start(command)
    _tell(control, f"started {daemon}")
    while True:
        ready, _, _ = select.select([control, wake_read], [], [])
        if control in ready:
            break
        os.read(wake_read, 4096)
        for pid, status in _reap():
            if pid == daemon:
                _tell(control, f"ended {status}")
    end_all()


def _start(command: list[str]) -> int:
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setsid()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == parent:
            os.execvp(command[0], command)
    except OSError as error:
        os.write(2, f"{command[0]}: {error}\n".encode())
    os._exit(127)


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def _tell(control: int, line: str) -> None:
    with contextlib.suppress(OSError):
        os.write(control, line.encode() + b"\n")


def _reap() -> list[tuple[int, int]]:
    """Children that have ended, with their status."""
    ended = []
    with contextlib.suppress(ChildProcessError):
        while (one := os.waitpid(-1, os.WNOHANG)) != (0, 0):
            ended.append(one)
    return ended


def end_all() -> None:
    """Ends every process below us: asked first, then killed. Orphans come to us, so none gets away."""
    _signal_all(signal.SIGTERM)
    _signal_all(signal.SIGCONT)
    deadline = time.monotonic() + GRACE_SECONDS
    while _has_children():
        if time.monotonic() > deadline:
            _signal_all(signal.SIGKILL)
        time.sleep(POLL_SECONDS)


def _signal_all(number: int) -> None:
    for pid in descendants(os.getpid()):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _has_children() -> bool:
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        return False
    return True


if __name__ == "__main__":
    main(sys.argv[1:])
