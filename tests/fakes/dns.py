# SPDX-License-Identifier: GPL-3.0-or-later
"""A name server on loopback that knows what it is told, and can be told to misbehave.

Zones are written as the public suites write them: a name has a list of records, ``{"TXT": "…"}``, or of
``"TIMEOUT"`` and the like, which then hold for all types that it does not say something about.
"""

import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
from dns.rdatatype import RdataType

Zone = Mapping[str, Sequence[Any]]
FAULTS = {"SERVFAIL": dns.rcode.SERVFAIL, "REFUSED": dns.rcode.REFUSED, "NOTIMP": dns.rcode.NOTIMP}
"""Words that stand for an answer of that code; ``TIMEOUT``: none; ``GARBAGE``: octets; ``TRUNCATE``: by TCP only."""
_TTL = 300


class DnsServer:
    """Serves a zone over UDP and TCP on one port of 127.0.0.1 until it is closed."""

    def __init__(self, zone: Zone | None = None, *, delay_seconds: float = 0.0, ttl: int = _TTL) -> None:
        self.asked: Counter[tuple[str, str]] = Counter()
        """Questions by name in small letters and type, over UDP."""
        self.over_tcp = 0
        self.delay_seconds = delay_seconds
        self.fault = ""
        """A word that holds for every question."""
        self._ttl = ttl
        self._is_over = threading.Event()
        self._records: dict[str, list[Any]] = {}
        self.serve(zone or {})
        self._udp, self._tcp = _pair()
        self.port = int(self._udp.getsockname()[1])
        self._threads = [
            threading.Thread(target=self._serve_udp, name="dns udp", daemon=True),
            threading.Thread(target=self._serve_tcp, name="dns tcp", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    @property
    def address(self) -> str:
        """As ``dns.servers`` has it."""
        return f"127.0.0.1:{self.port}"

    def serve(self, zone: Zone) -> None:
        """Know this zone, and nothing else from now on."""
        self._records = {name.lower().rstrip("."): list(records) for name, records in zone.items()}

    def __enter__(self) -> "DnsServer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._is_over.set()
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waker:
            waker.sendto(b"", ("127.0.0.1", self.port))
        for thread in self._threads:
            thread.join(10)
        self._udp.close()
        self._tcp.close()

    def _serve_udp(self) -> None:
        while True:
            packet, peer = self._udp.recvfrom(4096)
            if self._is_over.is_set():
                return
            if self.delay_seconds:
                timer = threading.Timer(self.delay_seconds, self._answer_udp, (packet, peer))
                timer.daemon = True
                timer.start()
            else:
                self._answer_udp(packet, peer)

    def _answer_udp(self, packet: bytes, peer: Any) -> None:
        answer = self._answer(packet, is_udp=True)
        if answer is not None:
            with suppress(OSError):
                self._udp.sendto(answer, peer)

    def _serve_tcp(self) -> None:
        while True:
            connection, _ = self._tcp.accept()
            with connection:
                if self._is_over.is_set():
                    return
                connection.settimeout(5)
                with suppress(OSError, struct.error):
                    (length,) = struct.unpack("!H", _exactly(connection, 2))
                    self.over_tcp += 1
                    time.sleep(self.delay_seconds)
                    answer = self._answer(_exactly(connection, length), is_udp=False)
                    if answer is not None:
                        connection.sendall(struct.pack("!H", len(answer)) + answer)

    def _answer(self, packet: bytes, *, is_udp: bool) -> bytes | None:
        query = dns.message.from_wire(packet)
        question = query.question[0]
        name = _key(question.name)
        kind = dns.rdatatype.to_text(question.rdtype)
        if is_udp:
            self.asked[name, kind] += 1
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        word = self.fault or self._fill(response, question.name, question.rdtype)
        if word == "TIMEOUT":
            return None
        if word == "GARBAGE":
            return packet[:2] + b"\xff" * 7
        if word in FAULTS:
            response = dns.message.make_response(query)
            response.set_rcode(FAULTS[word])
        if is_udp and (word == "TRUNCATE" or len(response.to_wire(max_size=65535)) > 1232):
            response = dns.message.make_response(query)
            response.flags |= dns.flags.TC
        return response.to_wire(max_size=65535)

    def _fill(self, response: dns.message.Message, name: dns.name.Name, kind: RdataType) -> str:
        """Put the answer into the response; return the word of a fault, if there is one."""
        for _ in range(20):
            key = _key(name)
            if key not in self._records:
                if not any(known.endswith(f".{key}") for known in self._records):
                    response.set_rcode(dns.rcode.NXDOMAIN)
                return ""
            records = self._records[key]
            wanted = list(_of_type(records, kind))
            if wanted:
                response.answer.append(dns.rrset.from_text_list(name, self._ttl, "IN", kind, wanted))
                return "TRUNCATE" if "TRUNCATE" in records else ""
            aliases = list(_of_type(records, RdataType.CNAME))
            if not aliases:
                return next((each for each in records if isinstance(each, str) and each != "TRUNCATE"), "")
            response.answer.append(dns.rrset.from_text_list(name, self._ttl, "IN", "CNAME", aliases[:1]))
            name = dns.name.from_text(aliases[0])
        return ""


def _pair() -> tuple[socket.socket, socket.socket]:
    """Return a UDP and a TCP socket on the same port."""
    while True:
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("127.0.0.1", 0))
        tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            tcp.bind(udp.getsockname())
        except OSError:
            udp.close()
            tcp.close()
            continue
        tcp.listen()
        return udp, tcp


def _exactly(connection: socket.socket, count: int) -> bytes:
    octets = b""
    while len(octets) < count:
        octets += connection.recv(count - len(octets)) or _gone()
    return octets


def _gone() -> bytes:
    raise OSError("the client has gone")


def _key(name: dns.name.Name) -> str:
    return b".".join(name.labels[:-1]).decode("latin-1").lower()


def _of_type(records: Iterable[Any], kind: RdataType) -> Iterable[str]:
    """Yield the records of a type as a zone file has them; SPF records count as TXT where there is no TXT."""
    told = [record for record in records if isinstance(record, Mapping)]
    has_text = any("TXT" in record for record in told)
    for record in told:
        for name, value in record.items():
            if name == "SPF" and not has_text:
                name = "TXT"
            if name == dns.rdatatype.to_text(kind) and value != "NONE":
                yield _as_text(name, value)


def _as_text(name: str, value: Any) -> str:
    if name == "TXT":
        strings = value if isinstance(value, list) else [value]
        return " ".join(_quoted(piece) for string in strings for piece in _pieces(string)) or '""'
    if name == "MX":
        return f"{value[0]} {str(value[1]).rstrip('.')}."
    if name in ("PTR", "CNAME"):
        return f"{str(value).rstrip('.')}."
    return str(value)


def _pieces(string: str | bytes) -> Iterable[bytes]:
    octets = string if isinstance(string, bytes) else string.encode("latin-1", "xmlcharrefreplace")
    return [octets[start : start + 255] for start in range(0, len(octets), 255)] or [b""]


def _quoted(octets: bytes) -> str:
    shown = (chr(each) if 32 <= each < 127 and each not in b'"\\' else f"\\{each:03d}" for each in octets)
    return '"' + "".join(shown) + '"'
