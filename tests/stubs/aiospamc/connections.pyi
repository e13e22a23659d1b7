# SPDX-License-Identifier: GPL-3.0-or-later
import asyncio
import ssl
from pathlib import Path

class Timeout:
    total: float
    connection: float | None
    response: float | None
    def __init__(self, total: float = ..., connection: float | None = ..., response: float | None = ...) -> None: ...

class ConnectionManager:
    timeout: Timeout
    def __init__(self, connection_string: str, timeout: Timeout | None = ...) -> None: ...
    async def request(self, data: bytes) -> bytes: ...
    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]: ...

class TcpConnectionManager(ConnectionManager):
    host: str
    port: int
    ssl_context: ssl.SSLContext | None
    def __init__(
        self, host: str, port: int, ssl_context: ssl.SSLContext | None = ..., timeout: Timeout | None = ...
    ) -> None: ...

class UnixConnectionManager(ConnectionManager):
    path: Path
    def __init__(self, path: Path, timeout: Timeout | None = ...) -> None: ...
