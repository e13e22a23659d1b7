# SPDX-License-Identifier: GPL-3.0-or-later
"""One SMTP transaction with our own MTA, in two steps: first the envelope, then the message.

Between the two the caller knows which recipients the MTA takes, and can bind a token to them. A
message of any size is sent block by block.

*Source:* RFC 5321, RFC 6152 (8BITMIME), RFC 6531 (SMTPUTF8).

*Errors:* NotTaken when the MTA plainly did not take the message, now or for good; AnswerLost when
everything was sent and nobody knows what became of it.
"""

import re
import smtplib
import socket
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from milterguard.config.socket import SocketKind, SocketSpec
from milterguard.core.mailbox import is_mailbox
from milterguard.core.text import decoded, printable
from milterguard.effects.wire import dots_doubled
from milterguard.errors import MilterguardError

_FORBIDDEN = re.compile("[\x00-\x20\x7f<>\ud800-\udfff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_ADDRESS_LIMIT = 1000


class NotTaken(MilterguardError):  # noqa: N818
    """The MTA did not take the message: it said so, or could not be reached."""

    def __init__(self, text: str, *, is_temporary: bool) -> None:
        super().__init__(text)
        self.is_temporary = is_temporary


class AnswerLost(MilterguardError):  # noqa: N818
    """The message was on its way when the connection broke; it may have been taken."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the MTA said to one command."""

    code: int
    text: str
    """Printable, on one line, with the code."""

    @property
    def is_good(self) -> bool:
        return 200 <= self.code <= 299

    @property
    def is_temporary(self) -> bool:
        return not 500 <= self.code <= 599


class Submission:
    """A connection to the MTA. Use it in a with statement, for one transaction."""

    def __init__(self, spec: SocketSpec, *, hostname: str, timeout_seconds: float) -> None:
        self._dialogue = _Dialogue(spec, hostname, timeout_seconds)
        self._name = str(spec)

    def __enter__(self) -> Self:
        try:
            self._dialogue.begin()
        except (OSError, smtplib.SMTPException) as error:
            self._dialogue.close()
            raise NotTaken(f"{self._name}: {_words(error)}", is_temporary=True) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._dialogue.docmd("QUIT")
        except (OSError, smtplib.SMTPException):
            pass  # the transaction is over: how the MTA says good-bye changes nothing
        finally:
            self._dialogue.close()

    def envelope(self, sender: str, recipients: Sequence[str]) -> list[tuple[str, Answer]]:
        """Give sender and recipients; return the answer for each recipient. Raises NotTaken."""
        needs_utf8 = not all(address.isascii() for address in (sender, *recipients))
        if needs_utf8 and not self._dialogue.has_extn("smtputf8"):
            raise NotTaken("the MTA offers no SMTPUTF8, and an address needs it", is_temporary=False)
        if needs_utf8:
            self._dialogue.command_encoding = "utf-8"
        eightbit = " BODY=8BITMIME" if self._dialogue.has_extn("8bitmime") else ""
        mail = self._ask(f"MAIL FROM:<{sender}>{eightbit}{' SMTPUTF8' if needs_utf8 else ''}")
        if not mail.is_good:
            raise NotTaken(f"the MTA refused the sender: {mail.text}", is_temporary=mail.is_temporary)
        return [(recipient, self._ask(f"RCPT TO:<{recipient}>")) for recipient in recipients]

    def message(self, blocks: Iterable[bytes]) -> Answer:
        """Send the message (with CRLF line ends) and return the good answer. Raises NotTaken, AnswerLost."""
        go_ahead = self._ask("DATA")
        if go_ahead.code != 354:
            raise NotTaken(f"the MTA refused the message: {go_ahead.text}", is_temporary=go_ahead.is_temporary)
        try:
            for block in dots_doubled(blocks):
                self._dialogue.send(block)
            self._dialogue.send(b".\r\n")
            answer = _answer(self._dialogue.getreply())
        except (OSError, smtplib.SMTPException) as error:
            raise AnswerLost(_words(error)) from error
        if not answer.is_good:
            raise NotTaken(f"the MTA refused the message: {answer.text}", is_temporary=answer.is_temporary)
        return answer

    def _ask(self, command: str) -> Answer:
        try:
            return _answer(self._dialogue.docmd(command))
        except (OSError, smtplib.SMTPException) as error:
            raise NotTaken(f"{self._name}: {_words(error)}", is_temporary=True) from error


class _Dialogue(smtplib.SMTP):
    """smtplib's client with unix sockets, and one deadline for everything."""

    def __init__(self, spec: SocketSpec, hostname: str, timeout_seconds: float) -> None:
        super().__init__(local_hostname=hostname, timeout=timeout_seconds)
        self._spec = spec
        self._ends_at = time.monotonic() + timeout_seconds

    def begin(self) -> None:
        """Connect and greet. Raises OSError, SMTPException."""
        code, text = self.connect(self._spec.host or "localhost", self._spec.port or 25)
        if code != 220:
            raise smtplib.SMTPConnectError(code, text)
        self.ehlo_or_helo_if_needed()

    def getreply(self) -> tuple[int, bytes]:
        self._limit()
        return super().getreply()

    def send(self, s: Any) -> None:
        self._limit()
        super().send(s)

    def _limit(self) -> None:
        """Give the next operation what is left of the time."""
        if self.sock is None:
            raise smtplib.SMTPServerDisconnected("connection is closed")
        left = self._ends_at - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self.sock.settimeout(left)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        """Called by smtplib's ``connect``."""
        if self._spec.kind is not SocketKind.UNIX:
            return socket.create_connection((host, port), timeout)
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(timeout)
            connection.connect(self._spec.path)
        except BaseException:
            connection.close()
            raise
        return connection


def is_address(text: str) -> bool:
    """Whether text can stand between the angle brackets of RCPT without becoming another command."""
    is_safe = not _FORBIDDEN.search(text) or (is_mailbox(text) and not _SURROGATE.search(text))
    return 0 < len(text) <= _ADDRESS_LIMIT and is_safe


def _answer(reply: tuple[int, bytes]) -> Answer:
    code, octets = reply
    return Answer(code, printable(f"{code} {' '.join(decoded(octets).split())}", 500))


def _words(error: Exception) -> str:
    """Return what went wrong, without Python's own words where the MTA has some."""
    if isinstance(error, smtplib.SMTPResponseException):
        octets = error.smtp_error
        text = octets if isinstance(octets, str) else decoded(octets)
        return printable(f"{error.smtp_code} {' '.join(text.split())}", 500)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return printable(str(error) or type(error).__name__, 500)
