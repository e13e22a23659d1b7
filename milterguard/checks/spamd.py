# SPDX-License-Identifier: GPL-3.0-or-later
"""spamd: SpamAssassin's points for a message, or for the first part of a large one.

The message is preceded by the fields a relay would have written, so that the rules about paths and
envelopes work. Points come from spamd's protocol, never from the header section it gives back;
levels and destinies are the policy's, so every answer is a CLEAN finding with a score.

*Source:* amavis ``$sa_mail_body_size_limit`` and its synthetic fields; spamd(8p), HEADERS.

*Errors:* CheckUnavailable, CheckTimeout, CheckError as ``servers`` says; CheckError too when the
message's octets cannot be read or nobody waits for the answer any more; ConfigError for settings.
"""

import asyncio
import re
import ssl
import time
from concurrent.futures import CancelledError
from dataclasses import dataclass, replace

from aiospamc.client import Client
from aiospamc.exceptions import AIOSpamcConnectionFailed, ClientException, TimeoutException
from aiospamc.requests import Request
from aiospamc.responses import Response, ResponseException

from milterguard.checks.base import Budget, Inside
from milterguard.checks.servers import ServerFailure, Servers, Turn, too_slow
from milterguard.checks.spamd_client import LoopThread, client
from milterguard.checks.spamd_report import is_points, parse_report
from milterguard.config.settings import Spamd
from milterguard.config.socket import SocketKind, SocketSpec
from milterguard.core.authres import NAME as AUTHRES
from milterguard.core.authres import claims, field_value
from milterguard.core.finding import Category, Finding
from milterguard.core.message import Message, blocks
from milterguard.core.text import ascii_printable, printable
from milterguard.core.trace import relay_fields
from milterguard.errors import CheckError, CheckTimeout, CheckUnavailable, ConfigError, ContentError

NAME = "spamd"

_USER = re.compile(r"[!-~]{1,255}")
_ANSWER_SLACK = 262144
"""Octets an answer may be longer than what was sent: SpamAssassin's own fields."""
_LINE = 1000
"""A cut is moved back to the last line end within that many octets."""


@dataclass(frozen=True, slots=True)
class _Sample:
    """What spamd gets to see."""

    octets: bytes
    is_truncated: bool


class SpamdCheck:
    """Asks the first spamd that is well. Shared by all messages of a worker."""

    name = NAME

    def __init__(self, settings: Spamd, *, authserv_id: str = "", is_proving: bool = True) -> None:
        """``authserv_id`` empty: the MTA's name; ``is_proving``: whether we find out who sent a message.

        Raises ConfigError for sockets, a user or certificates.
        """
        self._authserv_id = authserv_id
        self._is_proving = is_proving
        if settings.user and not _USER.fullmatch(settings.user):
            raise ConfigError(
                "settings", "checks.spamd.user", expected="printable ASCII without blanks", got=repr(settings.user)
            )
        self._settings = settings
        self._servers = Servers(NAME, settings.sockets, retry_seconds=settings.retry_seconds)
        self._clients = _clients(self._servers.specs, settings)
        self._loop = LoopThread()

    def run(self, message: Message, budget: Budget, inside: Inside) -> tuple[Finding, ...]:
        """Return one CLEAN finding with score and tests. Raises CheckError."""
        began = time.monotonic()
        proofs = _proofs_field(self._id(message), inside.proofs(budget))
        sample = _sampled(self._as_delivered(message), budget, self._settings.max_scan_bytes, proofs)

        def ask(turn: Turn) -> Finding:
            response = self._response(sample, turn, budget)
            return _finding(response, sample=sample, server=turn.name, seconds=time.monotonic() - began)

        return (self._servers.ask(ask, budget),)

    def close(self) -> None:
        self._loop.close()

    def _id(self, message: Message) -> str:
        return self._authserv_id or message.envelope.mta or "localhost"

    def _as_delivered(self, message: Message) -> Message:
        """Return the message without what claims to be our word about who sent it."""
        if not self._is_proving:
            return message
        name = self._id(message)
        fields = (f for f in message.fields if not claims(f, name) and not f.is_named(b"Received-SPF"))
        return replace(message, fields=tuple(fields))

    def _response(self, sample: _Sample, turn: Turn, budget: Budget) -> Response:
        patience = turn.patience(budget, self._settings.timeout_seconds)
        request = Request("HEADERS", body=sample.octets)
        if self._settings.user:
            request.headers.user = self._settings.user
        future = self._loop.submit(_answered(self._clients[turn.spec], request, patience))

        def cancel() -> None:
            future.cancel()

        budget.on_cancel(cancel)
        try:
            return future.result()
        except CancelledError as error:
            raise ServerFailure(CheckError, "cancelled") from error
        except TimeoutError as error:
            raise too_slow("no answer", patience, of=self._settings.timeout_seconds) from error


