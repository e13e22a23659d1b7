# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether each spamd is there, finds GTUBE, and tells the points of each test."""

import io
import time
from dataclasses import replace

from milterguard.checks.base import Budget, NothingInside
from milterguard.checks.spamd import SpamdCheck, ping
from milterguard.cli.probe import Row, Rows, State, gtube
from milterguard.config.settings import Spamd
from milterguard.config.socket import SocketSpec
from milterguard.core.envelope import Client, Envelope, Recipient
from milterguard.core.finding import Finding
from milterguard.core.message import Field, Message
from milterguard.core.score import score_text
from milterguard.errors import CheckError

_TIMEOUT_SECONDS = 20.0
_SCORES_LINE = "add_header all Tests-Scores _TESTSSCORES(,)_"


def spamd_rows(settings: Spamd) -> Rows:
    """Yield what each configured spamd answers. Never raises."""
    if not settings.enabled:
        yield Row(
            "spamd", State.WARNING, "switched off: nothing is scanned for spam", "set checks.spamd.enabled = true"
        )
        return
    for socket in settings.sockets:
        timeout = min(settings.timeout_seconds, _TIMEOUT_SECONDS)
        try:
            ping(SocketSpec.parse(socket), timeout, ca_file=settings.tls_ca_file)
            yield Row(f"spamd {socket}", State.OK, "answers PING")
            yield from _finding_rows(f"spamd {socket}", _asked(replace(settings, sockets=(socket,)), timeout))
        except CheckError as error:
            yield Row(f"spamd {socket}", State.ERROR, error.detail, "is spamd running, and does it let us in (-A)?")


def _finding_rows(subject: str, finding: Finding) -> Rows:
    hit = any(name == "GTUBE" for name, _ in finding.tests) or (finding.score or 0) >= 900
    points = "no points" if finding.score is None else f"{score_text(finding.score)} points"
    if hit:
        yield Row(f"{subject}: GTUBE", State.OK, f"found: {points}")
    else:
        yield Row(
            f"{subject}: GTUBE", State.ERROR, f"not found: {points}", "are SpamAssassin's rules installed (sa-update)?"
        )
    if any(known is not None for _, known in finding.tests):
        yield Row(f"{subject}: points of tests", State.OK, "told")
    else:
        text = "the names of tests come without points"
        yield Row(f"{subject}: points of tests", State.WARNING, text, f"add to SpamAssassin's local.cf: {_SCORES_LINE}")


def _asked(settings: Spamd, timeout: float) -> Finding:
    check = SpamdCheck(settings)
    try:
        return check.run(_message(), Budget(time.monotonic() + timeout), NothingInside())[0]
    finally:
        check.close()


def _message() -> Message:
    sender = "probe@example.invalid"
    return Message(
        mail_id="probe0000000",
        log_id="check",
        received_at=time.time(),
        envelope=Envelope(sender, (Recipient("postmaster"),), Client("127.0.0.1", 25, "localhost", "localhost")),
        fields=(Field(b"From", b" " + sender.encode()), Field(b"To", b" postmaster"), Field(b"Subject", b" probe")),
        content=_Octets(gtube() + b"\r\n"),
    )


class _Octets:
    """A body in memory."""

    def __init__(self, octets: bytes) -> None:
        self._octets, self.size = octets, len(octets)

    def open(self, *, deadline: float | None = None) -> io.BytesIO:
        del deadline
        return io.BytesIO(self._octets)

    def whole(self, *, deadline: float | None = None) -> bytes:
        del deadline
        return self._octets
