# SPDX-License-Identifier: GPL-3.0-or-later
"""Each fault, made behind a real Postfix: its answer, and that nothing is lost, unscanned or doubled."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator
from email.utils import formatdate
from pathlib import Path

import pytest

from milterguard.config.signing import DkimKey
from milterguard.keys.private import generated
from milterguard.keys.process import KeyServer
from milterguard.keys.ring import FileKeys
from tests.daemons import Clamd, Delivered, Milterguard, Postfix, Reply, Sink, Smtp, Spamd, toml, wait_until
from tests.daemons.sample import EICAR
from tests.fakes import clamd as fake_clamd
from tests.fakes import spamd as fake_spamd
from tests.fakes.dns import DnsServer
from tests.fakes.scripted import Exchange, Script, Scripted
from tests.house import STRANGER
from tests.integration.conftest import Serve
from tests.integration.faults import FAULTS, OPERATIONS, documented

SENDER, USER, KEPT = "sender@sender.example", "user@example.com", "kept@example.com"
HASTE: toml.Table = {
    "server": {"deadline_seconds": 3.0, "progress_seconds": 1.0, "stop_grace_seconds": 2.0},
    "checks": {"clamd": {"retry_seconds": 0.1}, "spamd": {"retry_seconds": 0.1}},
    "recipient": [{"match": [KEPT], "virus_destiny": "discard"}],
}
_count = iter(range(10**9))
Subject = str


class Bench:
    """One message after the other through the house, with its answer and its delivery."""

    def __init__(self, postfix: Postfix, sink: Sink) -> None:
        self.postfix, self.sink = postfix, sink

    def send(self, body: bytes = b"Hello.\r\n", *, to: str = USER) -> tuple[Subject, Reply]:
        subject = f"message {next(_count)}"
        return subject, self.again(subject, body, to=to)

    def again(self, subject: Subject, body: bytes = b"Hello.\r\n", *, to: str = USER) -> Reply:
        """Send a message of that subject, as its client would once more."""
        with Smtp(self.postfix.port) as smtp:
            smtp.ehlo()
            return smtp.send(octets(subject, body), sender=SENDER, recipients=[to]).last

    def until_taken(self, subject: Subject, body: bytes = b"Hello.\r\n") -> None:
        """Send as a client does that comes again after each 451."""
        wait_until(lambda: self.again(subject, body).code == 250, seconds=30, what="acceptance")

    def delivered(self, subject: Subject) -> Delivered:
        """Return the delivered message; fail if there is not exactly one."""
        self.sink.wait_for_message(lambda each: subject in each.values("Subject"))
        wait_until(lambda: not self.postfix.queue(), seconds=20, what="an empty queue")
        (message,) = [each for each in self.sink.messages if subject in each.values("Subject")]
        return message

    def assert_once_and_scanned(self, subject: Subject) -> None:
        """The message came through in the end: one copy, with the mark of the scan."""
        (scanned,) = self.delivered(subject).values("X-Virus-Scanned")
        assert not scanned.startswith("not")

    def assert_withheld(self, subject: Subject) -> None:
        """Nothing of it has been delivered."""
        assert not [each for each in self.sink.messages if subject in each.values("Subject")]


@pytest.fixture
def bench(postfix: Postfix, sink: Sink) -> Bench:
    return Bench(postfix, sink)


def octets(subject: str, body: bytes) -> bytes:
    head = f"From: {SENDER}\r\nTo: {USER}\r\nSubject: {subject}\r\nMessage-ID: <{next(_count)}@sender.example>\r\n"
    return head.encode() + f"Date: {formatdate()}\r\n\r\n".encode() + body


def settled(*tables: toml.Table) -> toml.Table:
    """Return the settings of haste with others over them."""
    result: toml.Table = HASTE
    for table in tables:
        result = toml.merged(result, table)
    return result


def assert_answered(name: str, reply: Reply) -> None:
    """The answer is the one in the table."""
    assert str(reply).startswith(FAULTS[name].reply), f"{name}: {reply}"


def kill_workers(milterguard: Milterguard) -> None:
    for pid in milterguard.worker_pids():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


# --- who sent it -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "fault"), [("the DNS does not answer", "TIMEOUT"), ("the DNS answers with errors", "SERVFAIL")]
)
def test_the_dns_fails(name: str, fault: str, bench: Bench, serve: Serve) -> None:
    """The message is delivered in time; its results say that nobody knows."""
    with DnsServer() as dns:
        dns.fault = fault
        serve(settled({"dns": {"servers": [dns.address]}}))
        with Smtp(bench.postfix.port) as smtp:
            smtp.ehlo()
            smtp.xclient(STRANGER)
            smtp.ehlo()
            subject = f"message {next(_count)}"
            reply = smtp.send(octets(subject, b"Hello.\r\n"), sender=SENDER, recipients=[USER]).last
    assert_answered(name, reply)
    (results,) = bench.delivered(subject).values("Authentication-Results")
    assert "dmarc=temperror" in results


def test_the_key_process_is_away(bench: Bench, serve: Serve, short_folder: Path) -> None:
    """451 for mail of our own, and once it is back the message comes through, signed."""
    entry = DkimKey("sender.example", "s", str(short_folder / "key.pem"))
    Path(entry.file).touch(mode=0o600)
    Path(entry.file).write_bytes(generated("rsa").pem())
    path = short_folder / "keys.sock"
    serve(settled({"signing": {"signer": f"unix:{path}"}}))
    subject, reply = bench.send()
    assert_answered("the key process is away, and the message is to be signed", reply)
    bench.assert_withheld(subject)
    server = KeyServer(path, FileKeys([entry]), mode=0o666)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        bench.until_taken(subject)
        (signature,) = bench.delivered(subject).values("DKIM-Signature")
        assert "d=sender.example" in signature
    finally:
        server.shutdown()
        thread.join()
        server.close()


# --- clamd ----------------------------------------------------------------------------------------


def test_clamd_is_down(bench: Bench, serve: Serve, clamd: Clamd) -> None:
    """451, and once it is back the message comes through once, scanned."""
    serve(HASTE, clamd=clamd.socket)
    clamd.stop()
    subject, reply = bench.send()
    assert_answered("clamd is down", reply)
    bench.assert_withheld(subject)
    clamd.start()
    bench.until_taken(subject)
    bench.assert_once_and_scanned(subject)


def test_clamd_hangs(bench: Bench, serve: Serve, clamd: Clamd) -> None:
    """At the deadline 451, though the process is there and its socket takes everything."""
    serve(HASTE, clamd=clamd.socket)
    clamd.pause()
    subject, reply = bench.send()
    assert_answered("clamd hangs", reply)
    bench.assert_withheld(subject)
    clamd.resume()
    bench.until_taken(subject)
    bench.assert_once_and_scanned(subject)


@pytest.mark.parametrize(
    ("name", "script"),
    [
        ("clamd dies while it is given the message", fake_clamd.dies_within_chunk),
        ("clamd answers garbage", fake_clamd.replies(b"\xff\xfegarbage\r\n")),
    ],
)
def test_clamd_breaks(bench: Bench, serve: Serve, name: str, script: Script) -> None:
    """Whatever is not literally OK is not clean."""
    with Scripted(script) as server:
        serve(HASTE, clamd=server.socket)
        subject, reply = bench.send()
        assert_answered(name, reply)
        bench.assert_withheld(subject)
        server.script = fake_clamd.clean
        bench.until_taken(subject)
        bench.assert_once_and_scanned(subject)


# --- spamd ----------------------------------------------------------------------------------------


def assert_not_scanned_for_spam(bench: Bench, subject: Subject) -> None:
    message = bench.delivered(subject)
    (status,) = message.values("X-Spam-Status")
    assert status.endswith("autolearn=unavailable (not scanned)")
    assert not message.values("X-Virus-Scanned")[0].startswith("not")


def test_spamd_is_down(bench: Bench, serve: Serve, clamd: Clamd, spamd: Spamd) -> None:
    """The message passes, and says that nobody looked for spam."""
    serve(HASTE, clamd=clamd.socket, spamd=spamd.socket)
    spamd.stop()
    subject, reply = bench.send()
    assert_answered("spamd is down", reply)
    assert_not_scanned_for_spam(bench, subject)


@pytest.mark.parametrize(
    ("name", "script"),
    [
        ("spamd hangs", fake_spamd.hangs_before_answer),
        ("spamd dies while it is given the message", fake_spamd.dies_after_head),
        ("spamd answers garbage", fake_spamd.answers(b"\xff\xfegarbage\r\n\r\n")),
    ],
)
def test_spamd_breaks(bench: Bench, serve: Serve, clamd: Clamd, name: str, script: Script) -> None:
    """No score is never a good score."""
    with Scripted(script) as server:
        serve(HASTE, clamd=clamd.socket, spamd=server.socket)
        subject, reply = bench.send()
        assert_answered(name, reply)
        assert_not_scanned_for_spam(bench, subject)


def test_spamd_is_down_and_must_not(bench: Bench, serve: Serve, clamd: Clamd, spamd: Spamd) -> None:
    """on_failure = "tempfail": 451 until it is back."""
    strict: toml.Table = {"checks": {"spamd": {"on_failure": "tempfail"}}}
    serve(settled(strict), clamd=clamd.socket, spamd=spamd.socket)
    spamd.stop()
    subject, reply = bench.send()
    assert_answered('spamd is down, and its on_failure is "tempfail"', reply)
    bench.assert_withheld(subject)
    spamd.start()
    bench.until_taken(subject)
    bench.assert_once_and_scanned(subject)


def test_an_infected_message_is_refused_though_spamd_hangs(bench: Bench, serve: Serve, clamd: Clamd) -> None:
    """Nobody waits for the slower scanner once the other has decided."""
    with Scripted(fake_spamd.hangs_before_answer) as server:
        serve({"server": {"deadline_seconds": 20.0}}, clamd=clamd.socket, spamd=server.socket)
        _, reply = bench.send(EICAR + b"\r\n")
    assert str(reply).startswith("554 5.7.0 ")


# --- disks and database ---------------------------------------------------------------------------


@contextlib.contextmanager
def small_disk(folder: Path, *, size: str = "1m") -> Iterator[None]:
    """A file system that is full soon; what is in the folder is hidden while it lasts."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=777", "tmpfs", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def copies(milterguard: Milterguard) -> list[Path]:
    return list(milterguard.quarantine.glob("?/virus-*"))


