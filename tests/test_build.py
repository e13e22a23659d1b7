# SPDX-License-Identifier: GPL-3.0-or-later
"""From settings to a guard that answers, keeps and records."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from milterguard.build import build_guard, build_releaser, open_quarantine
from milterguard.config.dns import Dns
from milterguard.config.settings import Checks, Clamd, Headers, Quarantine, Release, Server, Settings, Spamd, Store
from milterguard.core.destiny import Destiny
from milterguard.core.verdict import Verdict
from milterguard.errors import ConfigError
from milterguard.guard import Guard
from milterguard.store.journal import Journal
from tests.core.build import Octets, envelope, fields
from tests.daemons.folder import free_port
from tests.daemons.milterguard import empty_dns


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        server=Server(state_directory=str(tmp_path / "state"), max_messages=4),
        checks=Checks(Clamd(enabled=False), Spamd(enabled=False)),
        headers=Headers(hostname="mail.example.com"),
        store=Store(url=f"sqlite:///{tmp_path / 'milterguard.db'}"),
        quarantine=Quarantine(f"file:{tmp_path / 'quarantine'}"),
    )


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    """A guard begins a log; its close must end it."""
    before = list(logging.getLogger().handlers)
    yield
    assert logging.getLogger().handlers == before


def answered(guard: Guard) -> tuple[str, Verdict]:
    """Take one message through the guard; return its id and verdict."""
    whom = envelope()
    mail = guard.message(whom, fields("Subject: hello"), Octets())
    job = guard.begin(mail, [guard.judged("user@example.com", parameters=(), traffic=whom.traffic)])
    verdict = guard.finish(job)
    guard.record(job, verdict, answer=verdict.answer, reply_line=str(verdict.reply or ""))
    return mail.mail_id, verdict


def test_what_was_answered_is_in_the_journal_when_the_guard_is_closed(settings: Settings) -> None:
    """Close writes what waits; a fresh SQLite file gets its tables."""
    guard = build_guard(settings)
    mail_id, verdict = answered(guard)
    guard.close()
    journal = Journal(settings.store.url)
    assert journal.evidence(mail_id)["action"] == verdict.answer == "pass"
    journal.close()


def test_every_check_that_is_enabled_is_asked(settings: Settings) -> None:
    """In the order of the tuple; nobody there is a finding of each."""
    nobody = (f"inet:{free_port()}@127.0.0.1",)
    checks = Checks(Clamd(sockets=nobody), Spamd(sockets=nobody))
    dns = Dns(servers=(empty_dns().address,))
    guard = build_guard(replace(settings, dns=dns, checks=checks, store=Store(url="")))
    _, verdict = answered(guard)
    guard.close()
    proofs = ["iprev", "spf", "spf", "dkim", "arc", "dmarc", "dns"]
    assert [each.check for each in verdict.findings] == [*proofs, "clamd", "spamd", "parts", "banned", "bad_header"]
    assert verdict.answer is Destiny.TEMPFAIL


def test_without_a_state_folder_released_mail_is_not_recognised_but_mail_flows(
    settings: Settings, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A warning says so."""
    (tmp_path / "file").write_text("")
    server = Server(state_directory=str(tmp_path / "file" / "state"))
    guard = build_guard(Settings(server, checks=settings.checks, store=Store(url=""), quarantine=settings.quarantine))
    _, verdict = answered(guard)
    guard.close()
    assert verdict.answer is Destiny.PASS
    assert "released mail will not be recognised" in capfd.readouterr().err


def test_the_style_comes_from_the_headers(settings: Settings) -> None:
    """For the whole site."""
    guard = build_guard(replace(settings, store=Store(url="")))
    guard.close()
    assert guard.rules.style.hostname == "mail.example.com"


def test_places_that_can_never_work_are_errors_of_the_configuration(settings: Settings) -> None:
    """They name the key."""
    with pytest.raises(ConfigError, match=r"quarantine\.store"):
        open_quarantine(Settings(quarantine=Quarantine("sql:")))
    with pytest.raises(ConfigError, match=r"release\.smtp"):
        build_releaser(Settings(settings.server, quarantine=settings.quarantine, release=Release("25")))
