# SPDX-License-Identifier: GPL-3.0-or-later
"""Wires settings to a guard: the only place that knows every check, store and effect by name.

A guard has threads, engines and sockets, so it is made after the fork, in each worker.

*Errors:* ConfigError for settings that can never work. A quarantine or database that is merely
broken at the moment is no error here: messages are answered with 451 or go without a record.
"""

import logging
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from sqlalchemy import make_url

from milterguard.checks.authentication import AuthenticationCheck
from milterguard.checks.bad_header import BadHeaderCheck
from milterguard.checks.banned import BannedCheck
from milterguard.checks.clamd import ClamdCheck
from milterguard.checks.parts import PartsCheck
from milterguard.checks.spamd import SpamdCheck
from milterguard.config.settings import Headers, Observe, ScanParts, Settings
from milterguard.config.socket import SocketSpec
from milterguard.core.finding import Finding
from milterguard.core.marks import Style
from milterguard.core.message import Message
from milterguard.core.verdict import Decision
from milterguard.dns import Resolver
from milterguard.doors import Gate, Recorder
from milterguard.doors import Keeper as AnyKeeper
from milterguard.effects.journal import JournalWriter
from milterguard.effects.keep import Keeper
from milterguard.effects.log import setup_log
from milterguard.effects.release import Releaser
from milterguard.effects.sign import Signer
from milterguard.errors import ConfigError, StoreError
from milterguard.guard import Guard
from milterguard.job import Rules
from milterguard.keys.ring import NoKeys
from milterguard.keys.source import check_keys, ring_of
from milterguard.look import CheckedParts, Look
from milterguard.lookup.layer import Source
from milterguard.lookup.ldap import ldap_source
from milterguard.lookup.policies import Policies
from milterguard.lookup.sql import SqlSource
from milterguard.scan import Checked, Scan
from milterguard.store.journal import Journal
from milterguard.store.quarantine import FileQuarantine
from milterguard.store.tokens import release_gate
from milterguard.unpack.box import Box, BoxError
from milterguard.unpack.opener import Opener, Unopened

log = logging.getLogger(__name__)

_MORE_THREADS = 8
"""Checks whose message has been given up still hold a thread for a moment."""

_JOURNAL_CLOSE_SECONDS = 5.0


def _clamd(settings: Settings) -> Checked | None:
    checks = settings.checks
    looks_inside = checks.parts.enabled or checks.banned.enabled
    clamd = checks.clamd
    return Checked(ClamdCheck(clamd), clamd.on_failure, looks_inside) if clamd.enabled else None


def _spamd(settings: Settings) -> Checked | None:
    spamd = settings.checks.spamd
    name = settings.headers.authserv_id or settings.headers.hostname
    is_proving = settings.checks.authentication.enabled
    check = SpamdCheck(spamd, authserv_id=name, is_proving=is_proving) if spamd.enabled else None
    return None if check is None else Checked(check, spamd.on_failure)


def _parts(settings: Settings) -> CheckedParts | None:
    parts = settings.checks.parts
    return CheckedParts(PartsCheck(), parts.on_failure) if parts.enabled else None


def _banned(settings: Settings) -> CheckedParts | None:
    banned = settings.checks.banned
    return CheckedParts(BannedCheck(settings), banned.on_failure) if banned.enabled else None


def _bad_header(settings: Settings) -> CheckedParts | None:
    bad_header = settings.checks.bad_header
    return CheckedParts(BadHeaderCheck(bad_header), bad_header.on_failure) if bad_header.enabled else None


def _authentication(settings: Settings) -> Checked | None:
    """Return the check of who sent a message; its name servers are asked by nobody else."""
    section = settings.checks.authentication
    if not section.enabled:
        return None
    check = AuthenticationCheck(section, Resolver(settings.dns))
    return Checked(check, section.on_failure, is_proving=True)


CHECKS: tuple[Callable[[Settings], Checked | None], ...] = (_authentication, _clamd, _spamd)
PART_CHECKS: tuple[Callable[[Settings], CheckedParts | None], ...] = (_parts, _banned, _bad_header)
"""Every check, in the order of their findings; those that look at parts come after the others."""


def build_guard(settings: Settings) -> Guard:
    """Return the guard of a worker, and begin its log. Call it after the fork. Raises ConfigError."""
    mail_log = setup_log(settings.log)
    recorders: list[Recorder] = [mail_log]
    closing: list[Callable[[], None]] = [mail_log.close]
    url = settings.store.url
    if url:
        journal = JournalWriter(lambda: _journal(url), queue_records=settings.store.queue_records)
        recorders.insert(0, journal)
        # Before the log, which has to tell what could not be written.
        closing.insert(0, lambda: journal.close(_JOURNAL_CLOSE_SECONDS))
    keeper = Keeper(open_quarantine(settings))
    return _wired(
        settings,
        keeper,
        recorders=recorders,
        gate=_gate(settings),
        signer=_signer(settings),
        closing=closing,
        is_warm=True,
    )


def build_trial_guard(settings: Settings, recorder: Recorder) -> Guard:
    """Return a guard that judges as a worker's would, but keeps, signs and writes down nothing."""
    return _wired(settings, _KeepsNothing(), recorders=[recorder], gate=None)


def open_quarantine(settings: Settings) -> FileQuarantine:
    """Return the quarantine of ``[quarantine] store``. Raises ConfigError."""
    kind, _, path = settings.quarantine.store.partition(":")
    if kind != "file" or not path.startswith("/"):
        raise ConfigError("settings", "quarantine.store", expected="file:/PATH", got=settings.quarantine.store)
    return FileQuarantine(Path(path))