def test_the_quarantine_cannot_be_written(bench: Bench, serve: Serve, clamd: Clamd) -> None:
    """What must be kept and cannot is not accepted."""
    milterguard = serve(HASTE, clamd=clamd.socket)
    hidden = milterguard.quarantine.with_name("hidden")
    milterguard.quarantine.rename(hidden)
    milterguard.quarantine.write_text("a file where the folder should be")
    subject, reply = bench.send(EICAR + b"\r\n", to=KEPT)
    assert_answered("the quarantine cannot be written, and the message must be kept", reply)
    milterguard.quarantine.unlink()
    hidden.rename(milterguard.quarantine)
    assert bench.again(subject, EICAR + b"\r\n", to=KEPT).code == 250
    assert len(copies(milterguard)) == 1
    bench.assert_withheld(subject)


def test_the_quarantine_is_full(bench: Bench, serve: Serve, clamd: Clamd) -> None:
    """ENOSPC is no copy, and no part of a file is left to be taken for one."""
    milterguard = serve(HASTE, clamd=clamd.socket)
    big = EICAR + b"\r\n" + (b"x" * 70 + b"\r\n") * 30_000
    with small_disk(milterguard.quarantine):
        subject, reply = bench.send(big, to=KEPT)
        assert_answered("the quarantine's disk is full, and the message must be kept", reply)
        assert copies(milterguard) == []
    assert bench.again(subject, big, to=KEPT).code == 250
    assert len(copies(milterguard)) == 1
    bench.assert_withheld(subject)


