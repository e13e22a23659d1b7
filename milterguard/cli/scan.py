# SPDX-License-Identifier: GPL-3.0-or-later
"""``milterguard scan``: the same guard as in ``serve``, about a file and without an MTA."""

import socket
from dataclasses import replace
from email.utils import getaddresses, parseaddr
from typing import TYPE_CHECKING, Any

import click

from milterguard.cli import show
from milterguard.cli.options import common_options, json_option, loaded
from milterguard.cli.status import CommandError, Status
from milterguard.cli.who import DEFAULT_CLIENT, checked_recipient, client_address
from milterguard.core.text import decoded, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from milterguard.config.settings import Settings
    from milterguard.core.envelope import Client
    from milterguard.core.message import Field
    from milterguard.core.report import Record
    from milterguard.guard import Guard

_ADDRESS_FIELD_LIMIT = 4000
_ERROR_LIMIT = 1000


@click.command("scan")
@common_options
@json_option
@click.option("--from", "sender", metavar="ADDR", help="Envelope sender.  [default: Return-Path, else From]")
@click.option("--to", "recipients", metavar="ADDR", multiple=True, help="Recipient; repeatable.  [default: To and Cc]")
@click.option("--client", default=DEFAULT_CLIENT, show_default=True, metavar="IP", help="Address of the SMTP client.")
@click.option("--helo", default="client.invalid", show_default=True, metavar="NAME", help="What the client said.")
@click.option("--login", default="", metavar="NAME", help="SASL login name: the client is authenticated.")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(allow_dash=True, readable=False))
def scan_command(
    files: tuple[str, ...],
    *,
    sender: str | None,
    recipients: tuple[str, ...],
    client: str,
    helo: str,
    login: str,
    as_json: bool,
) -> int:
    """Show what would become of a message in a file: parts, findings, rules, verdict, reply, edits.

    The tree of parts has everything that is in the message: types, names, sizes, digests, flags. Below a
    part stands what was found about it (!), which rule let it through (+), and what else there is to know.

    The scanners and settings are those of the filter; nothing is kept, written down or delivered. FILE
    is one message with LF or CRLF line ends, or - for standard input.

    \b
    Exit status: 0 everything would pass, 1 something would be blocked, 75 a scanner could not answer;
    65, 66 or 74 when a file could not be read, after the others were scanned.

    Without --client nobody knows where a message comes from, so SPF and DMARC are not asked.

    \b
    Examples:
      milterguard scan message.eml
      milterguard scan --from a@example.org --to user@example.com --client 198.51.100.7 *.eml
      milterguard quarantine show VkX0aB3dE5fG --raw | milterguard scan --json -
    """
    settings = loaded().settings
    if client == DEFAULT_CLIENT:
        settings = _without_client(settings)

    from milterguard.build import build_trial_guard
    from milterguard.cli.ruling import rulings
    from milterguard.core.envelope import Client
    from milterguard.core.evidence import evidence

    for recipient in recipients:
        checked_recipient(recipient, hint="--to")
    who = Client(
        client_address(client), port=25, name="unknown", helo=helo, login=login, mechanism="PLAIN" if login else ""
    )
    collector = _Collector()
    guard = build_trial_guard(settings, collector)
    scanned: list[str] = []
    failed: list[Status] = []
    try:
        for name in files:
            try:
                _scan_file(guard, name, settings=settings, client=who, sender=sender, recipients=recipients)
                scanned.append(name)
            except CommandError as error:
                if len(files) == 1:
                    raise
                failed.append(error.status)
                click.echo(f"milterguard: {printable(str(error), _ERROR_LIMIT)}", err=True)
    finally:
        guard.close()
    documents = [
        {"file": name, **evidence(record), "rulings": rulings(record, settings)}
        for name, record in zip(scanned, collector.records, strict=True)
    ]
    _print(documents, as_json=as_json)
    if client == DEFAULT_CLIENT and loaded().settings.checks.authentication.spf and not as_json:
        show.say()
        show.say("Not asked: SPF and DMARC, for nobody knows who sent it; --client IP, --helo and --from tell.")
    return failed[0] if failed else _status(documents)


class _Collector:
    """Takes the records instead of journal and log."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def submit(self, record: "Record") -> None:
        self.records.append(record)


def _without_client(settings: "Settings") -> "Settings":
    """Return settings that ask nothing about a client whom nobody has named: no SPF, and so no DMARC."""
    proving = replace(settings.checks.authentication, iprev=False, spf=False, dmarc=False)
    return replace(settings, checks=replace(settings.checks, authentication=proving))


def _scan_file(
    guard: "Guard",
    name: str,
    *,
    settings: "Settings",
    client: "Client",
    sender: str | None,
    recipients: "Sequence[str]",
) -> None:
    from milterguard.cli.mailfile import opened_mail
    from milterguard.core.envelope import Envelope

    server = settings.server
    with opened_mail(name, max_header_bytes=server.max_header_bytes) as (fields, content):
        if content.size > server.max_body_bytes:
            text = f"{name}: body over server.max_body_bytes; the client would be told: 552 5.3.4 Message too big"
            raise CommandError(text, Status.FOUND)
        addresses = recipients or _addressees(fields)
        author = sender if sender is not None else _author(fields)
        traffic = guard.traffic(client, author)
        banks = guard.banks(client, author, traffic)
        judged = [
            guard.judged(address, parameters=(), traffic=traffic, banks=banks, sender=author) for address in addresses
        ]
        envelope = Envelope(
            banks=banks,
            sender=author,
            recipients=tuple(each.recipient for each in judged),
            client=client,
            traffic=traffic,
            mta=settings.headers.hostname or socket.gethostname(),
        )
        job = guard.begin(guard.message(envelope, fields, content), judged)
        verdict = guard.finish(job)
        guard.record(job, verdict, answer=verdict.answer, reply_line=str(verdict.reply or ""))


def _author(fields: "Sequence[Field]") -> str:
    """Return the sender whom the file itself names; empty when it names none."""
    for name in (b"return-path", b"from"):
        for field in fields:
            if field.is_named(name):
                return parseaddr(_text(field))[1]
    return ""


def _addressees(fields: "Sequence[Field]") -> list[str]:
    """Return the addresses in To and Cc; the postmaster when there are none."""
    texts = [_text(field) for field in fields if field.is_named(b"to") or field.is_named(b"cc")][:10]
    addresses = [address for _, address in getaddresses(texts) if address]
    return list(dict.fromkeys(addresses)) or ["postmaster"]


def _text(field: "Field") -> str:
    return " ".join(decoded(field.value[:_ADDRESS_FIELD_LIMIT]).split())


def _print(documents: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        show.as_json(documents)
        return

    from milterguard.cli.story import tell

    for index, document in enumerate(documents):
        if index:
            show.say()
        show.say(f"== {document['file']} (on trial: nothing was kept or delivered)")
        tell(document)


def _status(documents: list[dict[str, Any]]) -> Status:
    """Return the one status for all files; a scanner that could not answer makes the rest worth little."""
    actions = {document["action"] for document in documents}
    if "tempfail" in actions:
        return Status.TEMPFAIL
    is_blocked = not actions <= {"pass"} or any(document["removed"] for document in documents)
    return Status.FOUND if is_blocked else Status.OK
