# SPDX-License-Identifier: GPL-3.0-or-later
"""A spamd over TLS is asked only if it can prove who it is."""

import ssl
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from milterguard.checks.base import Budget, NothingInside
from milterguard.checks.spamd import SpamdCheck, ping
from milterguard.config.settings import Spamd
from milterguard.config.socket import SocketSpec
from milterguard.errors import CheckError, CheckUnavailable
from tests.core.build import message
from tests.fakes import spamd
from tests.fakes.spamd import FakeSpamd


@dataclass(frozen=True)
class Certificate:
    file: Path
    server: ssl.SSLContext
    """What a server with it speaks."""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate for 127.0.0.1 that nobody but its owner vouches for."""
    folder = tmp_path_factory.mktemp("tls")
    file, key = folder / "cert.pem", folder / "key.pem"
    request = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=spamd"
    names = ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*request.split(), *names, "-keyout", key, "-out", file], check=True, capture_output=True)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file, key)
    return Certificate(file, server)


def settings(socket: str, ca_file: str) -> Spamd:
    return Spamd(sockets=(socket,), timeout_seconds=5.0, connect_seconds=2.0, tls_ca_file=ca_file)


def test_message_is_given_over_tls(certificate: Certificate) -> None:
    """A server whose certificate the operator trusts is asked over TLS, large messages included."""
    with FakeSpamd(spamd.scores(3.5), tls=certificate.server) as server:
        assert server.socket.startswith("tls:")
        check = SpamdCheck(settings(server.socket, str(certificate.file)))
        try:
            (finding,) = check.run(message(body=b"x" * 400_000), Budget(time.monotonic() + 20), NothingInside())
        finally:
            check.close()
        assert len(server.content) > 400_000
    assert finding.score == 3.5


def test_stranger_gets_no_mail(certificate: Certificate) -> None:
    """A server with a certificate that nobody trusts is not given the message."""
    with FakeSpamd(spamd.scores(3.5), tls=certificate.server) as server:
        check = SpamdCheck(settings(server.socket, ""))
        try:
            with pytest.raises(CheckUnavailable, match=r"(?i)certificate"):
                check.run(message(), Budget(time.monotonic() + 20), NothingInside())
        finally:
            check.close()
        assert not server.content


@pytest.mark.parametrize("name", ["hangs before the answer", "dies before the answer", "too short"])
def test_broken_spamd_behind_tls_fails(certificate: Certificate, name: str) -> None:
    """Over TLS too, a server that gives no whole answer gives no score."""
    with FakeSpamd(spamd.BROKEN[name], tls=certificate.server) as server:
        check = SpamdCheck(settings(server.socket, str(certificate.file)))
        try:
            with pytest.raises(CheckError):
                check.run(message(), Budget(time.monotonic() + 0.5), NothingInside())
        finally:
            check.close()


def test_ping_over_tls(certificate: Certificate) -> None:
    """A spamd behind TLS is pinged with the operator's certificates."""
    with FakeSpamd(spamd.pongs, tls=certificate.server) as server:
        ping(SocketSpec.parse(server.socket), 2.0, ca_file=str(certificate.file))
