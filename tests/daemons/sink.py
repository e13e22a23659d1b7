# SPDX-License-Identifier: GPL-3.0-or-later
"""The next hop: an SMTP server that keeps what was delivered, octet by octet.

It runs on threads of this process, so that tests can wait for a message without asking again and again.
A message counts as delivered once it is kept; the 250 follows.
"""

import contextlib
import socket
import socketserver
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from tests.daemons.address import inet

_EXTENSIONS = (b"sink.example", b"PIPELINING", b"8BITMIME", b"SMTPUTF8", b"SIZE", b"DSN", b"ENHANCEDSTATUSCODES")
_END = b"\r\n.\r\n"


@dataclass(frozen=True, slots=True)
class Delivered:
    """One message as the next hop got it."""

    sender: bytes
    """Without brackets; empty for the null sender."""
    recipients: tuple[bytes, ...]
    octets: bytes
    """Header section and body, line ends as they came, dots undoubled."""
    number: int
    """In order of arrival, from 0; stays when others are forgotten."""
    parameters: tuple[bytes, ...] = ()
    """Behind each recipient's address: ``NOTIFY=NEVER ORCPT=rfc822;…``."""

    @property
    def header(self) -> bytes:
        """The header section with the line end of its last field."""
        return self.octets.partition(b"\r\n\r\n")[0] + b"\r\n"

    @property
    def body(self) -> bytes:
        return self.octets.partition(b"\r\n\r\n")[2]

    def fields(self) -> tuple[tuple[str, str], ...]:
        """Names and unfolded values, top first; octets that are not ASCII as surrogates."""
        unfolded = self.header.replace(b"\r\n ", b" ").replace(b"\r\n\t", b" ")
        pairs = (line.partition(b":") for line in unfolded.splitlines())
        return tuple((_text(name).rstrip(), _text(value).strip()) for name, _, value in pairs)

    def values(self, name: str) -> tuple[str, ...]:
        """The values of all fields of that name, top first."""
        return tuple(value for key, value in self.fields() if key.lower() == name.lower())


