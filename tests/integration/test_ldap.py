# SPDX-License-Identifier: GPL-3.0-or-later
"""Mail for recipients whom a directory knows, through real Postfix."""

import time

import pytest

from tests.daemons import Clamd, Milterguard, Postfix, Sink, Slapd, wait_until
from tests.daemons.sample import EICAR
from tests.daemons.slapd import BASE, READER, READER_PASSWORD
from tests.daemons.toml import Table
from tests.house import STRANGER
from tests.integration.conftest import Serve

SENDER, LOVER, USER = "sender@sender.example", "lover@example.com", "user@example.com"
MESSAGE = (
    b"From: sender@sender.example\r\nTo: user@example.com\r\nSubject: hello\r\n"
    b"Date: Mon, 06 Jan 2025 10:00:00 +0000\r\n\r\n"
)
INFECTED = MESSAGE + EICAR + b"\r\n"


@pytest.fixture
def guard(serve: Serve, clamd: Clamd, slapd: Slapd) -> Milterguard:
    """A filter that asks the directory, one entry of which is a lover of viruses."""
    slapd.add("cn=lover", LOVER, amavisVirusLover="TRUE")
    directory: Table = {
        "urls": [slapd.url],
        "base": BASE,
        "bind_dn": READER,
        "bind_password": READER_PASSWORD,
        "fresh_seconds": 0.0,
        "retry_seconds": 0.1,
    }
    return serve({"lookup": {"ldap": directory}, "server": {"workers": 1}}, clamd=clamd.socket)


def test_who_loves_viruses_gets_them_marked(guard: Milterguard, postfix: Postfix, sink: Sink) -> None:
    """By his entry; another recipient's mail is refused."""
    refused = postfix.send(INFECTED, sender=SENDER, recipients=[USER], client=STRANGER)
    assert refused.last.code == 554
    taken = postfix.send(INFECTED, sender=SENDER, recipients=[LOVER], client=STRANGER)
    assert taken.last.code == 250
    (message,) = sink.wait_for(1)
    assert message.recipients == (LOVER.encode(),)
    assert message.values("X-Amavis-Alert")[0].startswith("INFECTED")
    assert EICAR in message.octets


@pytest.mark.parametrize("how", ["kill", "pause"])
def test_a_directory_that_is_gone_defers_whom_it_never_told_of(
    how: str, guard: Milterguard, postfix: Postfix, sink: Sink, slapd: Slapd
) -> None:
    """Others go on by what it said last; it is asked again as soon as it is back, by the same processes."""
    assert postfix.send(INFECTED, sender=SENDER, recipients=[LOVER], client=STRANGER).last.code == 250
    workers = guard.worker_pids()
    slapd.kill() if how == "kill" else slapd.pause()
    began = time.monotonic()
    deferred = postfix.send(MESSAGE, sender=SENDER, recipients=[USER], client=STRANGER)
    assert time.monotonic() - began < 4.0
    assert "451 4.3.0" in str(deferred.recipients[USER])
    assert postfix.send(INFECTED, sender=SENDER, recipients=[LOVER], client=STRANGER).last.code == 250
    slapd.start() if how == "kill" else slapd.resume()
    wait_until(
        lambda: postfix.send(MESSAGE, sender=SENDER, recipients=[USER], client=STRANGER).last.code == 250,
        seconds=15,
        what="the directory is asked again",
    )
    assert set(workers) <= set(guard.worker_pids())
    assert len(sink.wait_for(3)) == 3
    assert "what it said last is used" in guard.log()
