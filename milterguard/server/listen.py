# SPDX-License-Identifier: GPL-3.0-or-later
"""The sockets the MTA finds us at: opened once by the supervisor, used by all workers.

Non-blocking, because workers race for a connection and the loser must not wait inside libmilter's
lock; TCP_NODELAY, because Nagle's algorithm costs tens of milliseconds a message.

*Errors:* ConfigError for whatever the operator can put right: an address in use, a missing folder,
an unknown group, a path where something else lives.
"""

import contextlib
import grp
import os
import socket
import stat
from dataclasses import dataclass
from pathlib import Path

from milterguard.config.settings import Server
from milterguard.config.socket import SocketKind, SocketSpec
from milterguard.errors import ConfigError

_BACKLOG = 1024
_KEY = "server.listen"


@dataclass(frozen=True, slots=True)
class Listener:
    """An open socket and where it is."""

    spec: SocketSpec
    socket: socket.socket
    inode: tuple[int, int] = (0, 0)
    """Device and inode of the path we made; zeros for TCP."""

    def close(self) -> None:
        """Close it; remove the path if it is still the one we made. Idempotent."""
        is_open = self.socket.fileno() != -1
        self.socket.close()
        if not is_open or self.spec.kind is not SocketKind.UNIX:
            return
        with contextlib.suppress(OSError):
            if _inode(Path(self.spec.path)) == self.inode:
                Path(self.spec.path).unlink()


def parse(text: str) -> SocketSpec:
    """Return what ``[server] listen`` names. Raises ConfigError."""
    try:
        spec = SocketSpec.parse(text)
    except ValueError as error:
        raise ConfigError("settings", _KEY, expected=str(error), got=text) from error
    if spec.kind is SocketKind.TLS:
        raise ConfigError("settings", _KEY, expected="inet:, inet6: or unix:", got=text)
    return spec


def open_listener(text: str, server: Server) -> Listener:
    """Return an open listener. Raises ConfigError."""
    spec = parse(text)
    try:
        return _open_unix(spec, server) if spec.kind is SocketKind.UNIX else _open_tcp(spec)
    except OSError as error:
        expected = "a socket that can be opened"
        raise ConfigError("settings", _KEY, expected=expected, got=f"{text} ({error.strerror or error})") from error


def set_access(listener: Listener, server: Server) -> None:
    """Give a unix socket its group and mode, if it has others. Raises ConfigError."""
    if listener.spec.kind is not SocketKind.UNIX:
        return
    path = Path(listener.spec.path)
    try:
        status = path.stat()
        group = grp.getgrnam(server.socket_group).gr_gid if server.socket_group else status.st_gid
        # Who opened it as root and gave that up may no longer change either, but need not.
        if group != status.st_gid:
            os.chown(path, -1, group)
        if server.socket_mode != stat.S_IMODE(status.st_mode):
            path.chmod(server.socket_mode)
    except PermissionError as error:
        expected = "socket_mode and socket_group as at the start; for others restart milterguard"
        raise ConfigError("settings", "server.socket_mode", expected=expected, got=str(error)) from error
    except KeyError as error:
        raise ConfigError(
            "settings", "server.socket_group", expected="a group of this system", got=server.socket_group
        ) from error
    except OSError as error:
        expected = "a group and mode that may be given"
        raise ConfigError("settings", "server.socket_group", expected=expected, got=str(error)) from error


def _open_tcp(spec: SocketSpec) -> Listener:
    family = socket.AF_INET6 if spec.kind is SocketKind.INET6 else socket.AF_INET
    address = socket.getaddrinfo(spec.host, spec.port, family, socket.SOCK_STREAM, 0, socket.AI_PASSIVE)[0][4]
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # accepted sockets inherit it (Linux)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind(address)
        listening.listen(_BACKLOG)
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return Listener(spec, listening)


def _open_unix(spec: SocketSpec, server: Server) -> Listener:
    path = Path(spec.path)
    _make_room(path)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # Nobody may connect before group and mode are right: the path is made without any permission.
        umask = os.umask(0o777)
        try:
            listening.bind(str(path))
        finally:
            os.umask(umask)
        listener = Listener(spec, listening, _inode(path))
        try:
            set_access(listener, server)
            listening.listen(_BACKLOG)
            listening.setblocking(False)
        except (OSError, ConfigError):
            listener.close()
            raise
    except OSError:
        listening.close()
        raise
    return listener


def _make_room(path: Path) -> None:
    """Remove a socket nobody listens on any more; refuse to touch anything else."""
    try:
        is_socket = stat.S_ISSOCK(path.lstat().st_mode)
    except FileNotFoundError:
        return
    if not is_socket:
        raise ConfigError("settings", _KEY, expected="a path that is free or a socket", got=f"{path} (something else)")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
        caller.setblocking(False)
        try:
            caller.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except BlockingIOError:
            pass  # its queue is full, so somebody listens
    raise ConfigError("settings", _KEY, expected="a socket that nobody listens on", got=f"{path} (in use)")


def _inode(path: Path) -> tuple[int, int]:
    status = path.lstat()
    return status.st_dev, status.st_ino
