# SPDX-License-Identifier: GPL-3.0-or-later
"""One notation for every socket in the settings, read in one place so that all of them mean the same.

    inet:PORT@HOST     IPv4 address or host name
    inet6:PORT@HOST    IPv6 address or host name
    unix:/PATH         absolute path
    tls:PORT@HOST      a TCP connection that is encrypted from its first octet

*Source:* the notation of libmilter's ``smfi_setconn``; ``tls:`` is ours.

*Errors:* ``SocketSpec.parse`` raises ValueError whose text says what was expected.
"""

import ipaddress
import re
from dataclasses import dataclass
from enum import StrEnum

_NOTATION = "inet:PORT@HOST, inet6:PORT@HOST, unix:/PATH or tls:PORT@HOST"
_PORT = re.compile(r"[0-9]{1,5}\Z")
_HOST_NAME = re.compile(r"(?!-)(?:[A-Za-z0-9_-]{1,63}\.)*(?![0-9]+\.?\Z)[A-Za-z0-9_-]{1,63}\.?\Z")
"""The last label is not all digits: that would be a mistyped address (RFC 1123 section 2.1)."""
_POSTFIX_ORDER = re.compile(r"(?P<host>.+):(?P<port>[0-9]{1,5})\Z")
_LONGEST_PATH = 107
"""Octets in ``sun_path`` of Linux without its NUL (unix(7))."""


class SocketKind(StrEnum):
    INET = "inet"
    INET6 = "inet6"
    UNIX = "unix"
    TLS = "tls"


@dataclass(frozen=True, slots=True)
class SocketSpec:
    """Where something listens. Its text is the notation again, in one canonical form."""

    kind: SocketKind
    host: str = ""
    """Address without brackets, or host name; empty for unix."""
    port: int = 0
    """1 to 65535; 0 for unix."""
    path: str = ""
    """Absolute path for unix, else empty."""

    @classmethod
    def parse(cls, text: str) -> "SocketSpec":
        """Return the socket that ``text`` names; raises ValueError saying what was expected."""
        word, colon, rest = text.strip().partition(":")
        if not colon or word not in set(SocketKind):
            raise ValueError(_NOTATION)
        kind = SocketKind(word)
        if kind is SocketKind.UNIX:
            return cls(kind, path=_path(rest))
        port, at, host = rest.partition("@")
        if not at:
            raise ValueError(_without_at(kind, rest))
        return cls(kind, _host(kind, host), _port(port))

    def __str__(self) -> str:
        return f"unix:{self.path}" if self.kind is SocketKind.UNIX else f"{self.kind}:{self.port}@{self.host}"


def _path(text: str) -> str:
    if not text.startswith("/") or "\0" in text:
        raise ValueError("unix: with an absolute path")
    if len(text.encode("utf-8", "replace")) > _LONGEST_PATH:
        raise ValueError(f"unix: with a path of at most {_LONGEST_PATH} octets")
    return text


def _port(text: str) -> int:
    if not _PORT.match(text) or not 1 <= int(text) <= 65535:
        raise ValueError("a port from 1 to 65535 between : and @")
    return int(text)


def _host(kind: SocketKind, text: str) -> str:
    host = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    address = _address(host)
    if address is None:
        if not _HOST_NAME.match(host) or len(host) > 253:
            raise ValueError("an address or a host name behind @")
        return host
    if kind is SocketKind.INET and address.version == 6:
        raise ValueError("an IPv4 address or a host name behind inet:PORT@ (IPv6 is written inet6:PORT@HOST)")
    if kind is SocketKind.INET6 and address.version == 4:
        raise ValueError("an IPv6 address or a host name behind inet6:PORT@ (IPv4 is written inet:PORT@HOST)")
    return str(address)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _without_at(kind: SocketKind, rest: str) -> str:
    """Return what was expected instead of HOST:PORT, as Postfix writes it in main.cf."""
    turned = _POSTFIX_ORDER.match(rest)
    if turned is None:
        return f"{kind}:PORT@HOST"
    return f"{kind}:{turned['port']}@{turned['host']} (the port comes first here)"
