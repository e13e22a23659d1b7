# SPDX-License-Identifier: GPL-3.0-or-later
"""Socket addresses as milterguard writes them: ``unix:/PATH`` and ``inet:PORT@HOST``."""

import socket


def inet(port: int) -> str:
    """Our word for a port of 127.0.0.1."""
    return f"inet:{port}@127.0.0.1"


def connect(address: str, *, timeout_seconds: float = 5.0) -> socket.socket:
    """A connected stream socket. Raises OSError."""
    kind, _, rest = address.partition(":")
    if kind == "inet":
        port, _, host = rest.partition("@")
        return socket.create_connection((host, int(port)), timeout_seconds)
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(timeout_seconds)
        connection.connect(rest)
    except BaseException:
        connection.close()
        raise
    return connection


def in_postfix_words(address: str) -> str:
    """The same address as Postfix writes a milter's: ``inet:HOST:PORT``, ``unix:/PATH``."""
    kind, _, rest = address.partition(":")
    if kind == "inet":
        port, _, host = rest.partition("@")
        return f"inet:{host}:{port}"
    return address
