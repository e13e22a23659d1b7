# SPDX-License-Identifier: GPL-3.0-or-later
"""Score and tests are those that spamd told; whatever else happens is a failure."""

import dataclasses
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from milterguard.checks.base import Budget, NothingInside
from milterguard.checks.spamd import SpamdCheck, ping
from milterguard.config.settings import Spamd
from milterguard.config.socket import SocketSpec
from milterguard.core.finding import Category, Finding
from milterguard.core.message import Field, Message
from milterguard.core.trace import relay_fields
from milterguard.errors import CheckError, CheckTimeout, CheckUnavailable, ConfigError
from tests.core.build import message
from tests.fakes import spamd
from tests.fakes.content import Arriving
from tests.fakes.scripted import Exchange, Script
from tests.fakes.spamd import FakeSpamd

OVER_TCP = pytest.mark.parametrize("is_unix", [True, False], ids=["unix", "tcp"])


@contextmanager
def check(
    *sockets: str, timeout_seconds: float = 5.0, max_scan_bytes: int = 65536, user: str = ""
) -> Iterator[SpamdCheck]:
    made = SpamdCheck(
        Spamd(
            sockets=sockets,
            timeout_seconds=timeout_seconds,
            connect_seconds=2.0,
            retry_seconds=60.0,
            max_scan_bytes=max_scan_bytes,
            user=user,
        )
    )
    try:
        yield made
    finally:
        made.close()


def budget(seconds: float = 20.0) -> Budget:
    return Budget(time.monotonic() + seconds)


def run(asked: SpamdCheck, about: Message | None = None, *, within: Budget | None = None) -> Finding:
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
def test_points_are_a_clean_finding_with_a_score(tmp_path: Path, is_unix: bool) -> None:
    """spamd does not decide: its answer is CLEAN with score, tests and autolearn, and the server's name."""
    script = spamd.scores(7.5, scored="GTUBE=8.5,ALL_TRUSTED=-1", autolearn="spam")
    with FakeSpamd(script, path=tmp_path / "sock" if is_unix else None) as server, check(server.socket) as asked:
        finding = run(asked)
    assert (finding.check, finding.category, finding.minor) == ("spamd", Category.CLEAN, "")
    assert (finding.score, finding.detail, finding.autolearn) == (7.5, "7.5/5", "spam")
    assert finding.tests == (("GTUBE", 8.5), ("ALL_TRUSTED", -1.0))
    assert finding.server == server.socket
    assert 0 < finding.seconds < 5


def test_spamd_on_ipv6_is_reached() -> None:
    """A host of IPv6 is asked like any other."""
    with FakeSpamd(spamd.scores(1.0), host="::1") as server, check(server.socket) as asked:
        assert run(asked).score == 1.0


def test_message_is_relay_fields_recipients_header_and_body() -> None:
    """spamd gets the fields of a relay, the recipients and the message as it is."""
    mail = message(body=b"Body.\r\n" * 1000, to=("one@example.com", "two@example.com"))
    recipients = b"X-Envelope-To: <one@example.com>,\r\n\t<two@example.com>\r\n"
    with FakeSpamd(spamd.scores(1.0)) as server, check(server.socket) as asked:
        run(asked, mail)
        assert server.content == relay_fields(mail) + recipients + mail.header + b"Body.\r\n" * 1000


class Proven(NothingInside):
    """Somebody else has found out who sent the message."""

    def proofs(self, budget: Budget) -> tuple[Finding, ...]:
        return (Finding("spf", Category.CLEAN, result="pass", properties=(("smtp.mailfrom", "a@b.example"),)),)


def test_who_sent_it_is_told_to_spamd() -> None:
    """As Authentication-Results above all else; what a stranger wrote in our name is left out, others' stays."""
    forged = ("Authentication-Results: mta.example.com; dmarc=pass", "Received-SPF: pass", "From: a@b.example")
    mail = message(*forged, "Authentication-Results: other.example; spf=fail")
    name = mail.envelope.mta
    mail = dataclasses.replace(
        mail, fields=(Field(b"Authentication-Results", f" {name}; dmarc=pass".encode()), *mail.fields)
    )
    with FakeSpamd(spamd.scores(1.0)) as server, check(server.socket) as asked:
        asked.run(mail, budget(), Proven())
        head = bytes(server.content).partition(b"\r\n\r\n")[0]
    ours = f"Authentication-Results: {name};\r\n spf=pass smtp.mailfrom=a@b.example\r\n".encode()
    assert head.startswith(ours)
    assert head.count(name.encode() + b"; dmarc=pass") == 0
    assert b"Received-SPF" not in head
    assert b"other.example; spf=fail" in head


