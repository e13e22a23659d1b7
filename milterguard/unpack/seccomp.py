# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets this process make the few system calls that computing takes, and no other: the rest answers EPERM.

No file can be opened, no socket made, no process or thread started or signalled, no program run, and no
memory made executable. The list is what Python and the decoders use on every format that we open.

*Source:* seccomp(2), Linux's ``linux/bpf_common.h``, ``linux/seccomp.h``, ``linux/audit.h`` and tables of system calls.
"""

import ctypes
import errno
import os
import struct
from dataclasses import dataclass

_PR_SET_SECCOMP, _MODE_FILTER = 22, 2
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _DENY = 0x7FFF0000, 0x80000000, 0x00050000 | errno.EPERM
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
"""Where they stand in ``struct seccomp_data``; both machines are little-endian, so the lower half comes first."""
_X32 = 0x40000000
_PROT_EXEC = 4
_AT_EMPTY_PATH = 0x1000
_FCNTL = (0, 1, 2, 3, 1030)
"""F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_DUPFD_CLOEXEC: none that has signals sent."""


@dataclass(frozen=True, slots=True)
class _Machine:
    audit: int
    """``AUDIT_ARCH_…``"""
    allowed: tuple[int, ...]
    mapping: tuple[int, int]
    """mmap and mprotect: memory, but none to be executed."""
    fcntl: int
    newfstatat: int
    """As fstat(2) of glibc uses it."""


# In this order: read write close fstat lseek munmap brk rt_sigaction rt_sigprocmask rt_sigreturn pread64 pwrite64
# readv writev preadv sched_yield mremap madvise nanosleep clock_nanosleep clock_gettime clock_getres gettimeofday
# getpid getppid gettid getuid geteuid getgid getegid futex exit exit_group getrandom sigaltstack ftruncate
# memfd_create dup restart_syscall getrusage sysinfo sched_getaffinity uname
_MACHINES = {
    "x86_64": _Machine(
        audit=0xC000003E,
        allowed=(
            *(0, 1, 3, 5, 8, 11, 12, 13, 14, 15, 17, 18),
            *(19, 20, 295, 24, 25, 28, 35, 230, 228, 229, 96),
            *(39, 110, 186, 102, 107, 104, 108, 202, 60, 231, 318, 131, 77),
            *(319, 32, 219, 98, 99, 204, 63),
            201,  # time, which only this machine has
        ),
        mapping=(9, 10),
        fcntl=72,
        newfstatat=262,
    ),
    "aarch64": _Machine(
        audit=0xC00000B7,
        allowed=(
            *(63, 64, 57, 80, 62, 215, 214, 134, 135, 139, 67, 68),
            *(65, 66, 69, 124, 216, 233, 101, 115, 113, 114, 169),
            *(172, 173, 178, 174, 175, 176, 177, 98, 93, 94, 278, 132, 46),
            *(279, 23, 128, 165, 179, 123, 160),
        ),
        mapping=(222, 226),
        fcntl=25,
        newfstatat=79,
    ),
}


class Program(ctypes.Structure):
    """A filter as the kernel takes it (``struct sock_fprog``)."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def program(machine: str = "") -> Program | None:
    """Return the filter for a machine, by default this one; None when we do not know its system calls."""
    known = _MACHINES.get(machine or os.uname().machine)
    # A 32-bit Python on a 64-bit kernel has other system calls.
    if known is None or struct.calcsize("P") != 8:
        return None
    steps = _instructions(known)
    return Program(len(steps), b"".join(steps))


def load(libc: ctypes.CDLL, program: Program) -> bool:
    """Put the filter on this process, which must have given up new privileges; False where the kernel cannot."""
    return bool(libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(program), 0, 0) == 0)


def _instructions(machine: _Machine) -> list[bytes]:
    return [
        _step(_LOAD, _ARCHITECTURE),
        _step(_EQUAL, machine.audit, then=1),
        _step(_RETURN, _KILL),
        _step(_LOAD, _NUMBER),
        _step(_AT_LEAST, _X32, otherwise=1),
        _step(_RETURN, _KILL),
        *(each for number in machine.allowed for each in _case(number)),
        *(each for number in machine.mapping for each in _case(number, (2, _ANY_BIT, _PROT_EXEC), answer=_DENY)),
        *_case(machine.fcntl, *((1, _EQUAL, command) for command in _FCNTL), answer=_ALLOW),
        *_case(machine.newfstatat, (3, _EQUAL, _AT_EMPTY_PATH), answer=_ALLOW),
        _step(_RETURN, _DENY),
    ]


def _case(number: int, *tests: tuple[int, int, int], answer: int = _ALLOW) -> list[bytes]:
    """One system call: ``answer`` when a test (argument, comparison, value) holds, the contrary when none does."""
    if not tests:
        return [_step(_EQUAL, number, otherwise=1), _step(_RETURN, _ALLOW)]
    contrary = _DENY if answer == _ALLOW else _ALLOW
    body = [_step(_LOAD, _ARGUMENTS + 8 * tests[0][0])]
    body += [_step(comparison, value, then=len(tests) - index) for index, (_, comparison, value) in enumerate(tests)]
    body += [_step(_RETURN, contrary), _step(_RETURN, answer)]
    return [_step(_EQUAL, number, otherwise=len(body)), *body]


def _step(code: int, value: int, *, then: int = 0, otherwise: int = 0) -> bytes:
    """Pack a ``struct sock_filter``; ``then`` and ``otherwise`` are how many steps are passed over."""
    return struct.pack("=HBBI", code, then, otherwise, value)
