# SPDX-License-Identifier: GPL-3.0-or-later
"""One conversation with clamd is framed right and never outlasts its time."""

import socket
import time
from collections.abc import Callable

import pyclamd
import pytest

from milterguard.checks.clamd_client import AnyClamd, Garbled, client
from milterguard.config.socket import SocketSpec
from tests.fakes import clamd
from tests.fakes.clamd import FakeClamd
from tests.fakes.scripted import Exchange, Script


def test_client_is_pyclamds_and_makes_no_connection_of_its_own() -> None:
    """Making a client only makes it; pyclamd's commands work on it."""
    with FakeClamd(clamd.replies(b"PONG\0")) as server:
        made = client(SocketSpec.parse(server.socket), 1.0)
        assert isinstance(made, pyclamd.ClamdNetworkSocket)
        assert not server.exchanges
        with made:
            assert made.ping()


def test_commands_wait_no_longer_than_they_may() -> None:
    """pyclamd's own retries do not multiply the time."""
    with FakeClamd(clamd.hangs_before_reply) as server:
        made = client(SocketSpec.parse(server.socket), 1.0, reply_seconds=0.1)
        with made, pytest.raises(OSError, match="version"):
            made.version()


def test_interrupted_before_it_was_connected() -> None:
    """A client that was interrupted first fails at its first wait."""
    with FakeClamd(clamd.hangs_before_reply) as server, client(SocketSpec.parse(server.socket), 1.0) as made:
        made.interrupt()
        made.connect()
        with pytest.raises(Garbled, match="closed after 0 octets"):
            made.reply(5.0)


def test_interrupted_after_it_was_closed() -> None:
    """A late interruption harms nobody."""
    with FakeClamd(clamd.clean) as server:
        with client(SocketSpec.parse(server.socket), 1.0) as made:
            made.connect()
        made.interrupt()


def test_empty_block_is_not_the_end() -> None:
    """A block of no octets is not sent: its length would end the stream."""
    with FakeClamd(clamd.clean) as server, client(SocketSpec.parse(server.socket), 1.0) as made:
        made.connect()
        made.begin()
        for block in (b"one", b"", b"two"):
            made.give(block, 1.0)
        made.finish(1.0)
        assert made.reply(1.0) == "stream: OK"
        assert server.content == b"onetwo"


def test_block_larger_than_any_buffer_is_framed_right() -> None:
    """A send that takes only part of a block goes on with the rest."""
    with FakeClamd(clamd.clean) as server, client(SocketSpec.parse(server.socket), 1.0) as made:
        made.connect()
        made.clamd_socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        made.begin()
        made.give(b"0123456789" * 200_000, 5.0)
        made.finish(5.0)
        assert made.reply(5.0) == "stream: OK"
        assert server.content == b"0123456789" * 200_000


def test_no_time_left_is_a_timeout() -> None:
    """Patience of nothing ends in a timeout, not in another error."""

    def script(exchange: Exchange) -> None:
        exchange.hang()

    with FakeClamd(script) as server, client(SocketSpec.parse(server.socket), 1.0) as made:
        made.connect()
        with pytest.raises(TimeoutError):
            made.reply(0.0)


def impatient(script: Script, ask: Callable[[AnyClamd], object]) -> float:
    """Return the seconds after which asking this clamd timed out."""
    with FakeClamd(script) as server, client(SocketSpec.parse(server.socket), 5.0) as made:
        made.connect()
        made.clamd_socket.settimeout(30.0)  # what an earlier step may have left behind
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            ask(made)
        return time.monotonic() - began


def test_a_reply_is_waited_for_as_long_as_was_said() -> None:
    """Whatever patience an earlier step had."""
    assert 0.15 < impatient(clamd.hangs_without_reading, lambda made: made.reply(0.2)) < 5


def test_a_reply_that_drips_is_not_waited_for_octet_by_octet() -> None:
    """The patience is for all of it."""

    def script(exchange: Exchange) -> None:
        exchange.drip(b"stream: " + b"A" * 200, 0.05)

    assert 0.25 < impatient(script, lambda made: made.reply(0.3)) < 5


def test_a_block_is_given_as_long_as_was_said() -> None:
    """A clamd that takes nothing more ends it."""
    block = bytes(16 << 20)
    assert 0.15 < impatient(clamd.hangs_without_reading, lambda made: made.give(block, 0.2)) < 5