def test_hostile_recipient_cannot_add_a_field() -> None:
    """Line ends and brackets of an address stay in its field."""
    with FakeSpamd(spamd.scores(1.0)) as server, check(server.socket) as asked:
        run(asked, message(to=("a>\r\nX-Evil: 1@example.com",)))
        assert b"\nX-Evil" not in server.content


def test_request_is_headers_for_the_user() -> None:
    """The verb is HEADERS, and a user is named only if one is set."""
    heads: list[str] = []

    def script(exchange: Exchange) -> None:
        heads.append(spamd.take(exchange))
        exchange.send(spamd.answer())

    with FakeSpamd(script) as server:
        with check(server.socket) as asked:
            run(asked)
        with check(server.socket, user="vmail") as asked:
            run(asked)
    assert heads[0].startswith("HEADERS SPAMC/1.")
    assert "User:" not in heads[0]
    assert "\r\nUser: vmail\r\n" in heads[1]


def test_large_message_is_cut_at_a_line_end() -> None:
    """spamd gets the first octets up to a line end, and a field on top that says so."""
    mail = message(body=b"0123456789ab\r\n" * 100_000)
    with FakeSpamd(spamd.scores(1.0)) as server, check(server.socket, max_scan_bytes=65536) as asked:
        finding = run(asked, mail)
        content = server.content
    assert (finding.minor, finding.category) == ("truncated", Category.CLEAN)
    note, _, rest = content.partition(b"\r\n")
    whole = mail.header + b"0123456789ab\r\n" * 100_000
    sent = rest[rest.index(mail.header) :]
    assert whole.startswith(sent)
    assert sent.endswith(b"\r\n")
    assert 65536 - 20 < len(sent) <= 65536
    assert note == b"X-Milterguard-Truncated: %d of at least %d octets" % (len(sent), len(whole))


def test_large_message_without_lines_is_cut_where_it_must() -> None:
    """Without a line end near the limit the limit holds."""
    mail = message(body=b"x" * 1_000_000)
    with FakeSpamd(spamd.scores(1.0)) as server, check(server.socket, max_scan_bytes=65536) as asked:
        run(asked, mail)
        assert len(server.content) - server.content.index(mail.header) == 65536


def test_message_of_exactly_the_limit_is_whole() -> None:
    """The limit itself is not over the limit."""
    mail = message(body=b"x" * (65536 - len(message().header)))
    with FakeSpamd(spamd.scores(1.0)) as server, check(server.socket, max_scan_bytes=65536) as asked:
        assert run(asked, mail).minor == ""
        assert server.content.endswith(b"x" * 1000)


def test_rest_of_a_large_message_is_not_waited_for() -> None:
    """Once there is enough of a message spamd is asked, though more is still to come."""
    mail, content = arriving(b"x" * 70_000)
    with FakeSpamd(spamd.scores(1.0)) as server, check(server.socket, max_scan_bytes=65536) as asked:
        assert run(asked, mail).minor == "truncated"
    assert content.open_readers == 0


@OVER_TCP
@pytest.mark.parametrize("script", spamd.BROKEN.values(), ids=spamd.BROKEN.keys())
def test_broken_spamd_fails(tmp_path: Path, script: Script, is_unix: bool) -> None:
    """Whatever is wrong with a spamd, there is no score."""
    mail = message(body=b"x" * 500_000)
    with (
        FakeSpamd(script, path=tmp_path / "sock" if is_unix else None) as server,
        check(server.socket, timeout_seconds=0.3, max_scan_bytes=1_000_000) as asked,
        pytest.raises(CheckError),
    ):
        run(asked, mail)


