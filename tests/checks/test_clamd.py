# SPDX-License-Identifier: GPL-3.0-or-later
"""What clamd literally said is believed, and whatever else happens is a failure."""

import dataclasses
import socket
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from milterguard.checks.base import Budget, NothingInside
from milterguard.checks.clamd import ClamdCheck, ping, scan_octets, signature_age, version
from milterguard.config.settings import Clamd
from milterguard.config.socket import SocketSpec
from milterguard.core.finding import Category, Finding
from milterguard.core.message import Message
from milterguard.core.trace import relay_fields
from milterguard.errors import CheckError, CheckTimeout, CheckUnavailable, ConfigError
from tests.core.build import message
from tests.fakes import clamd
from tests.fakes.clamd import FakeClamd
from tests.fakes.content import Arriving
from tests.fakes.scripted import Exchange, Script

OVER_TCP = pytest.mark.parametrize("is_unix", [True, False], ids=["unix", "tcp"])


def check(*sockets: str, timeout_seconds: float = 5.0, retry_seconds: float = 60.0) -> ClamdCheck:
    return ClamdCheck(
        Clamd(sockets=sockets, timeout_seconds=timeout_seconds, connect_seconds=2.0, retry_seconds=retry_seconds)
    )


def budget(seconds: float = 20.0) -> Budget:
    return Budget(time.monotonic() + seconds)


def run(asked: ClamdCheck, about: Message | None = None, *, within: Budget | None = None) -> Finding:
    (finding,) = asked.run(about or message(), within or budget(), NothingInside())
    return finding


def arriving(octets: bytes = b"") -> tuple[Message, Arriving]:
    content = Arriving(octets)
    return dataclasses.replace(message(), content=content), content


def in_background(work: Callable[[], object]) -> tuple[threading.Thread, list[BaseException]]:
    """Run work on a thread; its CheckError ends up in the list."""
    errors: list[BaseException] = []

    def target() -> None:
        try:
            work()
        except CheckError as error:
            errors.append(error)

    thread = threading.Thread(target=target)
    thread.start()
    return thread, errors


@OVER_TCP
def test_clean_is_what_clamd_said(tmp_path: Path, is_unix: bool) -> None:
    """The literal OK after the whole message is CLEAN, and names the server."""
    with FakeClamd(clamd.clean, path=tmp_path / "ctl" if is_unix else None) as server:
        finding = run(check(server.socket))
    assert (finding.check, finding.category, finding.minor, finding.detail) == ("clamd", Category.CLEAN, "", "")
    assert finding.server == server.socket
    assert 0 < finding.seconds < 5


def test_clamd_on_ipv6_is_reached() -> None:
    """A host of IPv6 is asked like any other."""
    with FakeClamd(clamd.clean, host="::1") as server:
        assert run(check(server.socket)).category is Category.CLEAN


def test_stream_is_relay_fields_header_and_body() -> None:
    """clamd gets what a relay would have handed on: D4."""
    mail = message(body=b"Body.\r\n" * 100_000)
    with FakeClamd(clamd.clean) as server:
        run(check(server.socket), mail)
        assert server.content == relay_fields(mail) + mail.header + b"Body.\r\n" * 100_000


def test_large_blocks_arrive_whole(tmp_path: Path) -> None:
    """A header section larger than the socket's buffer is framed as one chunk and arrives in full."""
    mail = message(*(f"X-{number}: {'x' * 900}" for number in range(2000)))
    with FakeClamd(clamd.clean, path=tmp_path / "ctl") as server:
        run(check(server.socket), mail)
        assert server.content == relay_fields(mail) + mail.header + b"Hello.\r\n"


