# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys that another process holds: this one asks it for signatures, and never sees a key.

*Errors:* SignError when it is away, late, or refuses.
"""

import socket
import time
from contextlib import suppress
from typing import Any

from milterguard.core.text import printable
from milterguard.dkim.compose import SigningKey
from milterguard.errors import SignError
from milterguard.keys import wire


class SocketKeys:
    """Asks the key process at a unix socket, each question on a connection of its own. Safe for several threads."""

    def __init__(self, path: str, *, seconds: float) -> None:
        """``seconds``: how long one answer is waited for."""
        self._path = path
        self._seconds = seconds

    def keys(self, domain: str) -> tuple[SigningKey, ...]:
        said = self._asked(wire.asking_for_keys(domain)).get("keys")
        if not isinstance(said, list):
            raise SignError("the key process did not name keys")
        return tuple(wire.read_key(each) for each in said)

    def sign(self, key: SigningKey, digest: bytes) -> bytes:
        return wire.read_octets(self._asked(wire.asking_to_sign(key, digest)).get("signature"))

    def close(self) -> None:
        """Nothing to give back."""

    def _asked(self, line: bytes) -> dict[str, Any]:
        deadline = time.monotonic() + self._seconds
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(self._seconds)
                connection.connect(self._path)
                connection.sendall(line)
                answer = _line_from(connection, deadline)
        except OSError as error:
            raise SignError(f"the key process at {self._path}: {error.strerror or 'no answer in time'}") from error
        said = wire.read_line(answer)
        if "error" in said:
            raise SignError(printable(str(said["error"])))
        return said


def _line_from(connection: socket.socket, deadline: float) -> bytes:
    octets = b""
    while not octets.endswith(b"\n"):
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        connection.settimeout(left)
        more = connection.recv(4096)
        if not more or len(octets) > wire.LINE_LIMIT:
            raise SignError("the key process broke off")
        octets += more
    return octets


def is_there(path: str) -> bool:
    """Whether somebody listens at a unix socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection, suppress(OSError):
        connection.settimeout(1.0)
        connection.connect(path)
        return True
    return False