@pytest.mark.parametrize("script", spamd.BROKEN.values(), ids=spamd.BROKEN.keys())
def test_second_spamd_answers_for_a_broken_one(script: Script) -> None:
    """The next server is asked the same and its answer counts."""
    with (
        FakeSpamd(script) as ill,
        FakeSpamd(spamd.scores(1.5)) as well,
        check(ill.socket, well.socket, timeout_seconds=0.3) as asked,
    ):
        finding = run(asked)
    assert (finding.score, finding.server) == (1.5, well.socket)


def test_no_spamd_is_unavailable(tmp_path: Path) -> None:
    """Neither a missing socket nor a refused connection is anything but unavailable."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    sockets = (f"unix:{tmp_path}/none", f"inet:{port}@127.0.0.1")
    with check(*sockets) as asked, pytest.raises(CheckUnavailable, match="No such file") as caught:
        run(asked)
    assert "Connect call failed" in caught.value.detail


def test_dead_spamd_is_not_asked_again_at_once() -> None:
    """After a failure the server rests: the next message does not wait for it."""
    with (
        FakeSpamd(spamd.hangs_before_answer) as ill,
        FakeSpamd(spamd.scores(1.0)) as well,
        check(ill.socket, well.socket, timeout_seconds=0.2) as asked,
    ):
        run(asked)
        run(asked)
        assert (len(ill.exchanges), len(well.exchanges)) == (1, 2)


def test_spamd_that_explains_itself_does_not_rest() -> None:
    """EX_TEMPFAIL is an answer of a living spamd: the next message is given to it again."""
    with FakeSpamd(spamd.BROKEN["EX_TEMPFAIL"]) as server, check(server.socket) as asked:
        with pytest.raises(CheckError, match="status 75 EX_TEMPFAIL"):
            run(asked)
        server.script = spamd.scores(2.0)
        assert run(asked).score == 2.0


def test_timeout_of_spamd_itself_is_a_timeout() -> None:
    """EX_TIMEOUT says that spamd's own time for the message was over."""
    with FakeSpamd(spamd.BROKEN["EX_TIMEOUT"]) as server, check(server.socket) as asked, pytest.raises(CheckTimeout):
        run(asked)


def test_silent_spamd_times_out() -> None:
    """Without an answer in timeout_seconds the check ends with a timeout."""
    with FakeSpamd(spamd.hangs_before_answer) as server, check(server.socket, timeout_seconds=0.3) as asked:
        began = time.monotonic()
        with pytest.raises(CheckTimeout):
            run(asked)
        assert 0.25 < time.monotonic() - began < 3


def test_deadline_holds_over_the_timeout() -> None:
    """When the message's time is over, a longer timeout does not count."""
    with FakeSpamd(spamd.hangs_before_answer) as server, check(server.socket, timeout_seconds=30) as asked:
        began = time.monotonic()
        with pytest.raises(CheckTimeout):
            run(asked, within=budget(0.3))
        assert time.monotonic() - began < 3


def test_message_that_does_not_arrive_is_not_spamds_fault() -> None:
    """When the content is late nobody is asked and the server stays in service."""
    mail, content = arriving(b"first\r\n")
    with FakeSpamd(spamd.scores(1.0)) as server, check(server.socket) as asked:
        with pytest.raises(CheckTimeout, match="had not arrived"):
            run(asked, mail, within=budget(0.2))
        assert not server.exchanges
        assert run(asked).score == 1.0
    assert content.open_readers == 0


def test_unreadable_content_is_not_spamds_fault() -> None:
    """A spool that breaks is our failure: nobody is asked."""
    mail, content = arriving(b"first\r\n")
    content.fail("disk full")
    with FakeSpamd(spamd.scores(1.0)) as server, check(server.socket) as asked:
        with pytest.raises(CheckError, match="content: disk full"):
            run(asked, mail)
        assert not server.exchanges


def test_cancellation_ends_the_wait() -> None:
    """Once nobody wants to know any more the check returns at once, hangs up, and blames nobody."""
    is_waiting, has_hung_up = threading.Event(), threading.Event()

    def script(exchange: Exchange) -> None:
        spamd.take(exchange)
        is_waiting.set()
        try:
            while not has_hung_up.wait(0.01):
                exchange.send(b"x")  # fails once the client is gone
        except OSError:
            has_hung_up.set()

    with FakeSpamd(script) as server, check(server.socket, timeout_seconds=30) as asked:
        within = budget()
        thread, errors = in_background(lambda: run(asked, within=within))
        assert is_waiting.wait(5)
        within.cancel()
        thread.join(5)
        assert not thread.is_alive()
        assert str(errors[0]) == "spamd: cancelled"
        assert has_hung_up.wait(5)
        server.script = spamd.scores(1.0)
        assert run(asked).score == 1.0


