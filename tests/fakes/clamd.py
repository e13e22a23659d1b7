# SPDX-License-Identifier: GPL-3.0-or-later
"""A clamd that is well, and all the ways in which one can be ill.

with FakeClamd(clamd.found("Eicar-Test-Signature")) as server:
    ClamdCheck(Clamd(sockets=(server.socket,)))
"""

import struct

from tests.fakes.scripted import Exchange, Script, Scripted

FakeClamd = Scripted


def take(exchange: Exchange) -> str:
    """Read one command; for INSTREAM the whole stream too, into ``content``."""
    command = exchange.read_until(b"\0")[1:-1].decode("ascii")
    if command == "INSTREAM":
        while size := struct.unpack("!L", exchange.read(4))[0]:
            exchange.content += exchange.read(size)
    return command


def replies(*packets: bytes) -> Script:
    """Take a command with its content and answer in so many packets."""

    def script(exchange: Exchange) -> None:
        take(exchange)
        for packet in packets:
            exchange.send(packet)

    return script


def found(name: str) -> Script:
    return replies(f"stream: {name} FOUND\0".encode())


def looks_for(pattern: bytes, name: str = "Eicar-Test-Signature") -> Script:
    """Be a scanner with one signature."""

    def script(exchange: Exchange) -> None:
        take(exchange)
        exchange.send(f"stream: {name} FOUND\0".encode() if pattern in exchange.content else b"stream: OK\0")

    return script


clean = replies(b"stream: OK\0")


def closes_at_once(exchange: Exchange) -> None:
    exchange.connection.close()


def dies_after_command(exchange: Exchange) -> None:
    exchange.read_until(b"\0")


def resets_after_command(exchange: Exchange) -> None:
    exchange.read_until(b"\0")
    exchange.reset()


def dies_within_chunk(exchange: Exchange) -> None:
    exchange.read_until(b"\0")
    exchange.read(6)


def dies_before_reply(exchange: Exchange) -> None:
    take(exchange)


def dies_within_reply(exchange: Exchange) -> None:
    take(exchange)
    exchange.send(b"stream: OK")


def hangs_without_reading(exchange: Exchange) -> None:
    exchange.hang()


def hangs_before_reply(exchange: Exchange) -> None:
    take(exchange)
    exchange.hang()


def hangs_within_reply(exchange: Exchange) -> None:
    take(exchange)
    exchange.send(b"stream: OK")
    exchange.hang()


def drips(exchange: Exchange) -> None:
    take(exchange)
    exchange.drip(b"stream: OK\0", 0.1)


def over_stream_limit(exchange: Exchange) -> None:
    """What clamd does at StreamMaxLength: say so, and hang up while the client is still sending."""
    exchange.read_until(b"\0")
    exchange.read(100)
    exchange.send(b"INSTREAM size limit exceeded. ERROR\0")


BROKEN: dict[str, Script] = {
    "closes at once": closes_at_once,
    "dies after the command": dies_after_command,
    "resets after the command": resets_after_command,
    "dies within a chunk": dies_within_chunk,
    "dies before the reply": dies_before_reply,
    "dies within the reply": dies_within_reply,
    "hangs without reading": hangs_without_reading,
    "hangs before the reply": hangs_before_reply,
    "hangs within the reply": hangs_within_reply,
    "drips": drips,
    "garbage": replies(b"\xff\xfe\x00garbage\r\n"),
    "HTTP": replies(b"HTTP/1.0 400 Bad Request\r\n\r\nstream: OK\r\n"),
    "newline instead of NUL": replies(b"stream: OK\n"),
    "newline before NUL": replies(b"stream: OK\n\0"),
    "blank behind OK": replies(b"stream: OK \0"),
    "lower case": replies(b"stream: ok\0"),
    "other name": replies(b"fd[10]: OK\0"),
    "empty": replies(b"\0"),
    "an error": replies(b"stream: Can't create temporary file ERROR\0"),
    "an error of INSTREAM": replies(b"INSTREAM: Error writing to temporary file. ERROR\0"),
    "unknown command": replies(b"UNKNOWN COMMAND\0"),
    "two NULs": replies(b"stream: OK\0\0"),
    "two replies": replies(b"stream: OK\0stream: Eicar FOUND\0"),
    "NUL inside": replies(b"stream: O\0K\0"),
    "found nothing": replies(b"stream:  FOUND\0"),
    "found without name": replies(b"stream: FOUND\0"),
    "name not UTF-8": replies(b"stream: Eicar-\xff\xfe FOUND\0"),
    "name of 64 KB": replies(b"stream: " + b"A" * 65536 + b" FOUND\0"),
    "64 KB without NUL": replies(b"A" * 65536),
}
"""Each of these must end as a failure: nothing is known about the message."""
