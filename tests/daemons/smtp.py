# SPDX-License-Identifier: GPL-3.0-or-later
"""A small SMTP client that sends what it is told, octet by octet, and keeps every reply line as it came.

*Source:* RFC 5321; XCLIENT as Postfix documents it (XCLIENT_README).
*Errors:* OSError when the connection fails; ConnectionResetError when the server closes it instead of answering.
"""

import re
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

_LEADING_DOT = re.compile(rb"^\.", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply of the server."""

    lines: tuple[str, ...]
    """Verbatim, without line ends; octets that are not UTF-8 as surrogates."""

    @property
    def code(self) -> int:
        return int(self.lines[-1][:3])

    @property
    def is_accepted(self) -> bool:
        return self.code < 400

    def __str__(self) -> str:
        return "\n".join(self.lines)


@dataclass(frozen=True, slots=True)
class Dialogue:
    """What one message was told, step by step."""

    mail: Reply
    recipients: dict[str, Reply] = field(default_factory=dict)
    data: Reply | None = None
    """To DATA itself; None when no recipient was taken."""
    end: Reply | None = None
    """To the dot; None when it did not come to that."""

    @property
    def last(self) -> Reply:
        """The reply that decided: to the dot, or to the step before it that ended the dialogue."""
        refused = [reply for reply in self.recipients.values() if not reply.is_accepted]
        return self.end or self.data or next(iter(refused), self.mail)


class Smtp:
    """One connection. ``with Smtp(port) as smtp: smtp.send(...)``."""

    def __init__(self, port: int, *, host: str = "127.0.0.1", timeout_seconds: float = 90.0) -> None:
        self._socket = socket.create_connection((host, port), timeout_seconds)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._replies = self._socket.makefile("rb")
        try:
            self.greeting = self.read()
        except BaseException:
            self.close()
            raise

    def read(self) -> Reply:
        """The next reply."""
        lines = []
        while True:
            line = self._replies.readline()
            if not line.endswith(b"\n"):
                raise ConnectionResetError("the server closed the connection")
            lines.append(line.rstrip(b"\r\n").decode(errors="surrogateescape"))
            if lines[-1][3:4] != "-":
                return Reply(tuple(lines))

    def write(self, octets: bytes) -> None:
        """Sends octets as they are."""
        self._socket.sendall(octets)

    def command(self, line: str | bytes) -> Reply:
        """One command line, without its end, and its reply."""
        octets = line.encode(errors="surrogateescape") if isinstance(line, str) else line
        self.write(octets + b"\r\n")
        return self.read()

    def ehlo(self, name: str = "client.example") -> Reply:
        return self.command(f"EHLO {name}")

    def xclient(self, attributes: Mapping[str, str]) -> Reply:
        """Plays another client, such as ``{"ADDR": "192.0.2.7", "NAME": "mx.example"}``; EHLO must follow."""
        return self.command("XCLIENT " + " ".join(f"{name}={value}" for name, value in attributes.items()))

    def content(self, octets: bytes) -> Reply:
        """A message's octets after DATA was answered 354: dots doubled, the end added, nothing else changed."""
        self.write(stuffed(octets))
        return self.read()

    def send(self, octets: bytes, *, sender: str, recipients: Iterable[str], options: str = "") -> Dialogue:
        """One whole message; the connection can take another afterwards.

        ``options`` are ESMTP parameters of MAIL, such as ``BODY=8BITMIME``.
        """
        mail = self.command(f"MAIL FROM:<{sender}> {options}".rstrip())
        if not mail.is_accepted:
            return Dialogue(mail)
        told = {recipient: self.command(f"RCPT TO:<{recipient}>") for recipient in recipients}
        if not any(reply.is_accepted for reply in told.values()):
            self.command("RSET")
            return Dialogue(mail, told)
        data = self.command("DATA")
        return Dialogue(mail, told, data, self.content(octets) if data.code == 354 else None)

    def quit(self) -> Reply:
        return self.command("QUIT")

    def close(self) -> None:
        """Drops the connection without a word."""
        self._replies.close()
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def send(
    port: int,
    octets: bytes,
    *,
    sender: str,
    recipients: Iterable[str],
    client: Mapping[str, str] | None = None,
    helo: str = "client.example",
) -> Dialogue:
    """One message over a connection of its own; ``client`` are attributes for XCLIENT."""
    with Smtp(port) as smtp:
        smtp.ehlo(helo)
        if client:
            smtp.xclient(client)
            smtp.ehlo(helo)
        dialogue = smtp.send(octets, sender=sender, recipients=recipients)
        if dialogue.last.code != 421:
            smtp.quit()
        return dialogue


def stuffed(octets: bytes) -> bytes:
    """Content as it goes over the wire: dots at line starts doubled, with a line end and the dot behind it.

    *Source:* RFC 5321 section 4.5.2.
    """
    end = b".\r\n" if octets.endswith(b"\r\n") or not octets else b"\r\n.\r\n"
    return _LEADING_DOT.sub(b"..", octets) + end
