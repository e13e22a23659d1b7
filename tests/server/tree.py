# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole process tree with the real Guard and a check of the tests' own.

The check does what the message's ``X-Say`` field says: words separated by spaces, taken in order:
``wait:SECONDS``, ``read`` (the whole content), ``virus``, ``spam``, ``discard``, ``raise``. Run as
a program it serves; ``Tree`` starts and stops it.
"""

import dataclasses
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from milterguard.checks.base import Budget, Inside
from milterguard.config.on_failure import OnFailure
from milterguard.config.settings import Observe, Server, Settings
from milterguard.core.destiny import Destiny
from milterguard.core.envelope import Client, Recipient, Traffic
from milterguard.core.finding import Category, Finding
from milterguard.core.message import Message, blocks
from milterguard.core.policy import Policy
from milterguard.core.proofs import Proofs
from milterguard.core.report import Record
from milterguard.core.verdict import Decision, Judged
from milterguard.errors import CheckTimeout, ConfigError
from milterguard.guard import Guard
from milterguard.job import Rules
from milterguard.scan import Checked, Scan
from tests.fakes.mta import Address, Mta

REPOSITORY = Path(__file__).parents[2]


class Says:
    """A check that does what the message tells it to."""

    name = "says"

    def run(self, message: Message, budget: Budget, inside: Inside) -> tuple[Finding, ...]:
        finding = Finding(self.name, Category.CLEAN, "", "")
        for word in message.first(b"X-Say").decode().split():
            verb, _, argument = word.partition(":")
            match verb:
                case "wait":
                    ended = threading.Event()
                    budget.on_cancel(ended.set)
                    seconds = budget.remaining(float(argument))
                    if ended.wait(seconds) or seconds < float(argument):
                        raise CheckTimeout(self.name, "no more time")
                case "stubborn":
                    time.sleep(float(argument))
                case "read":
                    size = sum(len(block) for block in blocks(message, deadline=budget.deadline))
                    assert size == message.size()
                case "virus":
                    finding = Finding(self.name, Category.VIRUS, "", f"Test.{argument or 'Virus'}")
                case "spam":
                    finding = Finding(self.name, Category.SPAM, "", "", score=float(argument or 100))
                case "discard":
                    finding = Finding(self.name, Category.BANNED, "", "banned")
                case "die":
                    os.kill(os.getpid(), signal.SIGKILL)
                case "raise":
                    raise RuntimeError("a bug in a check")
        return (finding,)

    def close(self) -> None: ...


class Policies:
    """Everybody at ours.example is ours; ``lover@`` wants viruses; BANNED is discarded.

    ``ext@`` has an extension, mail for ``moved@`` goes to ``there@``, that for ``logged@`` to ``log@`` as well.
    """

    def traffic(self, client: Client, sender: str = "") -> Traffic:
        return Traffic.INBOUND

    need_proofs = False

    def banks(self, client: Client, sender: str, traffic: Traffic, proofs: Proofs | None = None) -> tuple[str, ...]:
        return ()

    def with_authors(
        self, judged: Sequence[Judged], *, sender: str, authors: Sequence[str], banks: tuple[str, ...] = ()
    ) -> tuple[Judged, ...]:
        return tuple(judged)

    def judged(
        self,
        address: str,
        *,
        parameters: tuple[str, ...],
        traffic: Traffic,
        banks: tuple[str, ...] = (),
        sender: str = "",
    ) -> Judged:
        if address.startswith("bug@"):
            raise RuntimeError("a bug in a lookup")
        name = address.partition("@")[0]
        policy = Policy(
            banned_destiny=Destiny.DISCARD,
            virus_lover=name == "lover",
            addr_extension=((Category.CLEAN, "clean"),) if name == "ext" else (),
            addr_rewrite=((Category.CLEAN, "there@ours.example"),) if name == "moved" else (),
            always_bcc=((Category.CLEAN, "log@ours.example"),) if name == "logged" else (),
        )
        return Judged(Recipient(address, address.endswith("@ours.example"), parameters), policy)


class NoKeeper:
    """Keeps nothing, and says it did."""

    def keep(self, message: Message, decision: Decision, findings: Sequence[Finding]) -> str:
        return f"kept-{message.mail_id}"


class Lines:
    """Appends a JSON line for each record to a file, in one write."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600) if path else -1

    def submit(self, record: Record) -> None:
        facts = {
            "queue_id": record.envelope.queue_id,
            "answer": record.answer.value,
            "decided": record.verdict.decision.answer.value,
            "is_observed": record.verdict.is_observed,
            "reply": record.reply,
            "size": record.size,
            "sender": record.envelope.sender,
            "recipients": [each.address for each in record.envelope.recipients],
            "client": dataclasses.asdict(record.envelope.client),
            "mta": record.envelope.mta,
            "subject": record.subject,
        }
        if self._file >= 0:
            os.write(self._file, json.dumps(facts).encode() + b"\n")