def test_message_is_streamed_while_it_arrives() -> None:
    """clamd has the first part of a message before the last has arrived."""
    mail, content = arriving(b"first\r\n")
    has_first = threading.Event()

    def script(exchange: Exchange) -> None:
        exchange.read_until(b"first\r\n")
        has_first.set()
        exchange.read_until(b"\0\0\0\0")
        exchange.send(b"stream: OK\0")

    with FakeClamd(script) as server:
        findings: list[Finding] = []
        thread, _ = in_background(lambda: findings.append(run(check(server.socket), mail)))
        assert has_first.wait(5)
        content.feed(b"last\r\n")
        content.complete()
        thread.join()
    assert findings[0].category is Category.CLEAN


def test_answer_before_the_end_does_not_count() -> None:
    """What clamd says before it has the whole message is not about the message."""
    mail, content = arriving(b"first\r\n")

    def script(exchange: Exchange) -> None:
        exchange.read_until(b"first\r\n")
        exchange.send(b"stream: OK\0")
        content.complete()
        exchange.hang()

    with FakeClamd(script) as server, pytest.raises(CheckError, match="before the end"):
        run(check(server.socket), mail)


def test_empty_body_does_not_end_the_stream_twice() -> None:
    """A message without body is one chunk and one end."""
    with FakeClamd(clamd.clean) as server:
        assert run(check(server.socket), message(body=b"")).category is Category.CLEAN


def test_virus_is_named() -> None:
    """What clamd found is a VIRUS with clamd's name for it."""
    with FakeClamd(clamd.found("Win.Test.EICAR_HDB-1")) as server:
        finding = run(check(server.socket))
    assert (finding.category, finding.detail) == (Category.VIRUS, "Win.Test.EICAR_HDB-1")


def test_reply_in_packets_is_one_reply() -> None:
    """A reply that comes split is as good as any other."""
    with FakeClamd(clamd.replies(b"stream: Eic", b"ar FOU", b"ND", b"\0")) as server:
        assert run(check(server.socket)).detail == "Eicar"
    with FakeClamd(clamd.replies(b"stream:", b" OK", b"\0")) as server:
        assert run(check(server.socket)).category is Category.CLEAN


@pytest.mark.parametrize(
    ("name", "minor"),
    [
        ("Heuristics.Limits.Exceeded.MaxRecursion", "over limits"),
        ("Heuristics.Limits.Exceeded.MaxFileSize", "over limits"),
        ("Heuristics.Encrypted.Zip", "encrypted"),
        ("Heuristics.Encrypted.PDF", "encrypted"),
    ],
)
def test_what_clamd_could_not_open_is_unchecked(name: str, minor: str) -> None:
    """Limits and encryption are neither a virus nor clean."""
    with FakeClamd(clamd.found(name)) as server:
        finding = run(check(server.socket))
    assert (finding.category, finding.minor, finding.detail) == (Category.UNCHECKED, minor, name)


@pytest.mark.parametrize("name", ["Heuristics.OLE2.ContainsMacros", "Heuristics.Phishing.Email.SpoofedDomain"])
def test_other_heuristics_are_found(name: str) -> None:
    """Heuristics that say something about the content are a VIRUS."""
    with FakeClamd(clamd.found(name)) as server:
        assert run(check(server.socket)).category is Category.VIRUS


def test_hostile_name_is_made_safe() -> None:
    """A name with line ends and escapes is still a VIRUS, and harmless."""
    with FakeClamd(clamd.found("a\r\nbcc: x\x1b[2J%n<b>")) as server:
        finding = run(check(server.socket))
    assert finding.category is Category.VIRUS
    assert finding.detail.isprintable()


@OVER_TCP
@pytest.mark.parametrize("body", [b"Hello.\r\n", b"x" * 20_000_000], ids=["small", "large"])
def test_stream_over_clamds_limit_is_unchecked(tmp_path: Path, is_unix: bool, body: bytes) -> None:
    """When clamd hangs up in the midst of the stream its reason is read and counts."""
    with FakeClamd(clamd.over_stream_limit, path=tmp_path / "ctl" if is_unix else None) as server:
        finding = run(check(server.socket), message(body=body))
    assert (finding.category, finding.minor, finding.detail) == (Category.UNCHECKED, "over limits", "StreamMaxLength")


