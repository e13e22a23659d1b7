# SPDX-License-Identifier: GPL-3.0-or-later
"""A directory that is killed, hangs, comes back, or is not the one it says it is."""

import logging
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from milterguard.config.ldap import Ldap
from milterguard.errors import StoreError
from milterguard.lookup.layer import Source
from milterguard.lookup.ldap_server import LdapServer
from tests.daemons import Slapd, wait_until
from tests.daemons.certificate import Certificate, certificate
from tests.daemons.folder import free_port
from tests.lookup.directory import OpenDirectory, asked, reading, said

LIMIT_SECONDS = 1.0
SLACK_SECONDS = 0.5
"""For a machine that has other things to do."""


def impatient(slapd: Slapd) -> Ldap:
    """Return settings under which a directory that hangs is noticed soon."""
    return replace(reading(slapd), timeout_seconds=LIMIT_SECONDS, retry_seconds=0.1)


@pytest.fixture(scope="module")
def second(daemon_folder: Path) -> Iterator[Slapd]:
    """A directory with other content."""
    with Slapd(daemon_folder / "slapd2") as slapd:
        slapd.add("cn=second", "a@example.com", amavisSpamLover="TRUE")
        yield slapd


@pytest.fixture(scope="module")
def ours(shared_slapd: Slapd) -> Certificate:
    assert shared_slapd.certificate is not None
    return shared_slapd.certificate


@pytest.fixture(scope="module")
def stranger(daemon_folder: Path) -> Certificate:
    """Somebody else's authority."""
    return certificate(daemon_folder / "stranger-tls")


def fails(source: Source, address: str) -> tuple[float, str]:
    """Return how long it took to fail, and why it did."""
    began = time.monotonic()
    with pytest.raises(StoreError) as caught:
        asked(source, address)
    return time.monotonic() - began, str(caught.value)


