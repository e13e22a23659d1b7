# SPDX-License-Identifier: GPL-3.0-or-later
"""clamd: the virus scanner, given the message while it is still arriving.

The stream starts with the fields that our MTA is about to write: without them clamd does not
recognise many messages as mail and finds nothing in them (D4). Clean is the literal ``stream: OK``
after the whole message was given; everything else is a virus, UNCHECKED, or no answer at all.

clamd reads MIME in one way, and cannot open every archive. So it also gets, each on its own, the
decoded octets that it may not have seen in the message (D5, ``scan_parts``).

*Source:* clamd(8) INSTREAM; clamd.conf(5) StreamMaxLength, AlertExceedsMax, AlertEncrypted.

*Errors:* CheckUnavailable, CheckTimeout, CheckError as ``servers`` says; CheckError too when the
message's octets cannot be read or nobody waits for the answer any more.
"""

import re
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from milterguard.checks.base import Budget, Inside
from milterguard.checks.clamd_client import AnyClamd, Garbled, client
from milterguard.checks.servers import ServerFailure, Servers, Turn, too_slow
from milterguard.config.settings import Clamd, ScanParts
from milterguard.config.socket import SocketKind, SocketSpec
from milterguard.core.finding import Category, Finding
from milterguard.core.message import Message, blocks
from milterguard.core.text import printable
from milterguard.core.trace import relay_fields
from milterguard.errors import CheckError, CheckTimeout, CheckUnavailable, ContentError
from milterguard.unpack.opened import Leaf

NAME = "clamd"
Stream = Callable[[], Iterator[bytes]]
"""Gives the octets to scan, from the first, each time it is called."""

_BLOCK = 65536

_CLEAN = "stream: OK"
_OVER_STREAM_LIMIT = "INSTREAM size limit exceeded. ERROR"
_FOUND = re.compile(r"stream: (?P<name>[^ ].*) FOUND", re.DOTALL)
_ERROR = re.compile(r"(?:stream: |INSTREAM: )?[^ ].* ERROR", re.DOTALL)
_MINORS = (("Heuristics.Limits.", "over limits"), ("Heuristics.Encrypted.", "encrypted"))
"""What clamd calls found and only means that it could not look inside."""
_SIGNATURES = re.compile(r"ClamAV [^/]+/(?:[^/]*)/(?P<date>.+)\Z")


class ClamdCheck:
    """Asks the first clamd that is well. Shared by all messages of a worker."""

    name = NAME

    def __init__(self, settings: Clamd) -> None:
        """Raises ConfigError for sockets that clamd cannot have."""
        kinds = {SocketKind.UNIX, SocketKind.INET, SocketKind.INET6}
        self._settings = settings
        self._servers = Servers(NAME, settings.sockets, retry_seconds=settings.retry_seconds, kinds=kinds)

    def run(self, message: Message, budget: Budget, inside: Inside) -> tuple[Finding, ...]:
        """Return a finding about the whole message: CLEAN, VIRUS or UNCHECKED, then about parts. Raises CheckError."""
        prefix = relay_fields(message)
        whole = self._asked(partial(_whole, message, prefix, budget), budget)
        if whole.category is Category.VIRUS:
            return (whole,)
        opened = inside.opened(budget)
        found: dict[tuple[Category, str], Finding] = {(whole.category, whole.detail): whole}
        for leaf in opened.leaves:
            if self._is_wanted(leaf, whole):
                finding = self._asked(leaf.blocks, budget)
                if finding.category is not Category.CLEAN:
                    placed = replace(finding, part=opened.tree[leaf.index].placement)
                    found.setdefault((finding.category, finding.detail), placed)
                if finding.category is Category.VIRUS:
                    break
        return tuple(found.values())

    def close(self) -> None:
        """Nothing is kept between messages."""

    def _asked(self, stream: Stream, budget: Budget) -> Finding:
        began = time.monotonic()

        def ask(turn: Turn) -> Finding:
            category, minor, detail = _Scan(self._settings, stream, budget, turn=turn).run()
            seconds = time.monotonic() - began
            return Finding(NAME, category, minor=minor, detail=detail, server=turn.name, seconds=seconds)

        return self._servers.ask(ask, budget)

    def _is_wanted(self, leaf: Leaf, whole: Finding) -> bool:
        """Whether a part is scanned on its own; all are, when clamd gave up somewhere in the message."""
        which = self._settings.scan_parts
        is_given_up = whole.category is Category.UNCHECKED
        is_asked_for = which is ScanParts.ALWAYS or (which is ScanParts.ATTACHMENTS and leaf.is_attachment)
        return leaf.is_suspect or is_given_up or is_asked_for


def _whole(message: Message, prefix: bytes, budget: Budget) -> Iterator[bytes]:
    return blocks(message, prefix, deadline=budget.deadline, stop=lambda: budget.is_cancelled)


