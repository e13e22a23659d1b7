# SPDX-License-Identifier: GPL-3.0-or-later
"""Gives a process away for good: what it may still do is compute, and use the descriptors it has (D6).

Each seal is tried; those that this system does not have are missing in what is returned, and the process
goes on without them. They overlap on purpose: a hole in one leads nowhere.

Known to be wrong: files in memory are bounded one by one and in their number, not in their sum, so that a
child that was taken over may fill as many of them as archives in archives need. Where that matters the
service's cgroup bounds it (systemd ``MemoryMax=``); the kernel then ends a child or the nursery first.

*Source:* setrlimit(2), prctl(2), landlock(7), seccomp(2).
"""

import contextlib
import ctypes
import math
import os
import resource
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from milterguard.unpack import landlock, seccomp

LIMITS, USER, LANDLOCK, SECCOMP = "limits", "user", "landlock", "seccomp"
ALL = (LIMITS, USER, LANDLOCK, SECCOMP)
_NOBODY = 65534
_BLOCK_BYTES = 65536
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms a child lives: made once, before any is forked."""

    memory_bytes: int
    """Address space, with what the parent has."""
    cpu_seconds: int
    parent: int
    """Process id of the parent: who outlives it dies."""
    libc: ctypes.CDLL
    program: seccomp.Program | None
    """The seccomp filter; None on a machine whose system calls we do not know."""


def prepare(*, memory_bytes: int, cpu_seconds: int) -> Terms:
    """Return the terms for children of this process, which may add so much memory to what it has itself.

    What costs time and can be inherited is done here, for a child pays for each page that it touches first.
    """
    with contextlib.suppress(OSError):  # when memory is short this process or a child ends, not the worker
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    return Terms(
        memory_bytes=memory_bytes + pages * resource.getpagesize(),
        cpu_seconds=cpu_seconds,
        parent=os.getpid(),
        libc=ctypes.CDLL(None, use_errno=True),
        program=seccomp.program(),
    )


def withdraw(terms: Terms) -> tuple[str, ...]:
    """Seal this process as far as can be before it knows its work; return which seals hold.

    It may still receive descriptors and lower its limits. Raises OSError when not even those can be set.
    """
    os.setsid()
    _lower(resource.RLIMIT_AS, terms.memory_bytes)
    _lower(resource.RLIMIT_NPROC, 0)
    _lower(resource.RLIMIT_CORE, 0)
    prctl = terms.libc.prctl
    has_user = _become_nobody()
    # After the change of user, which would clear it.
    prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != terms.parent:
        os._exit(0)
    prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    has_landlock = prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 and landlock.restrict(terms.libc)
    held = ((LIMITS, True), (USER, has_user), (LANDLOCK, has_landlock))
    return tuple(name for name, holds in held if holds)


def shut(terms: Terms, *, max_bytes: int, max_depth: int) -> tuple[str, ...]:
    """Seal the rest of this process, after ``withdraw``; return which seals came to hold.

    ``max_bytes``: no file in memory grows much longer; ``max_depth``: how many of those are open at a time.
    """
    # What stands beside a bomb comes on top of the limit (``quota``).
    _lower(resource.RLIMIT_FSIZE, max_bytes + max_bytes // 8 + _BLOCK_BYTES)
    # A level has its octets and a mapping of them, the last one is looked into by several.
    _lower(resource.RLIMIT_NOFILE, 2 * max_depth + 12)
    used = math.ceil(time.process_time())
    _lower(resource.RLIMIT_CPU, used + terms.cpu_seconds, used + terms.cpu_seconds + 1)
    return (SECCOMP,) if terms.program is not None and seccomp.load(terms.libc, terms.program) else ()


def _lower(which: int, soft: int, hard: int | None = None) -> None:
    hard = soft if hard is None else hard
    former = resource.getrlimit(which)[1]
    if former != resource.RLIM_INFINITY:
        soft, hard = min(soft, former), min(hard, former)
    resource.setrlimit(which, (soft, hard))


def _become_nobody() -> bool:
    """Give up root and every group; tell whether this process is not root."""
    if os.geteuid() == 0:
        try:
            os.setgroups([])
            os.setresgid(_NOBODY, _NOBODY, _NOBODY)
            os.setresuid(_NOBODY, _NOBODY, _NOBODY)
        except OSError:
            return False
    return os.geteuid() != 0
