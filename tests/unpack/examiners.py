# SPDX-License-Identifier: GPL-3.0-or-later
"""Examiners that do in a sealed child what a decoder may do when it is taken over; named by the request."""

import ctypes
import hashlib
import mmap
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from milterguard.unpack.member import Member, Request

Tell = Callable[[Member], None]
Give = Callable[[bytes], None]


def examine(descriptor: int, request: Request, tell: Tell, give: Give) -> None:
    """Do what the first name of the request says."""
    DEEDS[request.names[0]](descriptor, request, tell, give)


def look(descriptor: int, request: Request, tell: Tell, give: Give) -> None:
    """Behave: give the octets as the only member."""
    octets = os.pread(descriptor, request.max_bytes, 0)
    tell(Member((1,), names=request.names, size=len(octets), has_octets=True))
    give(octets)


def tell_ids(descriptor: int, request: Request, tell: Tell, give: Give) -> None:
    tell(Member((1,), names=(str(os.getpid()), str(os.getppid()), ",".join(os.environ), str(os.getuid()))))


def tell_ids_and_compute(descriptor: int, request: Request, tell: Tell, give: Give) -> None:
    tell_ids(descriptor, request, tell, give)
    compute()


def abort(*_: object) -> None:
    os.abort()


def segfault(*_: object) -> None:
    ctypes.string_at(0)


def leave(*_: object) -> None:
    os._exit(7)


def raise_error(*_: object) -> None:
    raise LookupError("hostile words")


def recurse(*_: object) -> None:
    recurse()


def compute(*_: object) -> NoReturn:
    while True:
        pass


def compute_after_member(descriptor: int, request: Request, tell: Tell, give: Give) -> None:
    tell(Member((1,)))
    compute()


def wait(*_: object) -> None:
    threading.Event().wait()


def hoard(*_: object) -> None:
    kept = []
    while True:
        kept.append(bytearray(1 << 20))


def flood(descriptor: int, request: Request, tell: Tell, give: Give) -> None:
    number = 0
    while True:
        number += 1
        tell(Member((number,), names=("x" * 1000,)))


def overflow(descriptor: int, request: Request, tell: Tell, give: Give) -> None:
    tell(Member((1,), size=3, has_octets=True))
    give(b"four")


def babble(descriptor: int, request: Request, tell: Tell, give: Give) -> None:
    os.write(4, b"\xff" * 100)


def grow_file(descriptor: int, request: Request, tell: Tell, give: Give) -> None:
    file = os.memfd_create("bomb")
    written = 0
    try:
        while written < 64 * request.max_bytes:
            written += os.write(file, bytes(1 << 16))
    finally:
        tell(Member((1,), size=written))


def lie_about_digest(descriptor: int, request: Request, tell: Tell, give: Give) -> None:
    digest = hashlib.sha256(b"EVIL").hexdigest()
    tell(Member((1,), size=8, digest=digest, has_octets=True))
    give(b"harmless")
    tell(Member((2,), size=4, digest=digest))


def hold_files(descriptor: int, request: Request, tell: Tell, give: Give) -> None:
    number = 0
    try:
        while True:
            os.memfd_create("one")
            number += 1
    except OSError:
        tell(Member((1,), size=number))


def write_content(descriptor: int, request: Request, tell: Tell, give: Give) -> None:
    os.pwrite(descriptor, b"changed", 0)


def attempt(descriptor: int, request: Request, tell: Tell, give: Give) -> None:
    """Try each way out, and tell of each whether it was open."""
    for number, (name, deed) in enumerate(ATTEMPTS.items(), 1):
        try:
            deed()
            how = "open"
        except (OSError, RuntimeError) as error:
            how = type(error).__name__
        tell(Member((number,), names=(name,), detail=how))


def fork() -> None:
    if os.fork() == 0:
        os._exit(0)


def execute() -> None:
    os.execv("/bin/true", ["true"])


def start_thread() -> None:
    threading.Thread(target=time.sleep, args=(0,)).start()


def connect() -> None:
    socket.create_connection(("127.0.0.1", 9), timeout=0.1)


def map_executable() -> None:

    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC)


def trace_parent() -> None:
    checked(ctypes.CDLL(None, use_errno=True).ptrace(16, os.getppid(), 0, 0))


def checked(result: int) -> None:
    if result < 0:
        raise OSError(ctypes.get_errno(), "denied")


ATTEMPTS: dict[str, Callable[[], object]] = {
    "read a file": lambda: os.open("/etc/passwd", os.O_RDONLY),
    "read a file of ours": lambda: Path(__file__).read_bytes(),
    "list a folder": lambda: list(Path("/tmp").iterdir()),
    "write a file": lambda: os.open("/tmp/milterguard-escaped", os.O_WRONLY | os.O_CREAT),
    "delete a file": lambda: Path("/tmp/milterguard-escaped").unlink(),
    "make a folder": lambda: Path("/tmp/milterguard-escaped").mkdir(),
    "open a TCP socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM),
    "connect": connect,
    "open a unix socket": lambda: socket.socketpair(),
    "fork": fork,
    "start a thread": start_thread,
    "run a program": execute,
    "run a program by its way": lambda: subprocess.run(["/bin/true"], check=False),
    "signal the parent": lambda: os.kill(os.getppid(), signal.SIGCONT),
    "signal the group": lambda: os.killpg(os.getpgid(os.getppid()), signal.SIGCONT),
    "trace the parent": trace_parent,
    "become root": lambda: os.setuid(0),
    "map memory to execute": map_executable,
    "see the settings of a process": lambda: Path("/proc/self/environ").read_bytes(),
}

DEEDS: dict[str, Callable[[int, Request, Tell, Give], None]] = {
    name: deed
    for name, deed in globals().items()
    if callable(deed) and getattr(deed, "__module__", "") == __name__ and name != "examine"
}