@OVER_TCP
@pytest.mark.parametrize("script", clamd.BROKEN.values(), ids=clamd.BROKEN.keys())
def test_broken_clamd_fails(tmp_path: Path, script: Script, is_unix: bool) -> None:
    """Whatever is wrong with a clamd, nothing is said about the message."""
    mail = message(body=b"x" * 2_000_000)
    with FakeClamd(script, path=tmp_path / "ctl" if is_unix else None) as server, pytest.raises(CheckError):
        run(check(server.socket, timeout_seconds=0.3), mail)


@pytest.mark.parametrize("script", clamd.BROKEN.values(), ids=clamd.BROKEN.keys())
def test_second_clamd_answers_for_a_broken_one(script: Script) -> None:
    """The next server gets the whole message from its beginning and decides."""
    mail = message(body=b"x" * 2_000_000)
    with FakeClamd(script) as ill, FakeClamd(clamd.clean) as well:
        finding = run(check(ill.socket, well.socket, timeout_seconds=0.3), mail)
        assert well.content == relay_fields(mail) + mail.header + b"x" * 2_000_000
    assert (finding.category, finding.server) == (Category.CLEAN, well.socket)


def test_no_clamd_is_unavailable(tmp_path: Path) -> None:
    """Neither a missing socket nor a refused connection is anything but unavailable."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    missing = f"unix:{tmp_path}/none"
    with pytest.raises(CheckUnavailable, match="No such file") as caught:
        run(check(missing, f"inet:{port}@127.0.0.1"))
    assert "refused" in caught.value.detail


def test_dead_clamd_is_not_asked_again_at_once(tmp_path: Path) -> None:
    """After a failure the server rests: the next message does not wait for it."""
    with FakeClamd(clamd.hangs_before_reply) as ill, FakeClamd(clamd.clean) as well:
        asked = check(ill.socket, well.socket, timeout_seconds=0.2)
        run(asked)
        run(asked)
        assert (len(ill.exchanges), len(well.exchanges)) == (1, 2)


def test_clamd_that_explains_itself_does_not_rest() -> None:
    """An ERROR in clamd's words is about one message; the next one is given to it again."""
    with FakeClamd(clamd.BROKEN["an error"]) as server:
        asked = check(server.socket)
        with pytest.raises(CheckError):
            run(asked)
        server.script = clamd.clean
        assert run(asked).category is Category.CLEAN


def test_full_queue_is_waited_for(tmp_path: Path) -> None:
    """A clamd that is too busy to accept at once is not taken for dead."""
    path = tmp_path / "ctl"
    server = FakeClamd(clamd.clean, path=path, backlog=0)
    fillers = []
    while True:
        filler = socket.socket(socket.AF_UNIX)
        filler.setblocking(False)
        fillers.append(filler)
        try:
            filler.connect(str(path))
        except BlockingIOError:
            break
    timer = threading.Timer(0.2, server.__enter__)
    timer.start()
    try:
        assert run(check(server.socket)).category is Category.CLEAN
    finally:
        timer.join()
        for filler in fillers:
            filler.close()
        server.__exit__(None, None, None)


def test_silent_clamd_times_out() -> None:
    """Without an answer in timeout_seconds the check ends with a timeout."""
    with FakeClamd(clamd.hangs_before_reply) as server:
        began = time.monotonic()
        with pytest.raises(CheckTimeout):
            run(check(server.socket, timeout_seconds=0.3))
    assert 0.25 < time.monotonic() - began < 3


def test_deadline_holds_over_the_timeout() -> None:
    """When the message's time is over, a longer timeout does not count."""
    with FakeClamd(clamd.hangs_before_reply) as server:
        began = time.monotonic()
        with pytest.raises(CheckTimeout):
            run(check(server.socket, timeout_seconds=30), within=budget(0.3))
    assert time.monotonic() - began < 3