def test_cancelled_before_it_began() -> None:
    """A message nobody waits for is not even connected for."""
    within = budget()
    within.cancel()
    with FakeSpamd(spamd.scores(1.0)) as server, check(server.socket) as asked:
        with pytest.raises(CheckError, match="cancelled"):
            run(asked, within=within)
        assert not server.exchanges


def test_close_ends_what_is_still_running() -> None:
    """Closing the check leaves no thread, and no message waits for ever."""
    is_waiting = threading.Event()

    def script(exchange: Exchange) -> None:
        spamd.take(exchange)
        is_waiting.set()
        exchange.hang()

    with FakeSpamd(script) as server, check(server.socket) as asked:
        thread, errors = in_background(lambda: run(asked))
        assert is_waiting.wait(5)
        asked.close()
        asked.close()
        thread.join(5)
        assert not thread.is_alive()
        assert errors
        assert not [thread for thread in threading.enumerate() if thread.name == "spamd"]


def test_no_thread_before_the_first_message() -> None:
    """The loop is made at first use, so a worker makes its own after the fork."""
    with check("inet:783@127.0.0.1"):
        assert not [thread for thread in threading.enumerate() if thread.name == "spamd"]


def test_many_messages_at_once_do_not_mix() -> None:
    """Messages that are scanned at the same time each get their own score."""

    def script(exchange: Exchange) -> None:
        spamd.take(exchange)
        number = int(bytes(exchange.content).rsplit(b"number ", 1)[1])
        exchange.send(spamd.answer(f"False ; {number}.0 / 500.0"))

    with FakeSpamd(script, backlog=64) as server, check(server.socket) as asked:
        scores: dict[int, float | None] = {}

        def scan(number: int) -> None:
            scores[number] = run(asked, message(body=b"number %d" % number)).score

        threads = [threading.Thread(target=scan, args=(number,)) for number in range(24)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert scores == {number: float(number) for number in range(24)}


def test_full_queue_is_waited_for(tmp_path: Path) -> None:
    """A spamd that is too busy to accept at once is not taken for dead."""
    path = tmp_path / "sock"
    server = FakeSpamd(spamd.scores(1.0), path=path, backlog=0)
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
        with check(server.socket) as asked:
            assert run(asked).score == 1.0
    finally:
        timer.join()
        for filler in fillers:
            filler.close()
        server.__exit__(None, None, None)


@pytest.mark.parametrize("user", ["a\r\nTell: spam", "a b", "ü", "a\0", "x" * 300])
def test_user_that_could_say_more_is_refused(user: str) -> None:
    """A user name that would not stay in its header is a ConfigError before any mail comes."""
    with pytest.raises(ConfigError) as caught:
        SpamdCheck(Spamd(user=user))
    assert caught.value.key == "checks.spamd.user"


def test_missing_certificates_are_refused(tmp_path: Path) -> None:
    """A file of certificates that is not there is a ConfigError that names it."""
    with pytest.raises(ConfigError, match=r"tls_ca_file.*none"):
        SpamdCheck(Spamd(sockets=("tls:783@127.0.0.1",), tls_ca_file=f"{tmp_path}/none"))


def test_ping() -> None:
    """A spamd that is well says PONG."""
    with FakeSpamd(spamd.pongs) as server:
        ping(SocketSpec.parse(server.socket), 2.0)


@pytest.mark.parametrize(
    "script", [spamd.closes_at_once, spamd.hangs_before_answer, spamd.answers(b"SPAMD/1.5 0 PENG\r\n")]
)
def test_ping_of_a_broken_spamd_fails(script: Script) -> None:
    """Only PONG is an answer to PING."""
    with FakeSpamd(script) as server, pytest.raises(CheckError, match=r"inet:"):
        ping(SocketSpec.parse(server.socket), 0.3)