def make_guard(server: Server, records: str = "") -> Guard:
    """Return the real Guard with our check, and room for as many as are admitted."""
    checked = Checked(Says(), OnFailure())
    scan = Scan((checked,), threads=server.max_messages + 8)
    rules = Rules(
        deadline_seconds=server.deadline_seconds,
        delimiter="+",
        is_observing=server.observe is not Observe.OFF,
        is_marking=server.observe is not Observe.SILENT,
    )
    return Guard(Policies(), scan, keeper=NoKeeper(), recorders=(Lines(records),), rules=rules)


class Tree:
    """The running processes."""

    def __init__(self, folder: Path, *, environment: dict[str, str] | None = None, **server: object) -> None:
        """``server``: settings of ``[server]``; without ``listen`` a unix socket in ``folder``."""
        self.folder = folder
        self.path = str(folder / "milter.sock")
        self.configuration = folder / "settings.json"
        self.records = folder / "records"
        self.log = folder / "log"
        self._server = {"listen": [f"unix:{self.path}"], "workers": 2, "stop_grace_seconds": 3.0, **server}
        self._environment = environment or {}
        self.process: subprocess.Popen[bytes] | None = None
        self._notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notices.bind(str(folder / "notify"))
        self._notices.settimeout(20)

    def start(self) -> None:
        """Start, and return when it says READY."""
        self.write_settings()
        environment = {**os.environ, "NOTIFY_SOCKET": str(self.folder / "notify"), **self._environment}
        arguments = [sys.executable, "-m", "tests.server.tree", str(self.configuration), str(self.records)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(arguments, cwd=REPOSITORY, env=environment, stderr=log, stdout=log)
        self.await_notice("READY=1")

    def write_settings(self, **server: object) -> None:
        self._server |= server
        self.configuration.write_text(json.dumps(self._server))

    def await_notice(self, wanted: str) -> str:
        """Return the first notice that has this line. Raises TimeoutError."""
        while True:
            try:
                notice = self._notices.recv(4096).decode()
            except TimeoutError:
                raise TimeoutError(self.log.read_text()) from None
            if wanted in notice.splitlines():
                return notice

    def reload(self) -> str:
        """Send SIGHUP; return what READY says afterwards."""
        self.signal(signal.SIGHUP)
        self.await_notice_starting("RELOADING=1")
        return self.await_notice("READY=1")

    def await_notice_starting(self, wanted: str) -> None:
        self.await_notice(wanted)

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def workers(self) -> list[int]:
        """Return the pids of the children."""
        assert self.process is not None
        pid = self.process.pid
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def call(self, address: Address | None = None, *, timeout: float = 20.0) -> Mta:
        return Mta(address or self.path, timeout=timeout)

    def recorded(self) -> list[dict[str, Any]]:
        """Return the records that are written to the end."""
        written = self.records.read_text() if self.records.exists() else ""
        return [json.loads(line) for line in written.splitlines(keepends=True) if line.endswith("\n")]

    def await_record(self, number: int = 1) -> list[dict[str, Any]]:
        """Return the records once there are so many: they are written behind the answer."""
        end = time.monotonic() + 10
        while len(self.recorded()) < number and time.monotonic() < end:
            time.sleep(0.01)
        return self.recorded()

    def stop(self) -> int:
        """Send SIGTERM and return the exit status."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(timeout=30)
        finally:
            self.close()

    def close(self) -> None:
        self._notices.close()
        if self.process is not None and self.process.poll() is None:
            for pid in (*self.workers(), self.process.pid):
                os.kill(pid, signal.SIGKILL)
            self.process.wait()


@contextmanager
def running(folder: Path, *, environment: dict[str, str] | None = None, **server: object) -> Iterator[Tree]:
    """A tree that is ready; stopped at the end, and well until then."""
    tree = Tree(folder, environment=environment, **server)
    try:
        tree.start()
        yield tree
        assert tree.stop() == 0, tree.log.read_text()
    finally:
        tree.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _settings(path: Path) -> Settings:
    try:
        values = json.loads(path.read_text())
        values["listen"] = tuple(values["listen"])
        values["observe"] = Observe(values.get("observe", "off"))
        return Settings(server=Server(**values))
    except (ValueError, TypeError) as error:
        raise ConfigError(str(path), "", expected="settings", got=str(error)) from error


def main() -> int:
    from milterguard.server.generation import Pace
    from milterguard.server.supervisor import serve

    logging.basicConfig(level=logging.INFO, format="%(process)d %(levelname)s %(name)s %(message)s")
    path, records = Path(sys.argv[1]), sys.argv[2]
    pace = Pace(**json.loads(os.environ.get("TREE_PACE", "{}")))

    def guard(settings: Settings) -> Guard:
        if "no-guard" in settings.server.state_directory:
            raise RuntimeError("no guard can be made")
        return make_guard(settings.server, records)

    return serve(_settings(path), reload=lambda: _settings(path), make_guard=guard, pace=pace)


if __name__ == "__main__":
    sys.exit(main())
