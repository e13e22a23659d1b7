# SPDX-License-Identifier: GPL-3.0-or-later
"""A spamd that is well, and all the ways in which one can be ill.

with FakeSpamd(spamd.scores(7.5, tests="GTUBE=7.5")) as server:
    SpamdCheck(Spamd(sockets=(server.socket,)))
"""

from tests.fakes.scripted import Exchange, Script, Scripted

FakeSpamd = Scripted


def take(exchange: Exchange) -> str:
    """Read one request, its message into ``content``; return its protocol head."""
    head = exchange.read_until(b"\r\n\r\n").decode("ascii")
    for line in head.split("\r\n"):
        name, _, value = line.partition(":")
        if name.lower() == "content-length":
            exchange.content += exchange.read(int(value))
    return head


def answers(*packets: bytes) -> Script:
    """Take a request and answer in so many packets, literally."""

    def script(exchange: Exchange) -> None:
        take(exchange)
        for packet in packets:
            exchange.send(packet)

    return script


def answer(spam: str = "True ; 7.5 / 5.0", body: bytes = b"", *, length: int | None = None) -> bytes:
    """Return spamd's answer to HEADERS, right unless told otherwise."""
    size = len(body) if length is None else length
    return f"SPAMD/1.1 0 EX_OK\r\nContent-length: {size}\r\nSpam: {spam}\r\n\r\n".encode() + body


def header_section(*, tests: str = "", scored: str = "", autolearn: str = "no") -> bytes:
    """Return the fields SpamAssassin puts on top, folded as it does."""
    status = f"X-Spam-Status: Yes, score=7.5 required=5.0 tests={tests or 'none'}\r\n\tautolearn={autolearn}"
    lines = [status + " autolearn_force=no version=4.0.1", "X-Spam-Level: *******"]
    if scored:
        lines.append(f"X-Spam-Tests-Scores: {scored}")
    return ("\r\n".join(lines) + "\r\nSubject: hello\r\n\r\n").encode()


def scores(points: float, *, tests: str = "", scored: str = "", autolearn: str = "no") -> Script:
    """Be a spamd that gives every message these points."""
    body = header_section(tests=tests, scored=scored, autolearn=autolearn)
    return answers(answer(f"{points >= 5} ; {points:.1f} / 5.0", body))


pongs = answers(b"SPAMD/1.5 0 PONG\r\n")


def closes_at_once(exchange: Exchange) -> None:
    exchange.connection.close()


def dies_after_head(exchange: Exchange) -> None:
    exchange.read_until(b"\r\n\r\n")


def resets_after_head(exchange: Exchange) -> None:
    exchange.read_until(b"\r\n\r\n")
    exchange.reset()


def dies_before_answer(exchange: Exchange) -> None:
    take(exchange)


def hangs_without_reading(exchange: Exchange) -> None:
    exchange.hang()


def hangs_before_answer(exchange: Exchange) -> None:
    take(exchange)
    exchange.hang()


def hangs_within_answer(exchange: Exchange) -> None:
    take(exchange)
    exchange.send(answer(body=b"X-Spam-Status: Yes\r\n", length=1000))
    exchange.hang()


def drips(exchange: Exchange) -> None:
    take(exchange)
    exchange.drip(answer(), 0.05)


def floods(exchange: Exchange) -> None:
    """Send an answer without end."""
    take(exchange)
    exchange.send(answer(length=10**12))
    while True:
        exchange.send(b"X-Junk: 1\r\n" * 8192)


def _status(code: int, word: str) -> Script:
    return answers(f"SPAMD/1.5 {code} {word}\r\n".encode())


BROKEN: dict[str, Script] = {
    "closes at once": closes_at_once,
    "dies after the head": dies_after_head,
    "resets after the head": resets_after_head,
    "dies before the answer": dies_before_answer,
    "hangs without reading": hangs_without_reading,
    "hangs before the answer": hangs_before_answer,
    "hangs within the answer": hangs_within_answer,
    "drips": drips,
    "floods": floods,
    "garbage": answers(b"\xff\xfe\x00garbage\r\n\r\n"),
    "HTTP": answers(b"HTTP/1.0 400 Bad Request\r\n\r\n"),
    "status line only": answers(b"SPAMD/1.1 0 EX_OK\r\n"),
    "half a status line": answers(b"SPAMD/1.1 0"),
    "status is no number": answers(b"SPAMD/1.1 zero EX_OK\r\nSpam: False ; 0 / 5\r\n\r\n"),
    "no end of head": answers(b"SPAMD/1.1 0 EX_OK\r\nSpam: False ; 0 / 5\r\n"),
    "head of 64 KB": answers(b"SPAMD/1.1 0 EX_OK\r\n" + b"A: 1\r\n" * 11000 + b"Spam: False ; 0 / 5\r\n\r\n"),
    "head not ASCII": answers(b"SPAMD/1.1 0 EX_OK\r\n\xff\xfe: 1\r\nSpam: False ; 0 / 5\r\n\r\n"),
    "no Spam": answers(b"SPAMD/1.1 0 EX_OK\r\nContent-length: 0\r\n\r\n"),
    "nan": answers(answer("True ; nan / 5.0")),
    "inf": answers(answer("True ; inf / 5.0")),
    "-inf": answers(answer("False ; -inf / 5.0")),
    "1e309": answers(answer("True ; 1e309 / 5.0")),
    "1e300": answers(answer("True ; 1e300 / 5.0")),
    "threshold nan": answers(answer("True ; 7.5 / nan")),
    "comma decimals": answers(answer("True ; 7,5 / 5,0")),
    "neither true nor false": answers(answer("Maybe ; 7.5 / 5.0")),
    "no threshold": answers(answer("True ; 7.5")),
    "too short": answers(answer(body=b"X-Spam", length=100)),
    "too long": answers(answer(body=b"X-Spam-Status: Yes\r\n", length=3)),
    "length is no number": answers(b"SPAMD/1.1 0 EX_OK\r\nContent-length: x\r\nSpam: False ; 0 / 5\r\n\r\n"),
    "length is negative": answers(b"SPAMD/1.1 0 EX_OK\r\nContent-length: -1\r\nSpam: False ; 0 / 5\r\n\r\n"),
    "EX_USAGE": _status(64, "EX_USAGE"),
    "EX_TEMPFAIL": _status(75, "EX_TEMPFAIL"),
    "EX_PROTOCOL": _status(76, "Bad header line: (Unknown header)"),
    "EX_TIMEOUT": _status(79, "Timeout: (30 second timeout while trying to HEADERS)"),
    "unknown status": _status(99, "WHAT"),
    "unknown status with a score": answers(b"SPAMD/1.1 42 EX\r\nContent-length: 0\r\nSpam: False ; 0 / 5\r\n\r\n"),
}
"""Each of these must end as a failure: nothing is known about the message."""
