# SPDX-License-Identifier: GPL-3.0-or-later
"""A server on threads that does to each client what a script says, and ends when its test does."""

import errno
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self


class Exchange:
    """One accepted connection, as the script sees it."""

    def __init__(self, connection: socket.socket, released: threading.Event) -> None:
        self.connection = connection
        self.content = bytearray()
        """What the client gave to be looked at."""
        self._released = released

    def read(self, size: int) -> bytes:
        """Return exactly ``size`` octets; raises EOFError when the client hangs up before."""
        octets = bytearray()
        while len(octets) < size:
            more = self.connection.recv(size - len(octets))
            if not more:
                raise EOFError
            octets += more
        return bytes(octets)

    def read_until(self, end: bytes) -> bytes:
        octets = bytearray()
        while not octets.endswith(end):
            octets += self.read(1)
        return bytes(octets)

    def send(self, octets: bytes) -> None:
        self.connection.sendall(octets)

    def drip(self, octets: bytes, pause: float) -> None:
        """Send one octet after the other until the client or the test has had enough."""
        for octet in octets:
            self.send(bytes([octet]))
            if self._released.wait(pause):
                return

    def hang(self) -> None:
        """Do nothing until the test is over."""
        self._released.wait()

    def reset(self) -> None:
        """Close so that a TCP client sees a reset."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


Script = Callable[[Exchange], None]


class Scripted:
    """Listens while its ``with`` block runs; each client has a thread with the script.

    A script may be exchanged at any time; it holds for the next client.
    """

    def __init__(
        self,
        script: Script,
        *,
        path: Path | None = None,
        host: str = "127.0.0.1",
        tls: ssl.SSLContext | None = None,
        backlog: int = 16,
    ) -> None:
        """With ``path`` on a unix socket, else on a free TCP port of ``host``."""
        self.script = script
        self.exchanges: list[Exchange] = []
        """One for each client, in order."""
        self._tls = tls
        self._released = threading.Event()
        self._threads: list[threading.Thread] = []
        self._failures: list[BaseException] = []
        self._listener, self.socket = _listener(path, host, tls is not None)
        self._listener.listen(backlog)

    @property
    def content(self) -> bytes:
        """What the last client gave."""
        return bytes(self.exchanges[-1].content)

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._released.set()
        _shut_down(self._listener)
        for exchange in self.exchanges:
            _shut_down(exchange.connection)
        for thread in self._threads:
            thread.join()
        self._listener.close()
        if self._failures and error is None:
            raise self._failures[0]

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._released.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError as error:
                if error.errno == errno.EMFILE:
                    continue  # a test has taken all descriptors for a moment
                return
            exchange = Exchange(connection, self._released)
            self.exchanges.append(exchange)
            if self._released.is_set():
                connection.close()
                return
            self._start(self._serve, exchange)

    def _serve(self, exchange: Exchange) -> None:
        try:
            if self._tls is not None:
                exchange.connection = self._tls.wrap_socket(exchange.connection, server_side=True)
            self.script(exchange)
        except (OSError, EOFError):
            pass  # the client left: that is its right
        except BaseException as error:  # noqa: BLE001  (told to the test)
            self._failures.append(error)
        finally:
            exchange.connection.close()


def _listener(path: Path | None, host: str, is_tls: bool) -> tuple[socket.socket, str]:
    if path is not None:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(path))
        return listener, f"unix:{path}"
    family, kind = (socket.AF_INET6, "inet6") if ":" in host else (socket.AF_INET, "inet")
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.bind((host, 0))
    return listener, f"{'tls' if is_tls else kind}:{listener.getsockname()[1]}@{host}"


def _shut_down(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