def test_time_of_arrival_does_not_count_as_clamds() -> None:
    """A message that takes longer to arrive than clamd may take is scanned all the same."""
    mail, content = arriving(b"first\r\n")
    with FakeClamd(clamd.clean) as server:
        threading.Timer(0.6, content.complete).start()
        assert run(check(server.socket, timeout_seconds=0.3), mail).category is Category.CLEAN


def test_message_that_does_not_arrive_is_not_clamds_fault() -> None:
    """When the content is late the check times out and the server stays in service."""
    mail, content = arriving(b"first\r\n")
    with FakeClamd(clamd.clean) as server:
        asked = check(server.socket)
        with pytest.raises(CheckTimeout, match="had not arrived"):
            run(asked, mail, within=budget(0.2))
        assert run(asked).category is Category.CLEAN
    assert content.open_readers == 0


def test_unreadable_content_is_not_clamds_fault() -> None:
    """A spool that breaks is our failure: no other server is asked, none rests."""
    mail, content = arriving(b"first\r\n")
    content.fail("disk full")
    with FakeClamd(clamd.clean) as one, FakeClamd(clamd.clean) as two:
        asked = check(one.socket, two.socket)
        with pytest.raises(CheckError, match="content: disk full"):
            run(asked, mail)
        assert not two.exchanges
        assert run(asked).server == one.socket


@OVER_TCP
def test_cancellation_ends_the_wait_for_the_reply(tmp_path: Path, is_unix: bool) -> None:
    """Once nobody wants to know any more the check returns at once, and blames nobody."""
    is_waiting = threading.Event()

    def script(exchange: Exchange) -> None:
        clamd.take(exchange)
        is_waiting.set()
        exchange.hang()

    with FakeClamd(script, path=tmp_path / "ctl" if is_unix else None) as server:
        asked, within = check(server.socket, timeout_seconds=30), budget()
        thread, errors = in_background(lambda: run(asked, within=within))
        assert is_waiting.wait(5)
        within.cancel()
        thread.join(5)
        assert not thread.is_alive()
        assert str(errors[0]) == "clamd: cancelled"
        server.script = clamd.clean
        assert run(asked).category is Category.CLEAN


def test_cancellation_ends_a_stalled_stream() -> None:
    """A clamd that takes no more octets does not hold a cancelled message."""
    with FakeClamd(clamd.hangs_without_reading) as server:
        within = budget()
        thread, errors = in_background(
            lambda: run(check(server.socket, timeout_seconds=30), message(body=b"x" * 20_000_000), within=within)
        )
        while not server.exchanges and thread.is_alive():
            thread.join(0.01)
        within.cancel()
        thread.join(5)
        assert not thread.is_alive()
    assert "cancelled" in str(errors[0])


def test_cancelled_stream_is_never_ended() -> None:
    """What was given of a cancelled message is not put forward as if it were the whole."""
    mail, content = arriving(b"first\r\n")
    taken: list[str] = []
    has_first = threading.Event()

    def script(exchange: Exchange) -> None:
        exchange.read_until(b"first\r\n")
        has_first.set()
        exchange.read_until(b"\0\0\0\0")
        taken.append("end")

    with FakeClamd(script) as server:
        within = budget()
        thread, errors = in_background(lambda: run(check(server.socket), mail, within=within))
        assert has_first.wait(5)
        within.cancel()
        content.feed(b"second\r\n")
        content.complete()
        thread.join(5)
    assert not taken
    assert "cancelled" in str(errors[0])
    assert content.open_readers == 0


def test_cancelled_before_it_began() -> None:
    """A message nobody waits for is not even connected for."""
    within = budget()
    within.cancel()
    with FakeClamd(clamd.clean) as server:
        with pytest.raises(CheckError, match="cancelled"):
            run(check(server.socket), within=within)
        assert not server.exchanges