class _Scan:
    """One stream given to one clamd."""

    def __init__(self, settings: Clamd, stream: Stream, budget: Budget, *, turn: Turn) -> None:
        self._settings = settings
        self._stream = stream
        self._budget = budget
        self._turn = turn

    def run(self) -> tuple[Category, str, str]:
        """Return category, minor and detail. Raises CheckError and ServerFailure."""
        self._stop_if_cancelled()
        connect_seconds = max(0.001, self._turn.patience(self._budget, self._settings.connect_seconds))
        with client(self._turn.spec, connect_seconds) as clamd:
            self._budget.on_cancel(clamd.interrupt)
            try:
                clamd.connect()
            except OSError as error:
                raise ServerFailure(CheckUnavailable, f"no connection: {_reason(error)}") from error
            is_complete = self._give(clamd)
            return _judged(self._reply(clamd), is_complete=is_complete)

    def _give(self, clamd: AnyClamd) -> bool:
        """Stream the octets; False when clamd hung up or answered before it had everything."""
        clamd.begin()
        with closing(self._octets()) as stream:
            while block := self._next(stream):
                if not self._sent(partial(clamd.give, block)):
                    return False
        # A stream that was stopped is not the message: it must not be ended, lest it be judged.
        self._stop_if_cancelled()
        return self._sent(clamd.finish)

    def _octets(self) -> Generator[bytes, None, None]:
        """Give the stream as a generator: closing it closes what it reads from."""
        yield from self._stream()

    def _next(self, stream: Iterator[bytes]) -> bytes:
        """Return the next block, empty at the end; what fails here is ours, not the server's."""
        try:
            return next(stream, b"")
        except ContentError as error:
            self._stop_if_cancelled()
            if not self._budget.remaining():
                raise CheckTimeout(NAME, "the message had not arrived in time") from error
            raise CheckError(NAME, f"content: {error}") from error

    def _sent(self, send: Callable[[float], None]) -> bool:
        patience = self._patience()
        try:
            send(patience)
        except TimeoutError as error:
            raise too_slow("took no more content", patience, of=self._settings.timeout_seconds) from error
        except (OSError, Garbled):
            return False  # what clamd said before it hung up can still be read
        return True

    def _reply(self, clamd: AnyClamd) -> str:
        patience = self._patience()
        try:
            return clamd.reply(patience)
        except TimeoutError as error:
            raise too_slow("no answer", patience, of=self._settings.timeout_seconds) from error
        except OSError as error:
            raise ServerFailure(CheckError, f"connection lost: {_reason(error)}") from error
        except Garbled as error:
            raise ServerFailure(CheckError, str(error)) from error

    def _patience(self) -> float:
        return self._turn.patience(self._budget, self._settings.timeout_seconds)

    def _stop_if_cancelled(self) -> None:
        if self._budget.is_cancelled:
            raise CheckError(NAME, "cancelled")


def _judged(reply: str, *, is_complete: bool) -> tuple[Category, str, str]:
    """Return what a reply means; raises ServerFailure when it says nothing about the message."""
    if reply == _OVER_STREAM_LIMIT:
        return Category.UNCHECKED, "over limits", "StreamMaxLength"
    if is_complete and reply == _CLEAN:
        return Category.CLEAN, "", ""
    if is_complete and (found := _FOUND.fullmatch(reply)):
        name = printable(found["name"])
        for prefix, minor in _MINORS:
            if name.startswith(prefix):
                return Category.UNCHECKED, minor, name
        return Category.VIRUS, "", name
    when = "" if is_complete else " before the end of the message"
    # An error in clamd's own words is about this message: it must not put the server to rest.
    raise ServerFailure(CheckError, f"answered{when}: {printable(reply, 100)}", is_alive=bool(_ERROR.fullmatch(reply)))


def ping(spec: SocketSpec, timeout: float) -> None:
    """See whether a clamd answers there; ``timeout`` in seconds. Raises CheckError."""
    with _asked(spec, timeout) as clamd:
        clamd.ping()


def version(spec: SocketSpec, timeout: float) -> str:
    """Return clamd's version with number and date of its signatures. Raises CheckError."""
    with _asked(spec, timeout) as clamd:
        return printable(clamd.version())


def scan_octets(spec: SocketSpec, octets: bytes, timeout: float) -> str:
    """Return the raw reply about these octets, nothing put in front. Raises CheckError."""
    with _asked(spec, timeout) as clamd:
        clamd.connect()
        clamd.begin()
        for start in range(0, len(octets), _BLOCK):
            clamd.give(octets[start : start + _BLOCK], timeout)
        clamd.finish(timeout)
        return clamd.reply(timeout)


def signature_age(version_text: str, now: datetime) -> timedelta | None:
    """Return how old the signatures of a ``version`` are; None when it does not say.

    ``now`` is aware. clamd writes the date in its local time zone, which is taken to be ours.
    """
    match = _SIGNATURES.match(version_text)
    try:
        # clamd prints ctime(3), which is English whatever the locale.
        return now - datetime.strptime(match["date"].strip(), "%a %b %d %H:%M:%S %Y").astimezone() if match else None
    except (ValueError, OverflowError):
        return None


@contextmanager
def _asked(spec: SocketSpec, timeout: float) -> Iterator[AnyClamd]:
    """Give a client to ask one thing, and turn its errors into CheckErrors."""
    with client(spec, timeout, reply_seconds=timeout) as clamd:
        try:
            yield clamd
        except OSError as error:
            cause = error.__context__ if isinstance(error.__context__, OSError) else error
            kind = CheckTimeout if isinstance(cause, TimeoutError) else CheckUnavailable
            raise kind(NAME, f"{spec}: {_reason(cause)}") from error
        except Garbled as error:
            raise CheckError(NAME, f"{spec}: {error}") from error


def _reason(error: OSError) -> str:
    return error.strerror or str(error) or type(error).__name__
