# SPDX-License-Identifier: GPL-3.0-or-later
"""The real spamd says what the check expects."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from milterguard.checks.base import Budget, NothingInside
from milterguard.checks.spamd import SpamdCheck, ping
from milterguard.config import settings
from milterguard.config.socket import SocketSpec
from milterguard.core.finding import Category, Finding
from milterguard.core.message import Message
from milterguard.errors import CheckTimeout, CheckUnavailable
from tests.core.build import message
from tests.daemons import Spamd
from tests.daemons.sample import GTUBE, points_phrase, points_rule


@contextmanager
def check(socket: str, *, timeout_seconds: float = 30.0, max_scan_bytes: int = 524288) -> Iterator[SpamdCheck]:
    made = SpamdCheck(
        settings.Spamd(
            sockets=(socket,), timeout_seconds=timeout_seconds, retry_seconds=0, max_scan_bytes=max_scan_bytes
        )
    )
    try:
        yield made
    finally:
        made.close()


def run(asked: SpamdCheck, about: Message) -> Finding:
    (finding,) = asked.run(about, Budget(time.monotonic() + 60), NothingInside())
    return finding


def test_gtube_has_a_thousand_points(spamd: Spamd) -> None:
    """A real spamd gives the test message its points, and names the test with them."""
    with check(spamd.socket) as asked:
        finding = run(asked, message(body=GTUBE + b"\r\n"))
    assert finding.category is Category.CLEAN
    assert finding.score is not None
    assert finding.score > 900
    assert ("GTUBE", 1000.0) in finding.tests
    assert finding.autolearn == "disabled"  # Bayes is off there


def test_points_of_all_tests_add_up(spamd: Spamd) -> None:
    """The tests with their points, unfolded, are those that make the score."""
    body = " ".join(map(points_phrase, ("6-5", "3-0", "minus-1"))).encode() + b"\r\n"
    with check(spamd.socket) as asked:
        finding = run(asked, message(body=body))
    points = dict(finding.tests)
    assert points[points_rule("6-5")] == 6.5
    assert points[points_rule("minus-1")] == -1.0
    total = sum(each for each in points.values() if each is not None)
    assert finding.score == pytest.approx(total, abs=0.2)


def test_relay_is_seen(spamd: Spamd) -> None:
    """The field put in front tells SpamAssassin of the relay: its rules about missing ones do not fire."""
    with check(spamd.socket) as asked:
        finding = run(asked, message())
    assert not {"NO_RECEIVED", "NO_RELAYS"} & {name for name, _ in finding.tests}


def test_what_lies_behind_the_limit_has_no_points(spamd: Spamd) -> None:
    """Only the first octets of a large message are looked at, and the finding says so."""
    body = b"harmless words\r\n" * 20_000 + points_phrase("20-0").encode()
    with check(spamd.socket, max_scan_bytes=65536) as asked:
        finding = run(asked, message(body=body))
    assert finding.minor == "truncated"
    assert points_rule("20-0") not in {name for name, _ in finding.tests}


def test_killed_spamd_says_nothing(spamd: Spamd) -> None:
    """While spamd is dead there is no score; when it is back there is one again."""
    with check(spamd.socket) as asked:
        spamd.kill()
        with pytest.raises(CheckUnavailable):
            run(asked, message())
        spamd.restart()
        assert run(asked, message()).score is not None


def test_paused_spamd_times_out(spamd: Spamd) -> None:
    """A spamd that hangs is given up in time."""
    with check(spamd.socket, timeout_seconds=0.5) as asked:
        spamd.pause()
        with pytest.raises(CheckTimeout):
            run(asked, message())
        spamd.resume()


def test_spamd_behind_tcp(daemon_folder: Path) -> None:
    """Over TCP the same holds, and PING is answered."""
    with Spamd(daemon_folder / "spamd-tcp", tcp=True) as spamd, check(spamd.socket) as asked:
        assert run(asked, message(body=GTUBE + b"\r\n")).score is not None
        ping(SocketSpec.parse(spamd.socket), 5.0)


def test_ping(spamd: Spamd) -> None:
    """A real spamd answers PING."""
    ping(SocketSpec.parse(spamd.socket), 5.0)
