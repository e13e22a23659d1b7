# SPDX-License-Identifier: GPL-3.0-or-later
"""aiospamc made fit for a server that runs for months: one loop on one thread, and bounded answers.

aiospamc 1.2.0 leaves connections open when something fails, reads answers of any size, and takes
quadratic time for one with many protocol headers. Its connections are subclassed for that; its
client, requests and parser are used as they are, one client for each server.

*Source:* the SPAMC/SPAMD protocol 1.5, ``spamd/PROTOCOL`` in SpamAssassin.

*Errors:* those of aiospamc; AIOSpamcConnectionFailed also when connecting took too long.
ServerFailure when we are short of descriptors or threads for the loop itself.
"""

import asyncio
import socket
import ssl
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from aiospamc.client import Client
from aiospamc.connections import ConnectionManager, TcpConnectionManager, Timeout, UnixConnectionManager
from aiospamc.exceptions import AIOSpamcConnectionFailed, BadResponse

from milterguard.checks.servers import ServerFailure
from milterguard.config.socket import SocketKind, SocketSpec
from milterguard.errors import CheckUnavailable

T = TypeVar("T")

_PROTOCOL_LIMIT = 8192
"""Octets of spamd's status line and headers."""
_FULL_QUEUE_SECONDS = 0.01


class _Bounded(ConnectionManager):
    """One request on one connection that is always given back, and an answer of limited size."""

    answer_limit: int

    async def request(self, data: bytes) -> bytes:
        reader, writer = await self._connected()
        try:
            writer.write(data)
            if writer.can_write_eof():
                writer.write_eof()
            await writer.drain()
            return await _answer(reader, self.answer_limit)
        finally:
            # After the end of the answer there is nothing to say good-bye for; before it, no time.
            writer.transport.abort()

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            async with asyncio.timeout(self.timeout.connection):
                return await self.open()
        except TimeoutError as error:
            raise AIOSpamcConnectionFailed(f"no connection in {self.timeout.connection} s") from error


class _Tcp(_Bounded, TcpConnectionManager):
    pass


class _Unix(_Bounded, UnixConnectionManager):
    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        except OSError as error:
            raise AIOSpamcConnectionFailed(error.strerror) from error
        try:
            connection.setblocking(False)
            while not _is_connected(connection, self.path):  # noqa: ASYNC110  (there is no event to wait for)
                # asyncio takes a full queue for a connection that is being made (3.11 to 3.13).
                await asyncio.sleep(_FULL_QUEUE_SECONDS)
            return await asyncio.open_unix_connection(sock=connection)
        except OSError as error:
            connection.close()
            raise AIOSpamcConnectionFailed(error.strerror) from error
        except BaseException:
            connection.close()
            raise


def client(spec: SocketSpec, *, connect_seconds: float, answer_limit: int, tls: ssl.SSLContext | None = None) -> Client:
    """Return a client for that server; ``tls`` is for sockets of that kind."""
    timeout = Timeout(connection=connect_seconds)
    manager: _Unix | _Tcp
    if spec.kind is SocketKind.UNIX:
        manager = _Unix(Path(spec.path), timeout)
    else:
        manager = _Tcp(spec.host, spec.port, tls if spec.kind is SocketKind.TLS else None, timeout)
    manager.answer_limit = answer_limit
    return Client(manager)


class LoopThread:
    """The one thread that runs asyncio in this process, made when it is first needed: after the fork."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Run the coroutine there; cancelling the future cancels it. Raises ServerFailure."""
        try:
            loop = self._running_loop()
        except (OSError, RuntimeError) as error:
            work.close()
            raise ServerFailure(CheckUnavailable, f"no loop to ask it from: {error}", is_alive=True) from error
        return asyncio.run_coroutine_threadsafe(work, loop)

    def close(self) -> None:
        """Cancel what runs and end the thread. Idempotent."""
        with self._lock:
            if self._thread is None or self._loop is None or self._stop is None:
                return
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()
            self._thread = self._loop = self._stop = None

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                _see_room_for_a_loop()
                runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
                loop = runner.get_loop()  # here, where somebody hears of it when there is none to be had
                stop = asyncio.Event()
                thread = threading.Thread(target=_run, args=(runner, stop), name="spamd", daemon=True)
                try:
                    thread.start()
                except RuntimeError:
                    runner.close()
                    raise
                self._thread, self._loop, self._stop = thread, loop, stop
            return self._loop


def _see_room_for_a_loop() -> None:
    """Raise OSError when descriptors are short: asyncio (3.11 to 3.13) leaves half a loop behind then."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        socket.socket().close()


def _run(runner: asyncio.Runner, stop: asyncio.Event) -> None:
    with runner:
        runner.run(stop.wait())


def _is_connected(connection: socket.socket, path: Path) -> bool:
    try:
        connection.connect(str(path))
    except BlockingIOError:
        return False
    return True


async def _answer(reader: asyncio.StreamReader, limit: int) -> bytes:
    """Return everything up to the end; raises BadResponse for more than a spamd would say."""
    answer = bytearray()
    while octets := await reader.read(65536):
        answer += octets
        if len(answer) > limit:
            raise BadResponse("answer without end")
    if answer.find(b"\r\n\r\n", 0, _PROTOCOL_LIMIT) < 0 and len(answer) > _PROTOCOL_LIMIT:
        raise BadResponse("protocol headers without end")
    return bytes(answer)
