# SPDX-License-Identifier: GPL-3.0-or-later
"""Banks by what only a real MTA can tell: the client's certificate, and which of our sockets it came to."""

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.daemons import Milterguard, Postfix, Sink, private_folder, toml, wait_until
from tests.daemons.certificate import Certificate, certificate
from tests.daemons.folder import socket_path

LETTER = "From: a@sender.example\r\nTo: user@example.com\r\nSubject: {}\r\n\r\nHello.\r\n"


class Banks:
    """milterguard with two sockets, and a Postfix with TLS and a listener for each of them."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.known = certificate(folder / "known", name="relay.partner.example")
        self.unknown = certificate(folder / "unknown", name="relay.partner.example")
        server = certificate(folder / "server")
        outer, inner = (f"unix:{socket_path(folder / name)}" for name in ("outer.sock", "inner.sock"))
        banks: toml.Table = {
            "INNER": {"when": {"socket": inner}, "originating": True},
            "PARTNER": {"when": {"certificate": "relay.partner.example", "certificate_issuer": "authority known"}},
        }
        self.milterguard = stack.enter_context(
            Milterguard(folder / "milterguard", settings={"server": {"listen": [outer, inner]}, "bank": banks})
        )
        sink = stack.enter_context(Sink())
        tls = {
            "smtpd_tls_security_level": "may",
            "smtpd_tls_ask_ccert": "yes",
            "smtpd_tls_CAfile": str(self.known.ca_file),
            "smtpd_tls_cert_file": str(server.file),
            "smtpd_tls_key_file": str(server.key_file),
        }
        listeners = {"inner": {"smtpd_milters": inner}}
        self.postfix = stack.enter_context(
            Postfix(folder / "postfix", sink_port=sink.port, milters=[outer], parameters=tls, listeners=listeners)
        )

    def line_of(self, subject: str, *, listener: str = "main", shown: Certificate | None = None) -> str:
        """Send a message, over TLS where a certificate is shown, and return its line of the log."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with smtplib.SMTP("127.0.0.1", self.postfix.ports[listener], timeout=20) as smtp:
            if shown is not None:
                context.load_cert_chain(shown.file, shown.key_file)
                smtp.starttls(context=context)
            smtp.sendmail(f"{subject}@sender.example", ["user@example.com"], LETTER.format(subject))
        sender = f"<{subject}@sender.example>"
        wait_until(lambda: sender in self.milterguard.log(), seconds=10, what="a line in the log")
        return next(line for line in self.milterguard.log().splitlines() if sender in line)


@pytest.fixture(scope="module")
def banks() -> Iterator[Banks]:
    with private_folder() as folder, ExitStack() as stack:
        yield Banks(folder, stack)


def test_a_verified_certificate_chooses_a_bank(banks: Banks) -> None:
    """One of an unknown authority does not, whatever name it has; nor does a client without."""
    assert " PARTNER LOCAL [127.0.0.1]" in banks.line_of("known", shown=banks.known)
    assert "PARTNER" not in banks.line_of("unknown", shown=banks.unknown)
    assert "PARTNER" not in banks.line_of("none")


def test_our_socket_chooses_a_bank(banks: Banks) -> None:
    """Each listener of the MTA may have its own."""
    assert " INNER LOCAL [127.0.0.1]" in banks.line_of("inner", listener="inner")
    assert "INNER" not in banks.line_of("outer")
