# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of a sealed child: it reads its request, seals itself, examines one leaf, and is gone (D6).

It lives for one leaf and has two descriptors: the content and the socket on which the worker asks
and listens. Whoever takes it over in the end has nothing of earlier or later mail in reach.

*Errors:* none come out; what the examiner raises is told as the trouble, whatever kills it the nursery tells.
"""

import base64
import fcntl
import os
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass

from milterguard.unpack import wire
from milterguard.unpack.member import Member, Request
from milterguard.unpack.seal import Terms, shut, withdraw

Examiner = Callable[[int, Request, Callable[[Member], object], Callable[[bytes], object]], None]
CONTENT, REPLY = 3, 4
"""The descriptors of a sealed child; those below are /dev/null, and there are none above."""
_ARCHIVE = base64.b64decode(
    "UEsDBBQAAAAIAAAAIQDHp4s7BgAAAAQAAAAEAAAAdGV4dCtJrSgBAFBLAQIUAxQAAAAIAAAAIQDHp4s7BgAAAAQAAAAEAAAAAAAA"
    "AAAAAACAAQAAAAB0ZXh0UEsFBgAAAAABAAEAMgAAACgAAAAAAA=="
)
"""A zip with one member."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What the nursery gives to each child."""

    examiner: Examiner
    terms: Terms
    seals: tuple[str, ...]
    """Those that hold on this system. A child that cannot have them all examines nothing."""
    null: int
    """Descriptor of /dev/null."""


def live(cell: Cell, hatch: int) -> int:
    """Do all that a child does in a process that was just forked; return its exit status.

    It is forked before there is work, makes itself ready, and waits for its work at ``hatch``.
    """
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _keep_only(cell.null, hatch)
    seals = withdraw(cell.terms)
    rehearse(cell.examiner)
    with socket.socket(fileno=CONTENT) as waiting:
        work = socket.recv_fds(waiting, 1, 2)[1]
    if len(work) != 2:
        return 0
    _keep_only(0, *work)
    trouble = wire.REFUSED
    try:
        request = wire.parse_request(os.read(REPLY, wire.PACKET_BYTES))
        if seals + shut(cell.terms, max_bytes=request.max_bytes, max_depth=request.max_depth) == cell.seals:
            trouble = _examine(cell.examiner, request)
    finally:
        os.write(REPLY, wire.end_packet(trouble))
    return 0


def rehearse(examiner: Examiner) -> None:
    """Have an archive of our own examined: what is imported or written to then takes no time later.

    A page of memory that parent and child share costs most when it is first touched.
    """
    descriptor = os.memfd_create("rehearsal")
    try:
        os.write(descriptor, _ARCHIVE)
        examiner(descriptor, Request(names=("rehearsal.zip",), kinds=("zip",)), wire.member_packet, wire.octets_packets)
    # Whatever is wrong with the examiner is told when there is work.
    except Exception:  # noqa: BLE001, S110
        pass
    finally:
        os.close(descriptor)


def _examine(examiner: Examiner, request: Request) -> str:
    """Return what went wrong, in a word; the octets that failed us are let go of before it is told."""
    try:
        examiner(CONTENT, request, _tell, _give)
    except MemoryError:
        return wire.MEMORY
    # Any bug on hostile octets ends here; the process ends with it.
    except Exception as error:  # noqa: BLE001
        return wire.failure(error)
    return ""


def _tell(member: Member) -> None:
    os.write(REPLY, wire.member_packet(member))


def _give(block: bytes) -> None:
    for packet in wire.octets_packets(block):
        os.writev(REPLY, packet)


def _keep_only(null: int, *work: int) -> None:
    """Close everything but these, and set them where they are expected: the first at CONTENT."""
    # First out of the way: one may stand where another belongs.
    null, *moved = (fcntl.fcntl(each, fcntl.F_DUPFD, REPLY + 1) for each in (null, *work))
    for number in (0, 1, 2):
        os.dup2(null, number)
    for number, each in enumerate(moved, CONTENT):
        os.dup2(each, number, inheritable=False)
    os.closerange(CONTENT + len(moved), os.sysconf("SC_OPEN_MAX"))