async def _answered(spamd: Client, request: Request, patience: float) -> Response:
    """Return spamd's answer; raises TimeoutError after ``patience`` seconds, else ServerFailure."""
    try:
        async with asyncio.timeout(patience):
            return await spamd.request(request)
    except AIOSpamcConnectionFailed as error:
        raise ServerFailure(CheckUnavailable, f"no connection: {_reason(error)}") from error
    except ResponseException as error:
        # spamd is well and says so in its own words: EX_TEMPFAIL, EX_TIMEOUT …
        detail = f"status {error.code} {printable(str(error), 100)}"
        kind = CheckTimeout if isinstance(error, TimeoutException) else CheckError
        raise ServerFailure(kind, detail, is_alive=True) from error
    except TimeoutError:
        raise
    except (ClientException, OSError, ValueError, LookupError, AttributeError) as error:
        # What its parser does not expect comes out of aiospamc as whatever Python raised.
        raise ServerFailure(CheckError, f"bad answer: {printable(_reason(error), 100)}") from error


def _sampled(message: Message, budget: Budget, limit: int, proofs: bytes) -> _Sample:
    """Wait for the message, or its first ``limit`` octets, and put the fields of a relay above them."""
    octets = bytearray()
    try:
        for block in blocks(message, deadline=budget.deadline, stop=lambda: budget.is_cancelled):
            octets += block
            if len(octets) > limit:
                break
    except ContentError as error:
        if not budget.is_cancelled and not budget.remaining():
            raise CheckTimeout(NAME, "the message had not arrived in time") from error
        raise CheckError(NAME, "cancelled" if budget.is_cancelled else f"content: {error}") from error
    if budget.is_cancelled:
        raise CheckError(NAME, "cancelled")
    fields = proofs + relay_fields(message) + _envelope_to(message)
    if len(octets) <= limit:
        return _Sample(fields + octets, is_truncated=False)
    line_end = octets.rfind(b"\n", limit - _LINE, limit)
    del octets[limit if line_end < 0 else line_end + 1 :]
    # More may still arrive: nobody knows the whole size yet.
    note = f"X-Milterguard-Truncated: {len(octets)} of at least {message.size()} octets\r\n"
    return _Sample(note.encode("ascii") + fields + octets, is_truncated=True)


def _proofs_field(authserv_id: str, findings: tuple[Finding, ...]) -> bytes:
    """Return our Authentication-Results, which the delivered message will have; nothing where there are no results."""
    value = field_value(authserv_id, findings)
    return f"{AUTHRES}: {value}\n".replace("\n", "\r\n").encode("ascii") if value else b""


def _envelope_to(message: Message) -> bytes:
    """Return the field by which SpamAssassin's welcomelist_to knows the recipients."""
    addresses = (recipient.address for recipient in message.envelope.recipients)
    mailboxes = (f"<{ascii_printable(address, 320).translate(_BRACKETS)}>" for address in addresses)
    return ("X-Envelope-To: " + ",\r\n\t".join(mailboxes) + "\r\n").encode("ascii")


_BRACKETS = dict.fromkeys(map(ord, "<>"))


def _finding(response: Response, *, sample: _Sample, server: str, seconds: float) -> Finding:
    """Return what the answer says; raises ServerFailure when it has no usable score."""
    spam = response.headers.get("Spam")
    if "Content-length" not in response.headers:
        raise ServerFailure(CheckError, "bad answer: no length")  # may have been cut anywhere
    if spam is None or not (is_points(spam.score) and is_points(spam.threshold)):
        raise ServerFailure(CheckError, "bad answer: no score")
    report = parse_report(response.body)
    return Finding(
        NAME,
        Category.CLEAN,
        minor="truncated" if sample.is_truncated else "",
        detail=f"{spam.score:g}/{spam.threshold:g}",
        score=spam.score,
        tests=report.tests,
        autolearn=report.autolearn,
        server=server,
        seconds=seconds,
    )


def ping(spec: SocketSpec, timeout: float, *, ca_file: str = "") -> None:
    """See whether a spamd answers there; ``timeout`` in seconds. Raises CheckError, ConfigError."""
    tls = _tls(ca_file) if spec.kind is SocketKind.TLS else None
    spamd = client(spec, connect_seconds=timeout, answer_limit=_ANSWER_SLACK, tls=tls)
    try:
        response = asyncio.run(_answered(spamd, Request("PING"), timeout))
    except ServerFailure as failure:
        raise failure.kind(NAME, f"{spec}: {failure.detail}") from failure
    except TimeoutError as error:
        raise CheckTimeout(NAME, f"{spec}: no answer in {timeout:.1f} s") from error
    if response.message != "PONG":
        raise CheckError(NAME, f"{spec}: answered {printable(response.message, 100)}")


def _clients(specs: tuple[SocketSpec, ...], settings: Spamd) -> dict[SocketSpec, Client]:
    is_tls = any(spec.kind is SocketKind.TLS for spec in specs)
    # Making a context takes tens of milliseconds: once, and only if there is use for it.
    tls = _tls(settings.tls_ca_file) if is_tls else None
    limit = settings.max_scan_bytes + _ANSWER_SLACK
    return {spec: client(spec, connect_seconds=settings.connect_seconds, answer_limit=limit, tls=tls) for spec in specs}


def _tls(ca_file: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except OSError as error:
        raise ConfigError(
            "settings", "checks.spamd.tls_ca_file", expected="a file of certificates", got=f"{ca_file}: {error}"
        ) from error


def _reason(error: Exception) -> str:
    """Return the words of an error, or of what caused it."""
    cause = error.__cause__ or error
    return getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
