# SPDX-License-Identifier: GPL-3.0-or-later
"""The private daemons themselves: each starts, answers, stops and leaves nothing."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import pytest

from tests.daemons import (
    Clamd,
    Daemon,
    DaemonError,
    Mariadb,
    Postfix,
    Postgresql,
    Sink,
    Slapd,
    Smtp,
    Spamd,
    send,
    wait_until,
)
from tests.daemons.sample import EICAR, EICAR_NAME, GTUBE, POINTS, points_phrase, points_rule
from tests.integration.conftest import Serve

MESSAGE = (
    b"From: Alice <alice@sender.example>\r\nTo: bob@example.com\r\nSubject: A word\r\n"
    b"Date: Mon, 06 Jan 2025 10:00:00 +0000\r\nMessage-ID: <1.2.3@sender.example>\r\n\r\n"
)
FOREIGN = {"ADDR": "192.0.2.7", "NAME": "mx.sender.example", "HELO": "mx.sender.example"}


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


MAKERS: dict[str, Callable[[Path], Daemon]] = {
    "clamd": lambda folder: Clamd(folder / "clamd"),
    "clamd-tcp": lambda folder: Clamd(folder / "clamd", tcp=True),
    "spamd": lambda folder: Spamd(folder / "spamd"),
    "spamd-tcp": lambda folder: Spamd(folder / "spamd", tcp=True, children=1),
    "slapd": lambda folder: Slapd(folder / "slapd"),
    "postfix": lambda folder: Postfix(folder / "postfix", sink_port=9),
    "postgresql": lambda folder: Postgresql(folder / "postgresql"),
    "mariadb": lambda folder: Mariadb(folder / "mariadb"),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_starts_and_stops_without_trace(make: Callable[[Path], Daemon], short_folder: Path) -> None:
    """A daemon that was stopped has no process left, its own children included, and does not answer."""
    with make(short_folder) as daemon:
        pids = daemon.pids()
        assert daemon.is_ready()
        assert daemon.pid in pids
    assert not any(map(is_alive, pids))
    assert not daemon.is_running
    with pytest.raises(OSError, match=r"."):
        daemon.is_ready()


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_starts_again_after_a_crash(make: Callable[[Path], Daemon], short_folder: Path) -> None:
    """A killed daemon leaves nothing that hinders the next one at the same address."""
    with make(short_folder) as daemon:
        first = daemon.pids()
        daemon.kill()
        assert not any(map(is_alive, first))
        daemon.start()
        assert daemon.is_ready()
        assert set(daemon.pids()).isdisjoint(first)


def test_failed_start_shows_the_log_and_leaves_no_process(short_folder: Path) -> None:
    """What the daemon said about its configuration stands in the error."""
    clamd = Clamd(short_folder / "clamd", options={"NoSuchOption": "yes"})
    with pytest.raises(DaemonError, match="NoSuchOption"):
        clamd.start()
    assert clamd.pids() == ()


def test_missing_program_is_an_error(short_folder: Path) -> None:
    """A daemon that is not installed is named, not skipped."""

    class Missing(Spamd):
        def command(self) -> list[str]:
            return ["/nowhere/spamd"]

    with pytest.raises(DaemonError, match="/nowhere/spamd"):
        Missing(short_folder / "spamd").start()


def test_dies_with_the_process_that_started_it(short_folder: Path) -> None:
    """Kill -9 of the parent ends the daemon and everything below it, even what changed its user."""
    script = (
        "import sys; from pathlib import Path; from tests.daemons import Spamd\n"
        "spamd = Spamd(Path(sys.argv[1])).start(); print(*spamd.pids(), flush=True); sys.stdin.read()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script, str(short_folder / "spamd")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    with parent:
        assert parent.stdout is not None
        pids = [int(word) for word in parent.stdout.readline().split()]
        assert len(pids) >= 2
        os.kill(parent.pid, signal.SIGKILL)
    wait_until(lambda: not any(map(is_alive, pids)), seconds=10, what="spamd ends")


def test_clamd_finds_eicar_plain_and_in_a_zip(clamd: Clamd) -> None:
    """The private signatures are enough for clamd to look into archives."""
    archive = BytesIO()
    with ZipFile(archive, "w", ZIP_DEFLATED) as opened:
        opened.writestr("eicar.com", EICAR)
    assert clamd.scan(b"Hello.\n") == "stream: OK"
    for octets in (EICAR, archive.getvalue()):
        assert clamd.scan(octets) == f"stream: {EICAR_NAME}.UNOFFICIAL FOUND"


def test_paused_clamd_accepts_and_says_nothing(clamd: Clamd) -> None:
    """A paused daemon hangs instead of refusing, and is well once it goes on."""
    clamd.pause()
    with pytest.raises(TimeoutError):
        clamd.ask("PING", timeout_seconds=0.2)
    clamd.resume()
    assert clamd.ask("PING") == "PONG"


def test_spamd_knows_gtube(spamd: Spamd) -> None:
    """SpamAssassin's own test message is spam."""
    assert "GTUBE" in spamd.ask("SYMBOLS", MESSAGE + GTUBE + b"\r\n")


