# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of a sealed child: it reads its request, seals itself, examines one leaf, and is gone (D6).

It is forked for one leaf and has two descriptors: the content and the socket on which the worker asks
and listens. Whoever takes it over in the end has nothing of earlier or later mail in reach.

*Errors:* none come out; what the examiner raises is told as the trouble, whatever kills it the nursery tells.
"""

import fcntl
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass

from milterguard.unpack import wire
from milterguard.unpack.member import Member, Request
from milterguard.unpack.seal import Terms, become_sealed

Examiner = Callable[[int, Request, Callable[[Member], None], Callable[[bytes], None]], None]
CONTENT, REPLY = 3, 4
"""The descriptors of a sealed child; those below are /dev/null, and there are none above."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What the nursery gives to each child."""

    examiner: Examiner
    terms: Terms
    seals: tuple[str, ...]
    """Those that hold on this system. A child that cannot have them all examines nothing."""
    null: int
    """Descriptor of /dev/null."""


def live(cell: Cell, content: int, reply: int) -> int:
    """Do all that a child does in a process that was just forked; return its exit status."""
    _keep_only(cell.null, content, reply)
    trouble = wire.REFUSED
    try:
        request = wire.parse_request(os.read(REPLY, wire.PACKET_BYTES))
        if become_sealed(cell.terms, max_bytes=request.max_bytes, max_depth=request.max_depth) == cell.seals:
            trouble = _examine(cell.examiner, request)
    finally:
        os.write(REPLY, wire.end_packet(trouble))
    return 0


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


def _keep_only(null: int, content: int, reply: int) -> None:
    """Close everything but the two, and set them where they are expected; nobody's signals come in here."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    # First out of the way: one may stand where another belongs.
    content, reply, null = (fcntl.fcntl(each, fcntl.F_DUPFD, REPLY + 1) for each in (content, reply, null))
    os.dup2(content, CONTENT, inheritable=False)
    os.dup2(reply, REPLY, inheritable=False)
    for number in (0, 1, 2):
        os.dup2(null, number)
    os.closerange(REPLY + 1, os.sysconf("SC_OPEN_MAX"))
    os.environ.clear()
    sys.argv.clear()
