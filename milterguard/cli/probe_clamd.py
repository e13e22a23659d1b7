# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether each clamd is there, fresh, finds EICAR, and says so when it could not look inside.

A clamd that reaches a limit answers OK unless it is told otherwise: that would be taken for clean.

*Source:* clamd.conf(5): AlertExceedsMax, AlertEncrypted, StreamMaxLength.
"""

from datetime import UTC, datetime

from milterguard.checks import clamd
from milterguard.cli.probe import Row, Rows, State, eicar, encrypted_zip, nested_eicar
from milterguard.config.settings import Clamd
from milterguard.config.socket import SocketSpec
from milterguard.errors import CheckError

_TIMEOUT_SECONDS = 15.0
_OLD_DAYS = 7


def clamd_rows(settings: Clamd) -> Rows:
    """Yield what each configured clamd answers. Never raises."""
    if not settings.enabled:
        yield Row(
            "clamd", State.WARNING, "switched off: nothing is scanned for viruses", "set checks.clamd.enabled = true"
        )
        return
    for socket in settings.sockets:
        try:
            yield from _server_rows(
                f"clamd {socket}", SocketSpec.parse(socket), min(settings.timeout_seconds, _TIMEOUT_SECONDS)
            )
        except CheckError as error:
            yield Row(f"clamd {socket}", State.ERROR, error.detail, "is clamd running, and may we use its socket?")


def _server_rows(subject: str, spec: SocketSpec, timeout: float) -> Rows:
    clamd.ping(spec, timeout)
    version = clamd.version(spec, timeout)
    yield Row(subject, State.OK, version)
    yield _age_row(subject, version)
    yield _eicar_row(subject, spec, timeout)
    yield _nested_row(subject, spec, timeout)
    yield _encrypted_row(subject, spec, timeout)


def _age_row(subject: str, version: str) -> Row:
    age = clamd.signature_age(version, datetime.now(UTC))
    if age is None:
        return Row(f"{subject}: signatures", State.WARNING, "age unknown: clamd does not say", "is freshclam running?")
    state = State.OK if age.days <= _OLD_DAYS else State.WARNING
    advice = "" if state is State.OK else "is freshclam running?"
    return Row(f"{subject}: signatures", state, f"{max(0, age.days)} days old", advice)


def _eicar_row(subject: str, spec: SocketSpec, timeout: float) -> Row:
    reply = clamd.scan_octets(spec, eicar(), timeout)
    if reply.endswith(" FOUND"):
        return Row(f"{subject}: EICAR", State.OK, f"found: {reply}")
    return Row(f"{subject}: EICAR", State.ERROR, f"not found: {reply}", "this clamd has no signatures worth the name")


def _nested_row(subject: str, spec: SocketSpec, timeout: float) -> Row:
    reply = clamd.scan_octets(spec, nested_eicar(), timeout)
    note = "mail over StreamMaxLength becomes UNCHECKED: set it above the MTA's message_size_limit"
    if reply.endswith(" FOUND"):
        return Row(f"{subject}: limits", State.OK, f"told: {reply}; {note}")
    advice = "add to clamd.conf: AlertExceedsMax yes"
    return Row(
        f"{subject}: limits",
        State.WARNING,
        f"what clamd's limits keep it from scanning is called clean ({reply})",
        advice,
    )


def _encrypted_row(subject: str, spec: SocketSpec, timeout: float) -> Row:
    reply = clamd.scan_octets(spec, encrypted_zip(), timeout)
    if reply.endswith(" FOUND"):
        return Row(f"{subject}: encrypted", State.OK, f"told: {reply}")
    advice = "add to clamd.conf: AlertEncrypted yes"
    return Row(f"{subject}: encrypted", State.WARNING, f"encrypted archives are called clean ({reply})", advice)