@pytest.mark.parametrize("name", POINTS)
def test_spamd_gives_points_on_demand(name: str, spamd: Spamd) -> None:
    """A phrase in the body adds exactly its points, told with the name of its rule."""
    answer = spamd.ask("HEADERS", MESSAGE + f"Dear Bob, {points_phrase(name)} is said here.\r\n".encode())
    unfolded = answer.replace("\r\n", "\n").replace("\n\t", "")
    assert f"{points_rule(name)}={POINTS[name]:g}" in unfolded


def test_mail_goes_through_postfix_to_the_sink(postfix: Postfix, sink: Sink) -> None:
    """What a stranger sends past the milters arrives octet by octet, below Postfix' own field."""
    octets = MESSAGE + b"..\r\n.one dot\r\n\xff\xfe 8 bit\r\n"
    dialogue = send(
        postfix.plain_port, octets, sender="alice@sender.example", recipients=["bob@example.com"], client=FOREIGN
    )
    assert dialogue.last.code == 250
    delivered = sink.wait_for(1)[0]
    assert (delivered.sender, delivered.recipients) == (b"alice@sender.example", (b"bob@example.com",))
    assert delivered.octets.endswith(octets)
    assert "mx.sender.example [192.0.2.7]" in delivered.values("received")[0]
    wait_until(lambda: postfix.queue() == (), seconds=10, what="the queue empties")


def test_postfix_defers_while_no_milter_listens(postfix: Postfix, sink: Sink) -> None:
    """The listener with the milter says 451 when there is none: nothing passes unscanned."""
    dialogue = postfix.send(MESSAGE, sender="alice@sender.example", recipients=["bob@example.com"])
    assert dialogue.mail.lines == ("451 4.7.1 Service unavailable - try again later",)
    assert sink.messages == ()


def test_stranger_may_not_relay(postfix: Postfix) -> None:
    """XCLIENT takes away what 127.0.0.1 is allowed."""
    dialogue = send(
        postfix.plain_port, MESSAGE, sender="a@sender.example", recipients=["b@elsewhere.example"], client=FOREIGN
    )
    assert dialogue.last.code == 554


def test_sendmail_hands_in_locally(postfix: Postfix, sink: Sink) -> None:
    """Mail by sendmail(1) reaches the sink without SMTP on the way in."""
    postfix.sendmail(MESSAGE + b"Hello.\r\n", sender="alice@example.com", recipients=["bob@example.com"])
    assert "from userid" in sink.wait_for(1)[0].values("Received")[0]


def test_sink_can_refuse_what_postfix_then_keeps(postfix: Postfix, sink: Sink) -> None:
    """A next hop that says 4xx leaves the message in the queue, where it can be seen."""
    sink.replies["."] = "451 4.3.0 Not now"
    send(postfix.plain_port, MESSAGE, sender="a@sender.example", recipients=["bob@example.com"], client=FOREIGN)
    wait_until(
        lambda: [queued.queue for queued in postfix.queue()] == ["deferred"], seconds=10, what="the message is deferred"
    )
    assert sink.messages == ()


@pytest.mark.parametrize("octets", [b"", b".\r\n", b"..a\r\n.\r\n", b"a\r\n\r\n.b\r\n", b"x\r\n" * 200_000])
def test_sink_keeps_octets(octets: bytes) -> None:
    """Dots are undoubled, nothing else changes; an empty message is empty."""
    with Sink() as sink:
        assert send(sink.port, octets, sender="", recipients=["a@example.com", "b@example.com"]).last.code == 250
        assert sink.messages[0].octets == octets
        assert sink.messages[0].recipients == (b"a@example.com", b"b@example.com")


def test_sink_stops_with_connections_open() -> None:
    """Stopping hangs up on who is still there."""
    with Sink() as sink:
        client = Smtp(sink.port)
    with client, pytest.raises((ConnectionResetError, BrokenPipeError)):
        client.ehlo()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", sink.port), 1)


def test_milterguard_starts_reloads_and_stops(serve: Serve, postfix: Postfix, sink: Sink) -> None:
    """The filter is ready when it says so, mail passes it before and after a reload, and it ends with status 0."""
    milterguard = serve()
    first = milterguard.worker_pids()
    assert first
    recipients = ["bob@example.com"]
    assert postfix.send(MESSAGE + b"1\r\n", sender="a@sender.example", recipients=recipients).last.code == 250
    milterguard.reload()
    assert postfix.send(MESSAGE + b"2\r\n", sender="a@sender.example", recipients=recipients).last.code == 250
    assert len(sink.wait_for(2)) == 2
    assert set(milterguard.worker_pids()) - set(first)
    pids = milterguard.pids()
    assert milterguard.stop() == 0
    assert "STOPPING=1" in milterguard.notified
    assert not any(map(is_alive, pids))


def test_milterguard_with_a_bad_setting_shows_why(serve: Serve) -> None:
    """What the program says about its configuration stands in the error."""
    with pytest.raises(DaemonError, match="no_such_key"):
        serve({"server": {"no_such_key": 1}})
