# SPDX-License-Identifier: GPL-3.0-or-later
"""An MTA on loopback that takes released mail and asks a real guard about it, as Postfix asks our milter."""

import contextlib
import socketserver
import threading
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from milterguard.config.settings import Settings
from milterguard.core.destiny import Destiny
from milterguard.core.envelope import Envelope, Recipient
from milterguard.core.message import Field
from milterguard.guard import Guard
from milterguard.job import Rules
from milterguard.lookup.policies import Policies
from milterguard.scan import Scan
from milterguard.store.tokens import ReleaseGate
from tests.core.build import CLIENT, Octets


@dataclass(frozen=True, slots=True)
class Delivery:
    sender: str
    recipients: tuple[str, ...]
    octets: bytes
    """As they came, the token field removed if the guard said so."""
    released: str
    """The mail id, when the guard recognised the message."""

    @property
    def fields(self) -> bytes:
        return self.octets.partition(b"\r\n\r\n")[0]


@dataclass
class Mta:
    """Listens on ``port`` between enter and exit."""

    gate: ReleaseGate | None = None
    """None: a port that asks no milter."""
    replies: dict[str, str] = field(default_factory=dict)
    """Other replies than 250, by the beginning of the command: ``RCPT TO:<a@b.example>``, ``.`` …"""
    hangs_up: str = ""
    """``before milter`` or ``after milter``: when the connection breaks behind the final dot."""
    extensions: tuple[str, ...] = ("8BITMIME", "SMTPUTF8")
    delivered: list[Delivery] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    has_data: threading.Event = field(default_factory=threading.Event)
    """Set when a message comes in."""
    may_answer: threading.Event = field(default_factory=threading.Event)
    """The final dot is answered once this is set."""

    def __post_init__(self) -> None:
        self.may_answer.set()
        mta = self

        class Session(_Session):
            door = mta

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Session)
        self._server.daemon_threads = False
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self.port: int = self._server.server_address[1]
        scan = Scan([], threads=1)
        self.guard = Guard(
            Policies(Settings()), scan, keeper=_KeepsNothing(), recorders=[], rules=Rules(), gate=self.gate
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self.guard.close()


class _KeepsNothing:
    def keep(self, message: object, decision: object, findings: object) -> str:
        return ""


class _Session(socketserver.StreamRequestHandler):
    door: Mta

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            self._say("220 mta.example ESMTP")
            self._recipients: list[str] = []
            while line := self.rfile.readline():
                verb, *rest = line.decode().rstrip("\r\n").split(" ", 1)
                command = " ".join([verb.upper(), *rest])
                self.door.commands.append(command)
                if not self._obey(command):
                    return

    def _obey(self, command: str) -> bool:
        verb = command.split(" ")[0].upper()
        reply = next((reply for start, reply in self.door.replies.items() if command.startswith(start)), None)
        if reply is not None:
            self._say(reply)
        elif verb == "EHLO":
            words = ["mta.example", *self.door.extensions]
            self.wfile.write(
                "".join(f"250-{word}\r\n" for word in words[:-1]).encode() + f"250 {words[-1]}\r\n".encode()
            )
        elif verb == "MAIL":
            self._sender, self._recipients = command.partition("<")[2].partition(">")[0], []
            self._say("250 2.1.0 Ok")
        elif verb == "RCPT":
            self._recipients.append(command.partition("<")[2].rpartition(">")[0])
            self._say("250 2.1.5 Ok")
        elif verb == "DATA":
            self._say("354 Go ahead")
            return self._take()
        elif verb == "QUIT":
            self._say("221 2.0.0 Bye")
            return False
        else:
            self._say("250 2.0.0 Ok")
        return True

    def _take(self) -> bool:
        octets = bytearray()
        while (line := self.rfile.readline()) not in {b".\r\n", b""}:
            octets += line[1:] if line.startswith(b".") else line
        if not line:
            return False
        self.door.has_data.set()
        self.door.may_answer.wait(30)
        if "." in self.door.replies or self.door.hangs_up == "before milter":
            return self._end(self.door.replies.get("."))
        return self._end(self._judge(bytes(octets)))

    def _end(self, reply: str | None) -> bool:
        if self.door.hangs_up or reply is None:
            return False
        self._say(reply)
        return True

    def _judge(self, octets: bytes) -> str:
        """Ask the guard, deliver what it lets pass, and return the reply."""
        head, _, body = octets.partition(b"\r\n\r\n")
        lines = head.replace(b"\r\n ", b"\n ").split(b"\r\n")
        fields = [Field(name, value) for name, _, value in (line.partition(b":") for line in lines)]
        guard = self.door.guard
        traffic = guard.traffic(CLIENT)
        judged = [guard.judged(address, parameters=(), traffic=traffic) for address in self._recipients]
        envelope = Envelope(self._sender, tuple(Recipient(address) for address in self._recipients), CLIENT, traffic)
        verdict = guard.finish(guard.begin(guard.message(envelope, fields, Octets(body)), judged))
        if verdict.answer is not Destiny.PASS:
            return str(verdict.reply)
        if verdict.released:
            octets = b"\r\n".join(
                line for line in octets.split(b"\r\n") if not line.startswith(b"X-Milterguard-Release")
            )
        self.door.delivered.append(Delivery(self._sender, tuple(self._recipients), octets, verdict.released))
        return f"250 2.0.0 Ok: queued as Q{len(self.door.delivered)}"

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())
