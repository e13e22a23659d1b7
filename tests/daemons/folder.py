# SPDX-License-Identifier: GPL-3.0-or-later
"""Short-named temporary folders that daemons under other users can reach, and free loopback ports."""

import contextlib
import random
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

SOCKET_PATH_LIMIT = 107
"""Octets in the path of a unix socket (unix(7)), without the closing NUL."""
PORTS = range(20000, 32000)
"""Below the ports that Linux gives to outgoing connections, so that none of those takes a chosen one away."""


@contextlib.contextmanager
def private_folder(prefix: str = "mg-") -> Iterator[Path]:
    """A folder with mode 0755 that is removed with all it holds.

    It lies in ``/tmp`` whatever TMPDIR says: the path must be short enough for sockets, and the
    users of Postfix and spamd must be able to pass through the folders above (pytest's are closed).
    """
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir="/tmp"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def socket_path(path: Path) -> Path:
    """The same path, if a unix socket can have it. Raises ValueError."""
    if len(bytes(path)) > SOCKET_PATH_LIMIT:
        raise ValueError(f"{path}: too long for a unix socket ({SOCKET_PATH_LIMIT} octets)")
    return path


def free_ports(count: int) -> tuple[int, ...]:
    """Distinct ports of 127.0.0.1 on which nothing listens."""
    with contextlib.ExitStack() as held:
        ports: list[int] = []
        # Not random's own state: that one is seeded alike in every test.
        for port in random.SystemRandom().sample(PORTS, len(PORTS)):
            if len(ports) == count:
                break
            candidate = held.enter_context(socket.socket())
            candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                candidate.bind(("127.0.0.1", port))
                candidate.listen()
                ports.append(port)
        return tuple(ports)


def free_port() -> int:
    return free_ports(1)[0]
