# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions to the DNS, and three kinds of answer that are never confused: *answer*, *nothing*, *temporary*.

Nothing is NXDOMAIN or an empty answer, for the name cannot exist or has no such record. Temporary is everything
else: timeout, SERVFAIL, REFUSED, a broken packet, a budget used up. That is raised, so that nobody takes it
for an answer by oversight.

One ``Resolver`` for each worker, its cache shared by all threads; one ``Lookup`` for each message, which asks a
name once and has one budget of time over all checks. Names are absolute: no search domains.

*Source:* RFC 1034, RFC 2308 (negative answers), RFC 5891 (IDNA), RFC 6891 (EDNS). *Errors:* DnsError; ConfigError.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import dns.exception
import dns.flags
import dns.name
import dns.nameserver
import dns.rdatatype
import dns.resolver
import idna
from dns.rdatatype import RdataType

from milterguard.config.dns import Dns, server_of
from milterguard.dns_cache import Answer, Cache, Question
from milterguard.errors import ConfigError, DnsError

_MAX_ALIASES = 8
"""CNAMEs followed one after the other where a server does not follow them itself."""
_UDP_OCTETS = 1232
"""What fits through without fragments; longer answers come over TCP."""
_MAX_RECORDS = 200
"""More records of one name are left alone: nothing that mail asks about has as many."""
_NEGATIVE_SECONDS = 60.0
"""Where a server does not say for how long there is nothing."""
OUTCOMES = ("answer", "nothing", "temporary")
_MISSING = Answer(is_missing=True)


class Resolver:
    """Asks name servers. Safe to use from several threads; make it after the fork."""

    def __init__(self, settings: Dns) -> None:
        """Raises ConfigError."""
        self.budget_seconds = settings.dns_budget_seconds
        self._resolver = dns.resolver.Resolver(configure=False)
        self._resolver.nameservers = list(_servers(settings.servers))
        self._resolver.timeout = settings.timeout_seconds
        self._resolver.use_edns(0, 0, _UDP_OCTETS)
        self._cache = Cache(settings.cache_entries)

    def lookup(self, remaining: Callable[[], float] = lambda: float("inf")) -> "Lookup":
        """Return what one message asks with; ``remaining`` tells how many seconds it may still take at all."""
        return Lookup(self, self.budget_seconds, remaining)

    def ask(self, name: dns.name.Name, kind: RdataType, seconds: float) -> Answer:
        """Return what a name has, in that time at most. Raises DnsError."""
        known = self._cache.find((name, kind))
        if known is not None:
            return known
        answer, ttl = self._followed(name, kind, time.monotonic() + seconds)
        self._cache.keep((name, kind), answer, ttl)
        return answer

    def _followed(self, name: dns.name.Name, kind: RdataType, deadline: float) -> tuple[Answer, float]:
        """Return what a name has, aliases followed, and for how many seconds that holds."""
        ttl = float("inf")
        for _ in range(_MAX_ALIASES):
            try:
                said = self._said(name, kind, deadline - time.monotonic())
            except dns.resolver.NXDOMAIN as error:
                return _MISSING, min(ttl, _negative_ttl(error))
            ttl = min(ttl, said.chaining_result.minimum_ttl)
            if said.rrset is not None:
                return Answer(tuple(_records(said.rrset[:_MAX_RECORDS]))), ttl
            if said.canonical_name == name:
                return Answer(), ttl
            name = said.canonical_name
        raise DnsError("too many aliases")

    def _said(self, name: dns.name.Name, kind: RdataType, seconds: float) -> dns.resolver.Answer:
        """Return what a server says of a name; raises NXDOMAIN, or DnsError."""
        if seconds <= 0:
            raise DnsError("no time left")
        try:
            said = self._resolver.resolve(name, kind, raise_on_no_answer=False, search=False, lifetime=seconds)
        except dns.resolver.NXDOMAIN:
            raise
        except dns.resolver.NoNameservers as error:
            raise DnsError("no name server could answer") from error
        except dns.exception.Timeout as error:
            raise DnsError("timeout") from error
        except (dns.exception.DNSException, OSError, ValueError) as error:
            raise DnsError(type(error).__name__) from error
        self._prefer(said.nameserver, said.port)
        return said

    def _prefer(self, address: str | None, port: int | None) -> None:
        """Ask the server that has just answered first from now on: one that is dead costs a timeout each time."""
        servers = self._resolver.nameservers
        for place, server in enumerate(servers[1:], start=1):
            if isinstance(server, dns.nameserver.Do53Nameserver) and (server.address, server.port) == (address, port):
                first = servers[0]
                if isinstance(first, dns.nameserver.Do53Nameserver) and (first.address, first.port) == (address, port):
                    return
                self._resolver.nameservers = [server, *servers[:place], *servers[place + 1 :]]
                return


def _negative_ttl(error: dns.resolver.NXDOMAIN) -> float:
    """Return for how many seconds a name does not exist. *Source:* RFC 2308 section 5."""
    ttls = [
        min(rrset.ttl, each.minimum)
        for response in error.responses().values()  # type: ignore[no-untyped-call]
        for rrset in response.authority
        if rrset.rdtype == RdataType.SOA
        for each in rrset
    ]
    return float(min(ttls, default=_NEGATIVE_SECONDS))