def test_the_spool_is_full(bench: Bench, serve: Serve, clamd: Clamd, short_folder: Path) -> None:
    """A message that cannot be held to the end is not accepted; the next one is."""
    spool = short_folder / "spool"
    body = (b"x" * 70 + b"\r\n") * 30_000
    with small_disk(spool):
        serve(settled({"server": {"spool_directory": str(spool)}}), clamd=clamd.socket)
        subject, reply = bench.send(body)
        assert_answered("the spool's disk is full", reply)
        bench.assert_withheld(subject)
        bench.until_taken(subject)
        bench.assert_once_and_scanned(subject)


def test_the_database_is_locked(bench: Bench, serve: Serve, clamd: Clamd) -> None:
    """The answer does not wait; the record is written when the lock is gone."""
    milterguard = serve(HASTE, clamd=clamd.socket)
    upgrade_running(milterguard)
    database = milterguard.folder / "milterguard.db"
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        subject, reply = bench.send()
        assert_answered("the database is locked", reply)
        bench.assert_once_and_scanned(subject)
        other.execute("ROLLBACK")
    wait_until(lambda: recorded(database, subject), seconds=30, what="the record")


def test_the_database_is_missing(bench: Bench, serve: Serve, clamd: Clamd) -> None:
    """Mail flows without a journal; what was answered meanwhile is recorded once there is one."""
    milterguard = serve(HASTE, clamd=clamd.socket)
    subject, reply = bench.send()
    assert_answered("the database is missing", reply)
    bench.assert_once_and_scanned(subject)
    upgrade_running(milterguard)
    wait_until(lambda: recorded(milterguard.folder / "milterguard.db", subject), seconds=30, what="the record")


