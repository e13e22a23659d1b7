# SPDX-License-Identifier: GPL-3.0-or-later
"""Recipients in a real database behind a real Postfix, and the database is killed or hangs in the middle of it."""

import time
from collections.abc import Callable

import pytest

from tests.daemons import Mariadb, Postfix, Postgresql, Smtp, send
from tests.daemons.sink import Sink
from tests.daemons.toml import Table
from tests.integration.conftest import Serve
from tests.lookup.database import Database, amavis_database

Server = Postgresql | Mariadb
MESSAGE = b"From: a@sender.example\r\nTo: known@example.com\r\nSubject: hello\r\n\r\nHello\r\n"
SENDER = "a@sender.example"
SLACK_SECONDS = 1.5
"""For Postfix and a busy machine, beside the time limit."""


@pytest.fixture(params=["postgresql", "mariadb"])
def server(request: pytest.FixtureRequest) -> Server:
    """Each database server in its turn."""
    found: Server = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def database(server: Server) -> Database:
    """``known`` may get small mail only; whoever else is of the domain gets anything."""
    made = amavis_database(server.new_database())
    made.user("known@example.com", message_size_limit=1000)
    made.user("@.", virus_lover="Y")
    made.sender(1, "denied@sender.example", "B")
    return made


def _settings(*urls: str) -> Table:
    sql: Table = {"urls": list(urls), "fresh_seconds": 0.0, "retry_seconds": 0.5}
    # One worker: what it was told last is its own.
    return {
        "server": {"workers": 1},
        "lookup": {"sql": sql},
        "policy": {"reject_denied_at_rcpt": True, "store_on_reject": []},
    }


def _told(postfix: Postfix, recipient: str, *, sender: str = SENDER, size: int = 2000) -> str:
    """Return what RCPT is answered."""
    with Smtp(postfix.port) as smtp:
        smtp.ehlo()
        assert smtp.command(f"MAIL FROM:<{sender}> SIZE={size}").is_accepted
        return str(smtp.command(f"RCPT TO:<{recipient}>"))


def _until(condition: Callable[[], bool], *, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end


@pytest.mark.parametrize("trouble", ["kill", "pause"])
def test_the_database_goes_in_the_middle_of_traffic(
    server: Server, database: Database, trouble: str, serve: Serve, postfix: Postfix, sink: Sink
) -> None:
    """Who is known is judged as before, who is not gets 451 within the limit, and all is well when it is back."""
    milterguard = serve(_settings(database.url))
    assert _told(postfix, "known@example.com").startswith("552")
    assert _told(postfix, "known@example.com", sender="denied@sender.example", size=10).startswith("550")
    assert _told(postfix, "other@example.com").startswith("250")
    getattr(server, trouble)()
    began = time.monotonic()
    assert _told(postfix, "known@example.com").startswith("552")
    assert time.monotonic() - began < 2.0 + SLACK_SECONDS
    assert _told(postfix, "known@example.com", sender="denied@sender.example", size=10).startswith("550")
    assert _told(postfix, "other@example.com").startswith("250")
    began = time.monotonic()
    assert _told(postfix, "stranger@example.com").startswith("451 4.3.0")
    assert time.monotonic() - began < 2.0 + SLACK_SECONDS
    told = send(postfix.port, MESSAGE, sender=SENDER, recipients=["other@example.com"])
    assert told.last.is_accepted, str(told.last)
    server.resume() if trouble == "pause" else server.start()
    _until(lambda: _told(postfix, "stranger@example.com").startswith("250"))
    database.execute("UPDATE policy SET message_size_limit = 5000 WHERE id = 1")
    _until(lambda: _told(postfix, "known@example.com").startswith("250"))
    assert sink.wait_for(1)
    log = milterguard.log()
    assert "SQL recipients: what it said last is used" in log
    assert "SQL recipients answers again" in log
    assert "RCPT <stranger@example.com> deferred" in log


def test_the_second_database_is_asked(postgresql: Postgresql, mariadb: Mariadb, serve: Serve, postfix: Postfix) -> None:
    """When the first one hangs nobody is deferred, and nobody waits for it twice."""
    first, second = amavis_database(postgresql.new_database()), amavis_database(mariadb.new_database())
    for each in (first, second):
        each.user("@example.com", message_size_limit=1000)
    milterguard = serve(_settings(first.url, second.url))
    assert _told(postfix, "a@example.com").startswith("552")
    postgresql.pause()
    for recipient in ("b@example.com", "c@example.com", "d@example.com"):
        began = time.monotonic()
        assert _told(postfix, recipient).startswith("552")
        assert time.monotonic() - began < 2.0 + SLACK_SECONDS
    assert "cannot be asked: no answer within 1.0 s" in milterguard.log()
    assert "deferred" not in milterguard.log()


def test_the_database_goes_between_recipient_and_message(
    server: Server, database: Database, serve: Serve, postfix: Postfix
) -> None:
    """What his list says about an author whom nobody asked about is not known: 451, and the client comes again."""
    serve(_settings(database.url))
    with Smtp(postfix.port) as smtp:
        smtp.ehlo()
        smtp.command(f"MAIL FROM:<{SENDER}>")
        assert smtp.command("RCPT TO:<known@example.com>").is_accepted
        assert smtp.command("DATA").code == 354
        server.pause()
        end = smtp.content(MESSAGE.replace(b"From: a@", b"From: author@"))
    assert str(end).startswith("451 4.3.0 Recipient could not be looked up")
    server.resume()
