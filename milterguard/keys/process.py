# SPDX-License-Identifier: GPL-3.0-or-later
"""The key process: it alone can read the keys, and signs what the workers ask it to, over a unix socket.

Who may connect is a matter of the socket's mode and group. A worker that was taken over can have things signed
while it lasts, but it cannot carry a key away.

*Source:* what amavis' ``amavisd-signer`` is for. *Errors:* ConfigError for a socket that cannot be had.
"""

import grp
import logging
import os
import socketserver
from contextlib import suppress
from pathlib import Path

from milterguard.core.text import printable
from milterguard.errors import ConfigError, SignError
from milterguard.keys import wire
from milterguard.keys.client import is_there
from milterguard.keys.ring import KeyRing

log = logging.getLogger(__name__)

_PATIENCE_SECONDS = 10.0
"""A client that says nothing for so long is left."""
_BACKLOG = 200
"""Connections that wait to be taken."""


class KeyServer(socketserver.ThreadingUnixStreamServer):
    """Answers at a unix socket until it is shut down."""

    daemon_threads = True
    request_queue_size = _BACKLOG

    def __init__(self, path: Path, ring: KeyRing, *, mode: int = 0o660, group: str = "") -> None:
        """Make the socket, in place of one that nobody listens at. Raises ConfigError."""
        self.ring = ring
        self.path = path
        if path.is_socket() and not is_there(str(path)):
            path.unlink()
        owner = _group_id(group) if group else -1
        try:
            super().__init__(str(path), _Client)
            os.chown(path, -1, owner)
            path.chmod(mode)
        except OSError as error:
            self.server_close()
            got = f"{path}: {error.strerror}"
            raise ConfigError("settings", "signing.signer", expected="a socket that can be made", got=got) from error

    def close(self) -> None:
        """Give the socket back."""
        self.server_close()
        with suppress(OSError):
            self.path.unlink()


def answered(line: bytes, ring: KeyRing) -> bytes:
    """Return the answer to one line. Never raises."""
    try:
        said = wire.read_line(line)
        if isinstance(said.get("keys"), str):
            return wire.answer_keys(ring.keys(said["keys"]))
        if "sign" not in said:
            raise SignError("neither keys nor sign")
        digest = wire.read_octets(said.get("digest"))
        if len(digest) != wire.DIGEST_OCTETS:
            raise SignError("not a SHA-256 digest")
        return wire.answer_signature(ring.sign(wire.read_key(said["sign"]), digest))
    except SignError as error:
        log.warning("refused: %s", error)
        return wire.answer_error(printable(str(error)))
    except Exception:
        log.exception("a question could not be answered")
        return wire.answer_error("internal error")


class _Client(socketserver.StreamRequestHandler):
    """One connection."""

    timeout = _PATIENCE_SECONDS
    server: KeyServer

    def handle(self) -> None:
        with suppress(OSError):
            while (line := self.rfile.readline(wire.LINE_LIMIT)).endswith(b"\n"):
                self.wfile.write(answered(line, self.server.ring))


def _group_id(group: str) -> int:
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise ConfigError("settings", "signing.signer_group", expected="a group of this machine", got=group) from None