def upgrade_running(milterguard: Milterguard) -> None:
    done = milterguard.cli("db", "upgrade")
    assert done.returncode == 0, done.stderr


def recorded(database: Path, subject: Subject) -> bool:
    with contextlib.closing(sqlite3.connect(database)) as connection:
        rows = connection.execute("SELECT 1 FROM msgs WHERE subject = ?", (subject,)).fetchall()
    return len(rows) == 1


# --- load and processes ---------------------------------------------------------------------------


def test_too_many_messages(bench: Bench, serve: Serve, clamd: Clamd) -> None:
    """Over max_messages the answer is 451 at once, and no queue grows."""
    arrived = threading.Event()

    def holds(exchange: Exchange) -> None:
        fake_clamd.take(exchange)
        arrived.set()
        exchange.hang()

    one_only: toml.Table = {"server": {"workers": 1, "max_messages": 1, "max_messages_total": 1}}
    with Scripted(holds) as server:
        serve(settled(one_only), clamd=server.socket)
        first = threading.Thread(target=bench.send)
        first.start()
        assert arrived.wait(20)
        subject, reply = bench.send()
        server.script = fake_clamd.clean
        first.join()
        assert_answered("too many messages are in work", reply)
        bench.assert_withheld(subject)
        bench.until_taken(subject)
        bench.assert_once_and_scanned(subject)


