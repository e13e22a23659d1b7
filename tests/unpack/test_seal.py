# SPDX-License-Identifier: GPL-3.0-or-later
"""What a sealed process can still do, tried in one; and that each seal holds without the others."""

import ctypes
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from milterguard.unpack import landlock, seal, seccomp
from milterguard.unpack.box import Box
from milterguard.unpack.member import Request
from tests.unpack.examiners import ATTEMPTS

PR_SET_NO_NEW_PRIVS = 38


@pytest.fixture(scope="module")
def attempts() -> dict[str, str]:
    """What came of each way out that a sealed child tried."""
    box = Box(processes=1, memory_bytes=128 << 20, cpu_seconds=20, examiner="tests.unpack.examiners:examine")
    leaf = os.memfd_create("leaf")
    report = box.open(leaf, Request(names=("attempt",)), deadline=time.monotonic() + 30)
    os.close(leaf)
    box.close()
    assert report.trouble == ""
    return {member.names[0]: member.detail for member in report.members}


@pytest.mark.parametrize("way", ATTEMPTS)
def test_no_way_leads_out(attempts: dict[str, str], way: str) -> None:
    """Files, network, processes, programs, rights: all of it is denied."""
    assert attempts[way] in {"PermissionError", "RuntimeError"}
    assert not Path("/tmp/milterguard-escaped").exists()


def in_child(deed: Callable[[], object]) -> str:
    """Return what a deed returns, or raises, in a process of its own."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            said = str(deed())
        except Exception as error:  # noqa: BLE001  (its name is what was asked for)
            said = type(error).__name__
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    said = os.read(reading, 1000).decode()
    os.close(reading)
    os.waitpid(pid, 0)
    return said


@pytest.fixture
def libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def test_landlock_alone_takes_the_files(libc: ctypes.CDLL) -> None:
    """Should a hole be in the filter of system calls."""

    def deed() -> bool:
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        assert landlock.restrict(libc)
        return bool(os.open(__file__, os.O_RDONLY))

    assert in_child(deed) == "PermissionError"


def test_seccomp_alone_takes_the_files(libc: ctypes.CDLL) -> None:
    """Should the kernel have no landlock."""

    def deed() -> bool:
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        program = seccomp.program()
        assert program is not None
        assert seccomp.load(libc, program)
        return bool(os.open(__file__, os.O_RDONLY))

    assert in_child(deed) == "PermissionError"


@pytest.mark.parametrize("call", [0x40000000 | 39, 1 << 30])
def test_calls_of_another_binary_interface_kill(libc: ctypes.CDLL, call: int) -> None:
    """Their numbers mean something else, so the list says nothing of them."""
    if os.uname().machine != "x86_64":
        return

    def deed() -> None:
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        program = seccomp.program()
        assert program is not None
        seccomp.load(libc, program)
        libc.syscall(call)

    assert in_child(deed) == ""


def test_what_computing_takes_is_left(libc: ctypes.CDLL) -> None:
    """Memory, clocks, randomness, files in memory."""

    def deed() -> bytes:
        terms = seal.prepare(memory_bytes=64 << 20, cpu_seconds=10)
        object.__setattr__(terms, "parent", os.getppid())
        seal.withdraw(terms)
        # Deep, for with the depth goes the number of files, and the process of the tests has its daemons' open.
        seal.shut(terms, max_bytes=1 << 20, max_depth=200)
        file = os.memfd_create("one")
        os.write(file, os.urandom(8) + bytes(1 << 16))
        os.ftruncate(file, 3)
        return bytes([time.time() > 0, os.fstat(file).st_size, len(bytearray(1 << 22)) >> 22])

    assert in_child(deed) == str(bytes([1, 3, 1]))


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_each_machine_has_its_filter(machine: str) -> None:
    """With no call twice, and short enough for the kernel."""
    known = seccomp._MACHINES[machine]
    calls = (*known.allowed, *known.mapping, known.fcntl, known.newfstatat)
    assert len(set(calls)) == len(calls)
    program = seccomp.program(machine)
    assert program is not None
    assert program.length < 4096


def test_an_unknown_machine_has_none() -> None:
    """There the other seals must do."""
    assert seccomp.program("vax") is None