@pytest.mark.parametrize("how", ["kill", "pause"])
@pytest.mark.parametrize("kind", ["unix", "tcp", "start_tls", "ldaps"])
def test_a_directory_that_is_gone(
    kind: str,
    how: str,
    slapd: Slapd,
    open_directory: OpenDirectory,
    ours: Certificate,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Known recipients go on and the log says so, others fail within the limit; back again, it is asked again."""
    slapd.add("cn=a", "a@example.com", amavisSpamLover="TRUE")
    source = open_directory(_by(kind, slapd, ours))
    known = asked(source, "a@example.com")
    assert known
    slapd.kill() if how == "kill" else slapd.pause()
    seconds, reason = fails(source, "unknown@example.com")
    assert seconds < LIMIT_SECONDS + SLACK_SECONDS
    assert reason.startswith("LDAP: ldap")
    began = time.monotonic()
    assert asked(source, "a@example.com") == known
    assert time.monotonic() - began < LIMIT_SECONDS + SLACK_SECONDS
    assert "what it said last is used" in caplog.text
    slapd.start() if how == "kill" else slapd.resume()
    slapd.replace("cn=a", amavisSpamLover="FALSE")
    wait_until(lambda: asked(source, "a@example.com") != known, seconds=10, what="the directory is asked again")
    assert said(source, "unknown@example.com") == []
    assert "answers again" in caplog.text


def _by(kind: str, slapd: Slapd, trusted: Certificate) -> Ldap:
    """Return settings for one way to this directory."""
    url = {"unix": slapd.unix_url, "ldaps": slapd.tls_url}.get(kind, slapd.url)
    settings = replace(impatient(slapd), urls=(url,), start_tls=kind == "start_tls")
    return replace(settings, tls_ca_file=str(trusted.ca_file)) if kind in ("start_tls", "ldaps") else settings


@pytest.mark.parametrize("kind", ["tcp", "start_tls", "ldaps"])
def test_a_server_that_takes_connections_and_says_nothing(kind: str, slapd: Slapd, ours: Certificate) -> None:
    """Each step of a connection ends within the limit, the TLS handshake too, and every thread is free again."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        scheme = "ldaps" if kind == "ldaps" else "ldap"
        settings = replace(_by(kind, slapd, ours), urls=(f"{scheme}://127.0.0.1:{port}",))
        server = LdapServer(settings.urls[0], settings)
        began = time.monotonic()
        with pytest.raises(StoreError):
            server.search("(mail=a)", ())
        assert time.monotonic() - began < LIMIT_SECONDS + SLACK_SECONDS


def test_others_work_while_a_server_hangs(slapd: Slapd, open_directory: OpenDirectory) -> None:
    """The library waits without holding the interpreter: no other thread stands still."""
    source = open_directory(impatient(slapd))
    slapd.pause()
    over = threading.Event()
    longest = 0.0

    def tick() -> None:
        nonlocal longest
        last = time.monotonic()
        while not over.wait(0.005):
            now = time.monotonic()
            longest, last = max(longest, now - last), now

    ticking = threading.Thread(target=tick)
    ticking.start()
    fails(source, "a@example.com")
    over.set()
    ticking.join()
    assert longest < LIMIT_SECONDS / 2


def test_a_burst_while_it_hangs_costs_one_limit(slapd: Slapd, open_directory: OpenDirectory) -> None:
    """Many recipients at the same time wait no longer than one."""
    source = open_directory(replace(impatient(slapd), retry_seconds=60.0))
    slapd.pause()
    began = time.monotonic()
    with ThreadPoolExecutor(20) as threads:
        failed = list(threads.map(lambda number: fails(source, f"x{number}@example.com")[0], range(40)))
    assert len(failed) == 40
    assert time.monotonic() - began < 2 * (LIMIT_SECONDS + SLACK_SECONDS)


def test_another_server_takes_over(slapd: Slapd, second: Slapd, open_directory: OpenDirectory) -> None:
    """The first that is well is asked: the second while the first is away, the first once it is back."""
    slapd.add("cn=first", "a@example.com", amavisSpamLover="TRUE")
    source = open_directory(replace(impatient(slapd), urls=(slapd.url, second.unix_url)))
    assert said(source, "a@example.com") == ["first"]
    slapd.pause()
    began = time.monotonic()
    assert said(source, "a@example.com") == ["second"]
    assert time.monotonic() - began < LIMIT_SECONDS + SLACK_SECONDS
    slapd.resume()
    wait_until(lambda: said(source, "a@example.com") == ["first"], seconds=10, what="the first server is asked again")


def test_nobody_at_the_first_address(slapd: Slapd, open_directory: OpenDirectory) -> None:
    """A refused connection is noticed at once."""
    slapd.add("cn=a", "a@example.com", amavisSpamLover="TRUE")
    source = open_directory(replace(impatient(slapd), urls=(f"ldap://127.0.0.1:{free_port()}", slapd.url)))
    assert said(source, "a@example.com") == ["a"]


def test_a_restart_between_two_questions_is_not_noticed(
    slapd: Slapd, open_directory: OpenDirectory, caplog: pytest.LogCaptureFixture
) -> None:
    """A kept connection that the server has closed is no failure: there is a new one."""
    slapd.add("cn=a", "a@example.com", amavisSpamLover="TRUE")
    source = open_directory(reading(slapd))
    with caplog.at_level(logging.WARNING):
        assert said(source, "a@example.com") == ["a"]
        slapd.restart()
        assert said(source, "a@example.com") == ["a"]
        assert said(source, "b@example.com") == []
    assert caplog.text == ""


@pytest.mark.parametrize("kind", ["start_tls", "ldaps"])
def test_a_server_that_nobody_vouches_for_is_told_nothing(
    kind: str, slapd: Slapd, open_directory: OpenDirectory, stranger: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With another authority's certificates there is no answer, whatever the environment allows libldap."""
    monkeypatch.setenv("LDAPTLS_REQCERT", "never")
    settings = _by(kind, slapd, stranger)
    _, reason = fails(open_directory(settings), "a@example.com")
    assert "its certificate is not one that tls_ca_file vouches for" in reason


def test_certificates_that_cannot_be_read_are_told(slapd: Slapd, open_directory: OpenDirectory, tmp_path: Path) -> None:
    """With the name of the file."""
    settings = replace(impatient(slapd), urls=(slapd.tls_url,), tls_ca_file=str(tmp_path / "none.pem"))
    _, reason = fails(open_directory(settings), "a@example.com")
    assert f"no certificates can be read from {tmp_path / 'none.pem'}" in reason


@pytest.mark.parametrize("kind", ["start_tls", "ldaps"])
def test_encrypted_questions_are_answered(
    kind: str, slapd: Slapd, open_directory: OpenDirectory, ours: Certificate
) -> None:
    """By a server that can prove who it is."""
    slapd.add("cn=a", "a@example.com", amavisSpamLover="TRUE")
    assert said(open_directory(_by(kind, slapd, ours)), "a@example.com") == ["a"]


def test_start_tls_is_never_left_out(second: Slapd, open_directory: OpenDirectory) -> None:
    """A server that cannot encrypt is not asked in the open."""
    settings = replace(impatient(second), urls=(second.url,), start_tls=True)
    _, reason = fails(open_directory(settings), "a@example.com")
    assert reason.startswith("LDAP: ldap")