def build_releaser(settings: Settings) -> Releaser:
    """Return what gives quarantined mail back. Raises ConfigError, StoreError."""
    try:
        smtp = SocketSpec.parse(settings.release.smtp)
    except ValueError as error:
        raise ConfigError("settings", "release.smtp", expected=str(error), got=settings.release.smtp) from error
    return Releaser(
        open_quarantine(settings),
        release_gate(Path(settings.server.state_directory)),
        smtp=smtp,
        hostname=settings.headers.hostname or socket.gethostname(),
        token_seconds=settings.release.token_seconds,
        timeout_seconds=settings.release.timeout_seconds,
    )


def _wired(
    settings: Settings,
    keeper: AnyKeeper,
    *,
    recorders: Sequence[Recorder],
    gate: Gate | None,
    signer: Signer | None = None,
    closing: Sequence[Callable[[], None]] = (),
    is_warm: bool = False,
) -> Guard:
    checks = [checked for make in CHECKS if (checked := make(settings)) is not None]
    threads = settings.server.max_messages * (len(checks) + 1) + _MORE_THREADS
    policies = build_policies(settings)
    return Guard(
        policies,
        Scan(checks, threads=threads, look=_look(settings, is_warm=is_warm)),
        keeper=keeper,
        recorders=recorders,
        rules=_rules(settings),
        gate=gate,
        signer=signer,
        closing=(*closing, policies.close, *([signer.close] if signer else [])),
    )


def _signer(settings: Settings) -> Signer | None:
    """Return what signs; None for a site without keys. A key that cannot be used is told, and so is each message."""
    ring = ring_of(settings)
    if isinstance(ring, NoKeys):
        return None
    if not settings.signing.signer:
        try:
            check_keys(settings)
        except ConfigError as error:
            log.warning("not all mail can be signed: %s", error)
    return Signer(settings.signing, ring)


def build_policies(settings: Settings) -> Policies:
    """Return what knows recipients: files and databases. Call it after the fork. Raises ConfigError."""
    return Policies(settings, tuple(_sources(settings)))


def _sources(settings: Settings) -> Iterator[Source]:
    """Yield what is asked before the files, in this order (amavis: SQL, then LDAP)."""
    if settings.lookup.sql.urls:
        yield SqlSource(settings.lookup.sql, settings.local)
    if (directory := ldap_source(settings)) is not None:
        yield directory


def _look(settings: Settings, *, is_warm: bool) -> Look | None:
    """Return how messages are taken apart; None when nobody looks inside.

    ``is_warm``: the first attachment does not have to wait for the nursery.
    """
    checks = tuple(checked for make in PART_CHECKS if (checked := make(settings)) is not None)
    parts = settings.checks.parts
    if not checks:
        return None
    if not (parts.enabled or settings.checks.banned.enabled):
        return Look(Unopened(), parts.on_failure, checks)
    box = Box(processes=parts.processes, memory_bytes=parts.memory_bytes, cpu_seconds=parts.cpu_seconds)
    if is_warm:
        with suppress(BoxError):  # tried again when it is needed
            box.start()
    gives_all = settings.checks.clamd.scan_parts is ScanParts.ALWAYS
    opener = Opener(parts, box, gives_all=gives_all, directory=settings.server.spool_directory)
    return Look(opener, parts.on_failure, checks)


def _rules(settings: Settings) -> Rules:
    return Rules(
        deadline_seconds=settings.server.deadline_seconds,
        style=replace(
            _style(settings.headers),
            custom=settings.fields,
            is_proving=settings.checks.authentication.enabled,
        ),
        unsigned=settings.signing.on_failure,
        delimiter=settings.local.recipient_delimiter,
        is_observing=settings.server.observe is not Observe.OFF,
        is_marking=settings.server.observe is not Observe.SILENT,
    )


def _style(headers: Headers) -> Style:
    """Return how our fields look; without a host name the MTA's is taken for each message."""
    return Style(
        virus_scanned=headers.virus_scanned,
        hostname=headers.hostname,
        authserv_id=headers.authserv_id,
        has_received_spf=headers.received_spf,
        alert_name=headers.alert_name,
        level_char=headers.spam_level_char,
    )


def _journal(url: str) -> Journal:
    """Return the journal; a SQLite file that does not exist yet is made, with its tables.

    Changing tables that are there is left to ``milterguard db upgrade``. Raises StoreError, ConfigError.
    """
    journal = Journal(url)
    if _is_fresh_file(url):
        # Here and not above: alembic is large, and a worker needs it once in its installation's life.
        from milterguard.store.migrate import upgrade

        upgrade(url)
    return journal


def _is_fresh_file(url: str) -> bool:
    address = make_url(url)
    if address.get_backend_name() != "sqlite" or not address.database:
        return False
    path = Path(address.database)
    return not path.exists() or path.stat().st_size == 0


def _gate(settings: Settings) -> Gate | None:
    """Return the gate for released mail; None when its key cannot be had: then it is scanned like all mail."""
    try:
        return release_gate(Path(settings.server.state_directory))
    except StoreError as error:
        log.warning("released mail will not be recognised: %s", error)
        return None


class _KeepsNothing:
    """A keeper for trials."""

    def keep(self, message: Message, decision: Decision, findings: Sequence[Finding]) -> str:
        del message, decision, findings
        return ""
