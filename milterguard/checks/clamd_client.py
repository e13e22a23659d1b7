# SPDX-License-Identifier: GPL-3.0-or-later
"""One conversation with a clamd, over pyclamd's clients: strict about every octet of the answer.

pyclamd 0.4.0 takes the silence of a clamd that died for "clean", waits five times its timeout,
sends short and cannot reach IPv6. So its clients keep their commands, and everything below them
is done here: connecting, framing, deadlines, and one reply that ends with NUL and nothing after.

*Source:* clamd(8), commands with the prefix ``z``, and INSTREAM.

*Errors:* OSError (TimeoutError when it took too long) from the network, Garbled for an answer that
is none.
"""

import socket
import struct
import threading
import time
from types import TracebackType
from typing import Self

import pyclamd

from milterguard.config.socket import SocketKind, SocketSpec

REPLY_LIMIT = 4096
"""A longer reply is not one: clamd's own virus names end far below."""

_LENGTH = struct.Struct("!L")
_FAMILY = {SocketKind.INET: socket.AF_INET, SocketKind.INET6: socket.AF_INET6}


class Garbled(Exception):  # noqa: N818
    """What came back is not the one complete reply that clamd(8) promises."""


class _Conversation:
    """What both of pyclamd's clients get instead of their own handling of sockets.

    One object makes one conversation. ``interrupt`` may be called from any thread, everything else
    belongs to one.
    """

    clamd_socket: socket.socket

    def __init__(self, spec: SocketSpec, connect_seconds: float, *, reply_seconds: float = 1.0) -> None:
        """``reply_seconds`` holds for pyclamd's commands (``ping()``, ``version()``)."""
        # pyclamd's own constructor would open a connection only to see whether it can.
        self._spec = spec
        self._connect_seconds = connect_seconds
        self._reply_seconds = reply_seconds
        self._lock = threading.Lock()
        self._is_over = False
        self._preamble = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close_socket()

    def connect(self) -> None:
        """Raises OSError."""
        self._init_socket()

    def interrupt(self) -> None:
        """Make whoever waits for this clamd fail at once. Never raises or blocks."""
        with self._lock:
            self._is_over = True
            if hasattr(self, "clamd_socket"):
                _shut_down(self.clamd_socket)

    def begin(self) -> None:
        """Open an INSTREAM; the command travels with the first block."""
        self._preamble = b"zINSTREAM\0"

    def give(self, block: bytes, patience: float) -> None:
        """Send one block of the stream. ``patience`` is in seconds, for the whole block."""
        if not block:
            return  # a length of zero would end the stream
        head, self._preamble = self._preamble + _LENGTH.pack(len(block)), b""
        self.clamd_socket.settimeout(_positive(patience))
        sent = self.clamd_socket.sendmsg((head, block))
        if sent < len(head):
            self.clamd_socket.sendall(head[sent:])
            sent = len(head)
        if sent < len(head) + len(block):
            self.clamd_socket.sendall(memoryview(block)[sent - len(head) :])

    def finish(self, patience: float) -> None:
        """End the stream. Raises Garbled when clamd answered before it had everything."""
        self.clamd_socket.settimeout(0)
        try:
            self.clamd_socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            self.clamd_socket.settimeout(_positive(patience))
            self.clamd_socket.sendall(_LENGTH.pack(0))
            return
        raise Garbled("answered before the end of the message")

    def reply(self, patience: float) -> str:
        """Return the one reply, without its NUL. ``patience`` is in seconds for all of it."""
        ends_at = time.monotonic() + patience
        octets = bytearray()
        while not octets.endswith(b"\0"):
            self.clamd_socket.settimeout(_positive(ends_at - time.monotonic()))
            more = self.clamd_socket.recv(REPLY_LIMIT)
            if not more:
                raise Garbled(f"closed after {len(octets)} octets of a reply")
            octets += more
            if len(octets) > REPLY_LIMIT:
                raise Garbled("reply without end")
        return _text(bytes(octets[:-1]))

    # What pyclamd calls underneath its commands.

    def _init_socket(self) -> None:
        connected = self._connected()
        with self._lock:
            self.clamd_socket = connected
            if self._is_over:
                _shut_down(connected)

    def _send_command(self, cmd: str) -> None:
        self.clamd_socket.settimeout(_positive(self._reply_seconds))
        self.clamd_socket.sendall(b"z" + cmd.encode("ascii") + b"\0")

    def _recv_response(self) -> str:
        return self.reply(self._reply_seconds)

    def _close_socket(self) -> None:
        with self._lock:
            if hasattr(self, "clamd_socket"):
                self.clamd_socket.close()

    def _connected(self) -> socket.socket:
        raise NotImplementedError


class UnixClamd(_Conversation, pyclamd.ClamdUnixSocket):
    def _connected(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            # A non-blocking connect fails at once while clamd's queue is full; a blocking one with
            # a send timeout waits for its turn (unix(7), socket(7)).
            seconds, fraction = divmod(self._connect_seconds, 1)
            connection.setsockopt(
                socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", int(seconds), int(fraction * 1e6))
            )
            connection.connect(self._spec.path)
        except BlockingIOError as error:
            connection.close()
            raise TimeoutError("timed out") from error
        except BaseException:
            connection.close()
            raise
        return connection


class NetworkClamd(_Conversation, pyclamd.ClamdNetworkSocket):
    def _connected(self) -> socket.socket:
        ends_at = time.monotonic() + self._connect_seconds
        family = _FAMILY[self._spec.kind]
        trouble = OSError("no address")
        for *_, address in socket.getaddrinfo(self._spec.host, self._spec.port, family, socket.SOCK_STREAM):
            connection = socket.socket(family, socket.SOCK_STREAM)
            try:
                connection.settimeout(_positive(ends_at - time.monotonic()))
                connection.connect(address)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError as error:
                connection.close()
                trouble = error
            else:
                return connection
        raise trouble


AnyClamd = UnixClamd | NetworkClamd


def client(spec: SocketSpec, connect_seconds: float, *, reply_seconds: float = 1.0) -> AnyClamd:
    """Return the client for this socket, not connected yet."""
    if spec.kind is SocketKind.UNIX:
        return UnixClamd(spec, connect_seconds, reply_seconds=reply_seconds)
    return NetworkClamd(spec, connect_seconds, reply_seconds=reply_seconds)


def _positive(seconds: float) -> float:
    """Return a timeout that sockets take; zero would mean not to wait, and be another error."""
    if seconds <= 0:
        raise TimeoutError("timed out")
    return seconds


def _shut_down(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # closed or never connected: nobody waits on it


def _text(octets: bytes) -> str:
    if b"\0" in octets:
        raise Garbled("more than one reply")
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Garbled("reply is not UTF-8") from error
