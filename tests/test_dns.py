# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions to the DNS: an answer, nothing and a temporary error are never confused."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from milterguard.config.dns import Dns, server_of
from milterguard.dns import Lookup, Resolver, wire_name
from milterguard.errors import ConfigError, DnsError
from tests.fakes.dns import DnsServer, Zone

ZONE: Zone = {
    "a.example": [{"A": "192.0.2.1"}, {"A": "192.0.2.2"}, {"AAAA": "2001:db8::1"}, {"TXT": ["two ", "strings"]}],
    "mx.example": [{"MX": [10, "b.example"]}, {"MX": [5, "a.example"]}],
    "1.2.0.192.in-addr.arpa": [{"PTR": "a.example"}],
    "alias.example": [{"CNAME": "a.example"}],
    "alone.example": [{"CNAME": "elsewhere.test"}],
    "loop.example": [{"CNAME": "loop.example"}],
    "long.example": [{"TXT": ["x" * 250] * 20}],
    "cut.example": [{"TXT": "over tcp"}, "TRUNCATE"],
    "xn--bcher-kva.example": [{"TXT": "books"}],
    "servfail.example": ["SERVFAIL"],
    "refused.example": ["REFUSED"],
    "garbage.example": ["GARBAGE"],
    "silent.example": ["TIMEOUT"],
}


@pytest.fixture
def server() -> Iterator[DnsServer]:
    with DnsServer(ZONE) as server:
        yield server


def lookup(server: DnsServer, *, budget: float = 5.0, timeout: float = 0.3) -> Lookup:
    settings = Dns(servers=(server.address,), timeout_seconds=timeout, dns_budget_seconds=budget)
    return Resolver(settings).lookup()


def test_answers(server: DnsServer) -> None:
    """Of each type, in plain values; the strings of a text are joined."""
    asked = lookup(server)
    assert sorted(asked.addresses("a.example")) == ["192.0.2.1", "192.0.2.2"]
    assert asked.addresses("A.Example.", "AAAA") == ("2001:db8::1",)
    assert asked.txt("a.example") == (b"two strings",)
    assert sorted(asked.exchanges("mx.example")) == [(5, "a.example"), (10, "b.example")]
    assert asked.pointers("1.2.0.192.in-addr.arpa") == ("a.example",)
    assert asked.txt("bücher.example") == (b"books",)
    assert set(asked.addresses("alias.example")) == {"192.0.2.1", "192.0.2.2"}


def test_nothing(server: DnsServer) -> None:
    """A name that is not there, one without such a record, what can be no name."""
    asked = lookup(server)
    assert asked.txt("missing.example") == ()
    assert asked.addresses("mx.example") == ()
    assert not asked.exists("missing.example")
    assert all(asked.exists(name) for name in ("mx.example", "example", "a.example"))
    for name in ("", "a..example", f"{'x' * 64}.example", "x." * 130, "a\u200db.example"):
        assert asked.txt(name) == (), name
        assert not asked.exists(name)


@pytest.mark.parametrize("name", ["servfail.example", "refused.example", "garbage.example", "silent.example"])
def test_temporary(name: str, server: DnsServer) -> None:
    """No answer is no answer: it is raised, and the same name is not asked for again."""
    asked = lookup(server, budget=0.7)
    with pytest.raises(DnsError):
        asked.txt(name)
    before = server.asked.total()
    with pytest.raises(DnsError):
        asked.txt(name)
    assert server.asked.total() == before
    assert asked.outcomes == {"temporary": 1}


def test_nobody_there() -> None:
    """A port where nobody listens."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    asked = Resolver(Dns(servers=(f"127.0.0.1:{port}",), timeout_seconds=0.2, dns_budget_seconds=0.5)).lookup()
    began = time.monotonic()
    with pytest.raises(DnsError):
        asked.txt("a.example")
    assert time.monotonic() - began < 1.5


def test_the_next_server_is_asked(server: DnsServer) -> None:
    """When the first does not answer; from then on the one that does is asked first."""
    with DnsServer() as silent:
        silent.fault = "TIMEOUT"
        resolver = Resolver(Dns(servers=(silent.address, server.address), timeout_seconds=0.3))
        assert resolver.lookup().txt("a.example") == (b"two strings",)
        began, asked = time.monotonic(), resolver.lookup()
        assert [asked.txt(f"n{each}.example") for each in range(10)] == [()] * 10
        assert time.monotonic() - began < 0.3
        assert silent.asked.total() == 1


def test_many_questions_share_what_they_were_given(server: DnsServer) -> None:
    """Not each of them: the rest stays for others."""
    with DnsServer(delay_seconds=0.2) as slow:
        asked = Resolver(Dns(servers=(slow.address,), timeout_seconds=2, dns_budget_seconds=1.0)).lookup()
        with asked.limited(0.5):
            assert asked.txt("n1.example") == asked.txt("n2.example") == ()
            with pytest.raises(DnsError, match=r"timeout|no time left"):
                asked.txt("n3.example")
        assert asked.txt("other.example") == ()


def test_answers_are_forgotten_in_time(server: DnsServer) -> None:
    """With the record's own time; the oldest when there are too many."""
    with DnsServer(ZONE, ttl=0) as brief:
        resolver = Resolver(Dns(servers=(brief.address,)))
        resolver.lookup().txt("a.example")
        resolver.lookup().txt("a.example")
        assert brief.asked["a.example", "TXT"] == 2
    small = Resolver(Dns(servers=(server.address,), cache_entries=1))
    for name in ("a.example", "mx.example", "a.example"):
        small.lookup().txt(name)
    assert server.asked["a.example", "TXT"] == 2