class Sink:
    """Listens on ``port`` of 127.0.0.1 between start and stop; ``socket`` is the address in our words."""

    def __init__(self, *, port: int = 0) -> None:
        self.port = port
        self.replies: dict[str, str] = {}
        """Another reply than ours, by verb (``MAIL``, ``RCPT``, ``DATA``) or ``.`` for the end of the content."""
        self._messages: list[Delivered] = []
        self._count = 0
        self._arrived = threading.Condition()
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def socket(self) -> str:
        return inet(self.port)

    def start(self) -> Self:
        self._server = _Server(("127.0.0.1", self.port), self)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="sink")
        self._thread.start()
        return self

    def stop(self) -> None:
        """Takes no more, closes the connections that are open and waits for their threads."""
        if self._server is None or self._thread is None:
            return
        self._server.shutdown()
        self._thread.join()
        self._server.hang_up()
        self._server.server_close()
        self._server = self._thread = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def messages(self) -> tuple[Delivered, ...]:
        with self._arrived:
            return tuple(self._messages)

    def clear(self) -> None:
        """Forgets what came, and all replies of others' choice."""
        with self._arrived:
            self._messages.clear()
            self.replies.clear()

    def wait_for(self, count: int, timeout_seconds: float = 30.0) -> tuple[Delivered, ...]:
        """All messages, as soon as there are that many. Raises TimeoutError."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: len(self._messages) >= count, timeout_seconds):
                raise TimeoutError(f"{len(self._messages)} of {count} messages within {timeout_seconds:g} s")
            return tuple(self._messages)

    def wait_for_message(self, is_wanted: Callable[[Delivered], bool], timeout_seconds: float = 30.0) -> Delivered:
        """The first message that is wanted, come or to come. Raises TimeoutError."""
        deadline = time.monotonic() + timeout_seconds
        seen = 0
        with self._arrived:
            while True:
                for message in self._messages[seen:]:
                    if is_wanted(message):
                        return message
                seen = len(self._messages)
                if not self._arrived.wait(deadline - time.monotonic()):
                    raise TimeoutError(f"none of {seen} messages is the wanted one")

    def keep(
        self, *, sender: bytes, recipients: tuple[bytes, ...], octets: bytes, parameters: tuple[bytes, ...]
    ) -> None:
        with self._arrived:
            self._messages.append(Delivered(sender, recipients, octets, self._count, parameters))
            self._count += 1
            self._arrived.notify_all()


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = False
    block_on_close = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], sink: Sink) -> None:
        self.sink = sink
        self._open: set[socket.socket] = set()
        self._is_ending = False
        self._lock = threading.Lock()
        super().__init__(address, _Session)

    def hang_up(self) -> None:
        with self._lock:
            self._is_ending = True
            for connection in self._open:
                _hang_up(connection)

    def opened(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.add(connection)
            if self._is_ending:
                _hang_up(connection)

    def closed(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.discard(connection)


class _Session(socketserver.BaseRequestHandler):
    server: _Server
    request: socket.socket

    def setup(self) -> None:
        self.server.opened(self.request)
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._pending = bytearray()
        self._sender = b""
        self._recipients: list[bytes] = []
        self._parameters: list[bytes] = []

    def handle(self) -> None:
        try:
            self._say(b"220 sink.example ESMTP")
            while (line := self._read_to(b"\r\n")) is not None and self._obey(line):
                pass
        except OSError:
            pass  # the client has gone, or we are stopping

    def finish(self) -> None:
        self.server.closed(self.request)

    def _obey(self, line: bytes) -> bool:
        """Answers one command; False ends the session."""
        verb, _, argument = line.partition(b" ")
        verb = verb.upper()
        if other := self.server.sink.replies.get(verb.decode(errors="replace")):
            self._say(other.encode())
        elif verb == b"EHLO":
            self._say(b"\r\n".join([b"250-" + word for word in _EXTENSIONS[:-1]] + [b"250 " + _EXTENSIONS[-1]]))
        elif verb == b"MAIL":
            self._sender, self._recipients, self._parameters = _path(argument), [], []
            self._say(b"250 2.1.0 Ok")
        elif verb == b"RCPT":
            self._recipients.append(_path(argument))
            self._parameters.append(argument.rpartition(b">")[2].strip())
            self._say(b"250 2.1.5 Ok")
        elif verb == b"DATA":
            return self._take_content()
        elif verb == b"QUIT":
            self._say(b"221 2.0.0 Bye")
            return False
        else:
            self._say(b"250 2.0.0 Ok" if verb in {b"HELO", b"RSET", b"NOOP"} else b"500 5.5.2 Unknown command")
        return True

    def _take_content(self) -> bool:
        self._say(b"354 Go ahead")
        # The line end of the command before belongs to the search: an empty message is a dot at once.
        self._pending[:0] = b"\r\n"
        stuffed = self._read_to(_END)
        if stuffed is None:
            return False
        if other := self.server.sink.replies.get("."):
            self._say(other.encode())
            return True
        octets = (stuffed + b"\r\n").replace(b"\r\n.", b"\r\n")[2:]
        self.server.sink.keep(
            sender=self._sender,
            recipients=tuple(self._recipients),
            octets=octets,
            parameters=tuple(self._parameters),
        )
        self._say(b"250 2.0.0 Kept")
        return True

    def _read_to(self, end: bytes) -> bytes | None:
        """What comes before the end mark, which is dropped; None at the end of the connection."""
        start = 0
        while (found := self._pending.find(end, start)) < 0:
            start = max(0, len(self._pending) - len(end))
            received = self.request.recv(1 << 18)
            if not received:
                return None
            self._pending += received
        before = bytes(self._pending[:found])
        del self._pending[: found + len(end)]
        return before

    def _say(self, line: bytes) -> None:
        self.request.sendall(line + b"\r\n")


def _hang_up(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the client was faster
        connection.shutdown(socket.SHUT_RDWR)


def _path(argument: bytes) -> bytes:
    """The address in the argument of MAIL or RCPT."""
    return argument.partition(b"<")[2].rpartition(b">")[0]


def _text(octets: bytes) -> str:
    return octets.decode("ascii", "surrogateescape")