def test_readers_are_closed_after_failures() -> None:
    """Whatever happened to a server, no reader of the content stays open."""
    mail, content = arriving(b"x" * 1_000_000)
    content.complete()
    ill = (FakeClamd(clamd.dies_within_chunk), FakeClamd(clamd.closes_at_once))
    with ill[0] as one, ill[1] as two, pytest.raises(CheckError):
        run(check(one.socket, two.socket), mail)
    assert content.open_readers == 0


def test_many_messages_at_once_do_not_mix() -> None:
    """Messages that are scanned at the same time each get their own answer."""
    with FakeClamd(clamd.looks_for(b"EICAR"), backlog=64) as server:
        asked = check(server.socket)
        categories: dict[int, Category] = {}

        def scan(number: int) -> None:
            body = b"EICAR" if number % 2 else b"harmless"
            categories[number] = run(asked, message(body=body)).category

        threads = [threading.Thread(target=scan, args=(number,)) for number in range(24)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert all(categories[number] is (Category.VIRUS if number % 2 else Category.CLEAN) for number in range(24))


@pytest.mark.parametrize("sockets", [(), ("tls:3310@127.0.0.1",), ("/run/clamd.ctl",)])
def test_sockets_clamd_cannot_have_are_refused(sockets: tuple[str, ...]) -> None:
    """A setting that cannot work is a ConfigError before any mail comes."""
    with pytest.raises(ConfigError):
        check(*sockets)


def test_ping_and_version() -> None:
    """A clamd that is well says PONG and its version."""

    def script(exchange: Exchange) -> None:
        answer = {"PING": b"PONG\0", "VERSION": b"ClamAV 1.4.6/27500/Fri Nov 20 08:26:32 2026\0"}
        exchange.send(answer[clamd.take(exchange)])

    with FakeClamd(script) as server:
        spec = SocketSpec.parse(server.socket)
        ping(spec, 2.0)
        assert version(spec, 2.0) == "ClamAV 1.4.6/27500/Fri Nov 20 08:26:32 2026"


@pytest.mark.parametrize(
    "script", [clamd.closes_at_once, clamd.hangs_without_reading, clamd.replies(b"PENG\0"), clamd.replies(b"PO")]
)
def test_ping_of_a_broken_clamd_fails(script: Script) -> None:
    """Only PONG is an answer to PING."""
    with FakeClamd(script) as server, pytest.raises(CheckError):
        ping(SocketSpec.parse(server.socket), 0.3)


def test_scan_octets_returns_the_raw_reply() -> None:
    """Probes are given as they are, and the reply is not judged."""
    with FakeClamd(clamd.looks_for(b"probe" * 100_000)) as server:
        reply = scan_octets(SocketSpec.parse(server.socket), b"probe" * 100_000, 2.0)
        assert server.content == b"probe" * 100_000
    assert reply == "stream: Eicar-Test-Signature FOUND"


def test_scan_octets_of_a_missing_clamd_is_unavailable(tmp_path: Path) -> None:
    """The error names the socket that was asked."""
    with pytest.raises(CheckUnavailable, match=f"unix:{tmp_path}/none: No such file"):
        scan_octets(SocketSpec.parse(f"unix:{tmp_path}/none"), b"x", 1.0)


def test_signature_age() -> None:
    """The age is told by the date in clamd's version, taken as local time."""
    now = datetime(2026, 11, 21, 8, 26, 32).astimezone()
    assert signature_age("ClamAV 1.4.6/27500/Fri Nov 20 08:26:32 2026", now) == timedelta(days=1)
    assert signature_age("ClamAV 1.4.6/27500/Sun Nov  1 08:26:32 2026", now) == timedelta(days=20)


@pytest.mark.parametrize("text", ["ClamAV 1.4.6", "", "ClamAV 1.4.6/27500/", "ClamAV 1.4.6/1/yesterday", "x" * 10000])
def test_version_without_date_has_no_age(text: str) -> None:
    """A version that does not tell the date, or is none, has no age."""
    assert signature_age(text, datetime.now(UTC)) is None
