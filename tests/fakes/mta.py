# SPDX-License-Identifier: GPL-3.0-or-later
"""Plays the MTA towards a milter: speaks the wire protocol, collects what the milter wants changed.

    with Mta(address) as mta:
        ending = mta.message(Mail(fields=[("Subject", "x")]))
        assert ending.line.startswith("554")

*Source:* sendmail's ``mfdef.h``; the milter protocol of versions 2 and 6.
"""

import socket
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

ALL_ACTIONS = 0x1FF
ALL_STEPS = 0x1FFFFF
"""What Postfix 3 offers."""
LEADING_SPACE = 1 << 20

_NO_REPLY = {"C": 12, "H": 13, "M": 14, "R": 15, "T": 16, "L": 7, "N": 18, "B": 19}
_NO_STEP = {"C": 0, "H": 1, "M": 2, "R": 3, "B": 4, "L": 5, "N": 6, "T": 9}
"""Bits by which a milter says that it does not answer, or does not want, a step."""
_FINAL = frozenset("acdrtyf4s")

Address = tuple[str, int] | str
Macros = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Ending:
    """How a step ended."""

    command: str
    """a accept, c continue, d discard, r reject, t tempfail, y with a line of text."""
    line: str = ""
    """The SMTP reply, when the milter gave one."""
    changes: tuple[tuple[str, bytes], ...] = ()
    """Modifications as they came: command and data."""
    progress: int = 0
    """How often the milter asked for patience."""

    @property
    def is_accepted(self) -> bool:
        return self.command in "ac"


@dataclass(frozen=True, slots=True)
class Mail:
    """A message and what a client says around it."""

    sender: str = "<sender@sender.example>"
    recipients: Sequence[str] = ("<user@ours.example>",)
    fields: Sequence[tuple[str, str]] = (("From", "sender@sender.example"), ("Subject", "x"))
    body: bytes = b"hello\r\n"
    queue_id: str = "4QueueId"


@dataclass(slots=True)
class Delivered:
    """A message as the MTA would deliver it: the milter's modifications applied."""

    fields: list[tuple[str, str]]
    recipients: list[str] = field(default_factory=list)
    parameters: dict[str, str] = field(default_factory=dict)
    """Of recipients that the milter has added, by address."""