@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA", "the content"])
def test_workers_killed_between_commands(bench: Bench, serve: Serve, clamd: Clamd, stage: str) -> None:
    """The session's current command gets 451; the message comes through over a new session."""
    milterguard = serve(HASTE, clamd=clamd.socket)
    subject = f"message {next(_count)}"
    with Smtp(bench.postfix.port) as smtp:
        smtp.ehlo()
        steps: list[tuple[str, Callable[[], Reply]]] = [
            ("MAIL", lambda: smtp.command(f"MAIL FROM:<{SENDER}>")),
            ("RCPT", lambda: smtp.command(f"RCPT TO:<{USER}>")),
            ("DATA", lambda: smtp.command("DATA")),
            ("the content", lambda: smtp.content(octets(subject, b"Hello.\r\n"))),
        ]
        for name, step in steps:
            if name == stage:
                kill_workers(milterguard)
            reply = step()
            if not reply.is_accepted:
                break
    assert_answered(f"a worker is killed before {stage}", reply)
    bench.assert_withheld(subject)
    bench.until_taken(subject)
    bench.assert_once_and_scanned(subject)


@pytest.mark.parametrize(
    ("name", "octets_before"),
    [("while the content comes", 100_000), ("while it waits for the scanners", 0)],
)
def test_workers_killed_within_the_content(bench: Bench, serve: Serve, name: str, octets_before: int) -> None:
    """Killed while the body streams, and after it: 451, nothing delivered, then once."""
    begun = threading.Event()

    def holds(exchange: Exchange) -> None:
        exchange.read_until(b"\0")
        if octets_before:
            exchange.read(octets_before)
        else:
            exchange.connection.settimeout(20)
            while not exchange.content.endswith(b"\0\0\0\0"):
                exchange.content += exchange.connection.recv(65536)
        begun.set()
        exchange.hang()

    body = (b"x" * 70 + b"\r\n") * 100_000 if octets_before else b"Hello.\r\n"
    with Scripted(holds) as server:
        milterguard = serve(settled({"server": {"deadline_seconds": 20.0}}), clamd=server.socket)
        answers: list[tuple[Subject, Reply]] = []
        sending = threading.Thread(target=lambda: answers.append(bench.send(body)))
        sending.start()
        assert begun.wait(20)
        kill_workers(milterguard)
        sending.join()
        ((subject, reply),) = answers
        assert_answered(f"a worker is killed {name}", reply)
        bench.assert_withheld(subject)
        server.script = fake_clamd.clean
        bench.until_taken(subject)
        bench.assert_once_and_scanned(subject)


def test_milterguard_is_stopped(bench: Bench, serve: Serve, clamd: Clamd) -> None:
    """milter_default_action = tempfail holds while nobody listens."""
    milterguard = serve(HASTE, clamd=clamd.socket)
    milterguard.stop()
    subject, reply = bench.send()
    assert_answered("milterguard is stopped", reply)
    bench.assert_withheld(subject)
    milterguard.start()
    bench.until_taken(subject)
    bench.assert_once_and_scanned(subject)


def test_a_reload_with_a_broken_configuration(bench: Bench, serve: Serve, clamd: Clamd) -> None:
    """The old settings hold, and the log says what is wrong with the new ones."""
    milterguard = serve(HASTE, clamd=clamd.socket)
    milterguard.configuration.write_text("[server]\nworkerz = 2\n")
    milterguard.signal(signal.SIGHUP)
    wait_until(lambda: "workerz" in milterguard.log(), seconds=20, what="the complaint")
    subject, reply = bench.send()
    assert_answered("a reload finds a broken configuration", reply)
    bench.assert_once_and_scanned(subject)


def test_the_documented_table_is_the_tested_one() -> None:
    """docs/operations.md shows exactly these faults and answers; ``faults.py`` writes them."""
    text = OPERATIONS.read_text()
    assert documented(text) == text


def test_every_fault_of_the_table_is_made_here() -> None:
    """No row without its test."""
    source = Path(__file__).read_text()
    stages = [f"a worker is killed before {stage}" for stage in ("MAIL", "RCPT", "DATA", "the content")]
    held = ["a worker is killed while the content comes", "a worker is killed while it waits for the scanners"]
    assert [name for name in FAULTS if name not in source and name not in stages + held] == []