def test_what_does_not_fit_comes_over_tcp(server: DnsServer) -> None:
    """Cut by size, and by a flag."""
    asked = lookup(server)
    assert asked.txt("long.example") == (b"x" * 5000,)
    assert asked.txt("cut.example") == (b"over tcp",)
    assert server.over_tcp == 2


def test_aliases_are_followed_so_far(server: DnsServer) -> None:
    """Not in a circle, and not to a name that is not there."""
    assert lookup(server).txt("alone.example") == ()
    with pytest.raises(DnsError):
        lookup(server).txt("loop.example")


def test_one_budget_for_all_questions(server: DnsServer) -> None:
    """What is used up is used up; who has given up asks nothing."""
    asked = lookup(server, budget=0.6)
    with pytest.raises(DnsError):
        asked.txt("silent.example")
    began = time.monotonic()
    with pytest.raises(DnsError, match="no time left"):
        asked.txt("a.example")
    assert time.monotonic() - began < 0.1
    cancelled = Resolver(Dns(servers=(server.address,))).lookup(lambda: 0.0)
    with pytest.raises(DnsError):
        cancelled.txt("a.example")


def test_answers_are_remembered_by_all_threads(server: DnsServer) -> None:
    """Positive and negative ones, for other messages too; a failure is not."""
    resolver = Resolver(Dns(servers=(server.address,), timeout_seconds=0.3))
    found: list[tuple[bytes, ...]] = []

    def ask() -> None:
        asked = resolver.lookup()
        found.append(asked.txt("a.example") + asked.txt("missing.example"))

    ask()
    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [(b"two strings",)] * 5
    assert server.asked["a.example", "TXT"] == 1
    assert server.asked["missing.example", "TXT"] == 1
    for _ in range(2):
        with pytest.raises(DnsError):
            resolver.lookup().txt("servfail.example")
    assert server.asked["servfail.example", "TXT"] == 2


def test_outcomes_are_counted(server: DnsServer) -> None:
    """Once for each question of a message."""
    asked = lookup(server)
    asked.txt("a.example")
    asked.txt("a.example")
    asked.txt("missing.example")
    with pytest.raises(DnsError):
        asked.txt("servfail.example")
    assert asked.outcomes == {"answer": 1, "nothing": 1, "temporary": 1}


def test_names_are_absolute_and_never_escapes() -> None:
    """No search domain is put behind a short one; a backslash is a backslash."""
    assert str(wire_name("localhost")) == "localhost."
    name = wire_name("a\\.b.example")
    assert name is not None
    assert name.labels[0] == b"a\\"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.1", ("192.0.2.1", 53)),
        ("192.0.2.1:5353", ("192.0.2.1", 5353)),
        ("2001:db8::1", ("2001:db8::1", 53)),
        ("[2001:db8::1]:54", ("2001:db8::1", 54)),
        ("[::1]", ("::1", 53)),
    ],
)
def test_servers_are_written_so(text: str, expected: tuple[str, int]) -> None:
    """Address alone, or with a port."""
    assert server_of(text) == expected


@pytest.mark.parametrize("text", ["dns.example", "192.0.2.1:0", "192.0.2.1:99999", "192.0.2.1:x", "", "[::1"])
def test_what_is_no_server(text: str) -> None:
    """A name would need a name server itself."""
    with pytest.raises(ConfigError, match=r"dns\.servers"):
        Resolver(Dns(servers=(text,)))


def test_without_servers_those_of_the_machine_are_asked() -> None:
    """Or the machine itself; nothing is asked here."""
    assert Resolver(Dns()).budget_seconds == 8.0