class Mta:
    """One connection to a milter. Steps return None when the milter does not answer them."""

    def __init__(self, address: Address, *, timeout: float = 20.0) -> None:
        """``address``: host and port, or the path of a unix socket."""
        if isinstance(address, str):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(timeout)
            self.socket.connect(address)
        else:
            self.socket = socket.create_connection(address, timeout=timeout)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._stream = self.socket.makefile("rb")
        self.actions = 0
        self.steps = 0
        self.macro_lists = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- the wire ----------------------------------------------------------------------------

    def send(self, command: str, data: bytes = b"") -> None:
        self.socket.sendall(struct.pack("!I", len(data) + 1) + command.encode() + data)

    def receive(self) -> tuple[str, bytes]:
        """Return one packet. Raises EOFError when the milter is gone."""
        (length,) = struct.unpack("!I", self._exactly(4))
        packet = self._exactly(length)
        return chr(packet[0]), packet[1:]

    def _exactly(self, size: int) -> bytes:
        octets = self._stream.read(size)
        if len(octets) < size:
            raise EOFError("the milter closed the connection")
        return octets

    # --- steps -------------------------------------------------------------------------------

    def negotiate(self, *, version: int = 6, actions: int = ALL_ACTIONS, steps: int = ALL_STEPS) -> None:
        self.send("O", struct.pack("!III", version, actions, steps))
        command, data = self.receive()
        assert command == "O", command
        _, self.actions, self.steps = struct.unpack("!III", data[:12])
        self.macro_lists = data[12:]
        assert not self.actions & ~actions, "the milter wants actions that were not offered"
        assert not self.steps & ~steps, "the milter wants steps that were not offered"

    def macros(self, step: str, values: Macros) -> None:
        if values:
            words = b"".join(key.encode() + b"\0" + value.encode() + b"\0" for key, value in values.items())
            self.send("D", step.encode() + words)

    def step(self, command: str, data: bytes = b"", macros: Macros | None = None) -> Ending | None:
        """Take a step as it was negotiated; return its answer, if it has one."""
        self.macros(command, macros or {})
        if _is_set(self.steps, _NO_STEP.get(command)):
            return None
        self.send(command, data)
        return None if _is_set(self.steps, _NO_REPLY.get(command)) else self._ending()

    def connect(
        self, name: str = "mx.sender.example", ip: str = "192.0.2.7", *, port: int = 4711, macros: Macros | None = None
    ) -> Ending | None:
        family = b"6" if ":" in ip else b"4"
        data = name.encode() + b"\0" + family + struct.pack("!H", port) + ip.encode() + b"\0"
        return self.step("C", data, {"j": "mta.ours.example"} if macros is None else macros)

    def helo(self, name: str = "mx.sender.example", macros: Macros | None = None) -> Ending | None:
        return self.step("H", name.encode() + b"\0", macros)

    def mail(self, *words: str | bytes, macros: Macros | None = None) -> Ending | None:
        return self.step("M", _words(words), macros)

    def rcpt(self, *words: str | bytes, macros: Macros | None = None) -> Ending | None:
        return self.step("R", _words(words), macros)

    def data(self, queue_id: str = "4QueueId") -> Ending | None:
        return self.step("T", b"", {"i": queue_id})

    def field(self, name: str, value: str | bytes) -> Ending | None:
        """Send a field; ``value`` without the one space that stands behind the colon."""
        octets = value.encode() if isinstance(value, str) else value
        space = b" " if self.steps & LEADING_SPACE else b""
        return self.step("L", name.encode() + b"\0" + space + octets + b"\0")

    def end_of_header(self) -> Ending | None:
        return self.step("N")

    def body(self, octets: bytes, *, chunk: int = 65535) -> None:
        for start in range(0, len(octets), chunk):
            self.step("B", octets[start : start + chunk])

    def end_of_message(self) -> Ending:
        self.send("E")
        return self._ending()

    def abort(self) -> None:
        self.send("A")

    def quit(self) -> None:
        self.send("Q")
        self.close()

    def close(self) -> None:
        self._stream.close()
        self.socket.close()

    # --- dialogues ---------------------------------------------------------------------------

    def greet(self) -> Self:
        """Negotiate as Postfix does, connect, say EHLO."""
        self.negotiate()
        self.connect()
        self.helo()
        return self

    def begin(self, mail: Mail) -> Ending | None:
        """Send everything before the body; return the first refusal of a command."""
        for answer in (self.mail(mail.sender), *(self.rcpt(each) for each in mail.recipients)):
            if answer is not None and not answer.is_accepted:
                return answer
        answer = self.data(mail.queue_id)
        if answer is not None and not answer.is_accepted:
            return answer
        for name, value in mail.fields:
            self.field(name, value)
        self.end_of_header()
        return None

    def message(self, mail: Mail) -> Ending:
        """Send one whole message; return the final answer, or the first refusal of a command."""
        refusal = self.begin(mail)
        if refusal is not None:
            self.abort()
            return refusal
        self.body(mail.body)
        return self.end_of_message()

    def _ending(self) -> Ending:
        changes: list[tuple[str, bytes]] = []
        progress = 0
        while True:
            command, data = self.receive()
            if command in _FINAL:
                line = data.rstrip(b"\0").decode().replace("%%", "%") if command == "y" else ""
                return Ending(command, line, tuple(changes), progress)
            if command == "p":
                progress += 1
            else:
                changes.append((command, data))


def delivered(mail: Mail, ending: Ending) -> Delivered:
    """Return what would be delivered of a message after the milter's changes, as Postfix applies them."""
    result = Delivered(list(mail.fields), list(mail.recipients))
    for command, data in ending.changes:
        match command:
            case "i":
                name, value = _name_value(data[4:])
                result.fields.insert(struct.unpack("!I", data[:4])[0], (name, value))
            case "h":
                result.fields.append(_name_value(data))
            case "m":
                _change(result.fields, struct.unpack("!I", data[:4])[0], *_name_value(data[4:]))
            case "+" | "2":
                address, parameters = _name_value(data if command == "2" else data + b"\0")
                result.recipients.append(address)
                result.parameters[address] = parameters
            case "-":
                result.recipients.remove(data.rstrip(b"\0").decode())
            case _:
                raise AssertionError(f"unexpected modification {command!r}")
    return result


def _change(fields: list[tuple[str, str]], number: int, name: str, value: str) -> None:
    places = [place for place, (each, _) in enumerate(fields) if each.lower() == name.lower()]
    if number > len(places):
        fields.append((name, value))
    elif value:
        fields[places[number - 1]] = (name, value)
    else:
        del fields[places[number - 1]]


def _name_value(data: bytes) -> tuple[str, str]:
    name, value = (
        data.rstrip(b"\0").split(b"\0")
        if data.count(b"\0") > 1 and data[-2:] != b"\0\0"
        else (
            data.split(b"\0")[0],
            b"",
        )
    )
    return name.decode(), value.decode().removeprefix(" ")


def _words(words: Sequence[str | bytes]) -> bytes:
    return b"".join((each.encode() if isinstance(each, str) else each) + b"\0" for each in words)


def _is_set(bits: int, bit: int | None) -> bool:
    return bit is not None and bool(bits >> bit & 1)