class Lookup:
    """The questions of one message, asked by one thread."""

    def __init__(self, resolver: Resolver, seconds: float, remaining: Callable[[], float]) -> None:
        self._resolver = resolver
        self._remaining = remaining
        self._left = seconds
        self._reserved = 0.0
        self._known: dict[Question, Answer | DnsError] = {}
        self.outcomes: Counter[str] = Counter()
        """How many questions had which outcome."""
        self.seconds = 0.0
        """How long they took together."""

    @contextmanager
    def limited(self, share: float) -> Iterator[None]:
        """Let all questions within take that share of the time that is left, and no more."""
        self._reserved = self._left * (1 - share)
        try:
            yield
        finally:
            self._reserved = 0.0

    def txt(self, name: str) -> tuple[bytes, ...]:
        """Return the TXT records of a name, the strings of each joined. Raises DnsError."""
        return tuple(record for record in self._records(name, RdataType.TXT) if isinstance(record, bytes))

    def addresses(self, name: str, kind: str = "A") -> tuple[str, ...]:
        """Return the addresses of a name, ``A`` or ``AAAA``. Raises DnsError."""
        return tuple(str(record) for record in self._records(name, RdataType[kind]))

    def exchanges(self, name: str) -> tuple[tuple[int, str], ...]:
        """Return preference and host name of each MX. Raises DnsError."""
        return tuple(record for record in self._records(name, RdataType.MX) if isinstance(record, tuple))

    def pointers(self, name: str) -> tuple[str, ...]:
        """Return the PTR records of a name below ``arpa``. Raises DnsError."""
        return tuple(str(record) for record in self._records(name, RdataType.PTR))

    def exists(self, name: str) -> bool:
        """Whether there is such a name, whatever it has. Raises DnsError.

        *Source:* RFC 8020: NXDOMAIN says that there is nothing at or below a name, of any type.
        """
        wire = wire_name(name)
        return wire is not None and not self._answer(wire, RdataType.A).is_missing

    def _records(self, name: str, kind: RdataType) -> tuple[object, ...]:
        wire = wire_name(name)
        return () if wire is None else self._answer(wire, kind).records

    def _answer(self, name: dns.name.Name, kind: RdataType) -> Answer:
        known = self._known.get((name, kind))
        if known is None:
            known = self._asked(name, kind)
        if isinstance(known, DnsError):
            raise known
        return known

    def _asked(self, name: dns.name.Name, kind: RdataType) -> Answer | DnsError:
        began = time.monotonic()
        said: Answer | DnsError
        try:
            said = self._resolver.ask(name, kind, min(self._left - self._reserved, self._remaining()))
        except DnsError as error:
            said = error
        outcome = "temporary" if isinstance(said, DnsError) else "answer" if said.records else "nothing"
        took = time.monotonic() - began
        self._left -= took
        self.seconds += took
        self._known[name, kind] = said
        self.outcomes[outcome] += 1
        return said


def wire_name(name: str) -> dns.name.Name | None:
    """Return an absolute name; None for what no name can be: an empty or long label, more than 255 octets.

    Other letters than ASCII are written as A-labels (IDNA). What stands in a label is never read as an escape.
    """
    labels = name.removesuffix(".").split(".")
    try:
        return dns.name.Name([*(_label(label) for label in labels), b""])
    except (dns.exception.DNSException, idna.IDNAError, UnicodeError, ValueError):
        return None


def _label(label: str) -> bytes:
    if not label:
        raise ValueError("an empty label")
    return label.encode("ascii") if label.isascii() else idna.encode(label, uts46=True)


def _records(rrset: Sequence[dns.rdata.Rdata]) -> Iterator[object]:
    for each in rrset:
        match each.rdtype:
            case RdataType.TXT:
                yield b"".join(each.strings)  # type: ignore[attr-defined]
            case RdataType.MX:
                yield each.preference, each.exchange.to_text(omit_final_dot=True)  # type: ignore[attr-defined]
            case RdataType.PTR:
                yield each.target.to_text(omit_final_dot=True)  # type: ignore[attr-defined]
            case _:
                yield each.address  # type: ignore[attr-defined]


def _servers(given: Sequence[str]) -> Iterator[dns.nameserver.Do53Nameserver]:
    if not given:
        yield from _system_servers()
        return
    for text in given:
        address, port = server_of(text)
        if not port:
            raise ConfigError("settings", "dns.servers", expected="ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT", got=text)
        yield dns.nameserver.Do53Nameserver(address, port)


def _system_servers() -> Iterator[dns.nameserver.Do53Nameserver]:
    """Yield what resolv.conf names; the machine itself where there is none, as the C library has it."""
    try:
        addresses = [str(each) for each in dns.resolver.Resolver().nameservers]
    except (dns.exception.DNSException, OSError):
        addresses = []
    for address in addresses or ["127.0.0.1"]:
        yield dns.nameserver.Do53Nameserver(address, 53)
