# SPDX-License-Identifier: GPL-3.0-or-later
"""Mail whose sender is to be found out: a milterguard that asks a name server of ours, and the field it adds."""

import contextlib
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from milterguard.core.authres import Result, results_of
from tests.daemons import Milterguard, Postfix, Sink, Smtp, toml
from tests.daemons.smtp import Dialogue, Reply
from tests.fakes.dns import DnsServer, Zone
from tests.fakes.mta import Mail, Mta, delivered

STRANGER = {"ADDR": "192.0.2.25", "NAME": "mx.sender.example"}
USER = "user@example.com"
_VERIFY = Path(__file__).with_name("verify.pl")


@dataclass(frozen=True, slots=True)
class Told:
    """How a message went."""

    dialogue: Dialogue
    fields: tuple[tuple[str, str], ...]
    """Of the delivered message; nothing where it was refused."""
    octets: bytes = b""
    """The delivered message."""

    @property
    def value(self) -> str:
        """Our Authentication-Results, which stands above all else but signatures."""
        ours = ("ARC-Seal", "ARC-Message-Signature", "ARC-Authentication-Results", "DKIM-Signature")
        above, value = next((i, each) for i, (name, each) in enumerate(self.fields) if name == "Authentication-Results")
        assert all(name in ours for name, _ in self.fields[:above]), self.fields
        return value

    @property
    def results(self) -> tuple[Result, ...]:
        return results_of(self.value.encode())

    def result(self, method: str, **about: str) -> str:
        """Return the result of a method, about this property: ``result("spf", smtp_mailfrom="a@b")``."""
        wanted = {name.replace("_", ".", 1): value for name, value in about.items()}
        for each in self.results:
            if each.method == method and all(each.of(name) == value for name, value in wanted.items()):
                return each.result
        return ""

    def values(self, name: str) -> tuple[str, ...]:
        return tuple(value for each, value in self.fields if each.lower() == name.lower())


def by_wire(guard: Milterguard, mail: Mail, *, address: str, helo: str) -> Told:
    """Send a message by the milter protocol alone, as an MTA would that lets through what Postfix refuses."""
    with Mta(guard.socket.removeprefix("unix:")) as mta:
        mta.negotiate()
        mta.connect(ip=address, macros={"j": "mx.example.com"})
        mta.helo(helo)
        ending = mta.message(mail)
    assert ending.is_accepted, ending
    return Told(Dialogue(Reply((ending.line or "250 ok",))), tuple(delivered(mail, ending).fields))


class Post:
    """Mail to our user by a real Postfix, from whoever it shall seem to be from."""

    def __init__(self, postfix: Postfix, sink: Sink, dns: DnsServer, milterguard: Milterguard) -> None:
        self._postfix = postfix
        self._sink = sink
        self.dns = dns
        self.milterguard = milterguard

    def serve(self, zone: Zone) -> None:
        """Know this zone from now on; milterguard forgets what it knew."""
        self.dns.serve(zone)
        self.milterguard.reload()

    def send(
        self,
        octets: bytes,
        *,
        sender: str = "author@sender.example",
        client: Mapping[str, str] = STRANGER,
        helo: str = "mx.sender.example",
        recipients: Sequence[str] = (USER,),
    ) -> Told:
        self._sink.clear()
        with Smtp(self._postfix.port) as smtp:
            smtp.ehlo()
            if client:
                smtp.xclient(client)
            smtp.ehlo(helo)
            dialogue = smtp.send(octets, sender=sender, recipients=recipients)
        if not dialogue.last.is_accepted:
            return Told(dialogue, ())
        (delivered,) = self._sink.wait_for(1)
        return Told(dialogue, delivered.fields(), delivered.octets)

    def submit(
        self, octets: bytes, *, sender: str = "author@example.com", to: str = "friend@elsewhere.example"
    ) -> Told:
        """Send a message from our own network."""
        return self.send(octets, sender=sender, client={}, helo="client.example.com", recipients=[to])

    def opinions(self, octets: bytes, kind: str = "dkim") -> list[str]:
        """Return what Mail::DKIM says of a message, by the same name server: ``dkim`` or ``arc``."""
        done = subprocess.run(
            ["perl", str(_VERIFY), kind, str(self.dns.port)], input=octets, capture_output=True, check=True, timeout=60
        )
        return done.stdout.decode().splitlines()


@contextlib.contextmanager
def posting(
    folder: Path,
    postfix: Postfix,
    sink: Sink,
    milter: str,
    *,
    settings: toml.Table | None = None,
    zone: Zone | None = None,
) -> Iterator[Post]:
    """Start a milterguard without scanners that finds out who sent a message."""
    with DnsServer(zone) as dns:
        ours: toml.Table = {
            "dns": {"servers": [dns.address], "timeout_seconds": 0.5, "dns_budget_seconds": 4.0},
            "server": {"workers": 1},
            "checks": {"parts": {"enabled": False}, "banned": {"enabled": False}, "bad_header": {"enabled": False}},
        }
        guard = Milterguard(
            folder / "milterguard", release=postfix.socket, listen=milter, settings=toml.merged(ours, settings or {})
        )
        try:
            with guard:
                yield Post(postfix, sink, dns, guard)
        finally:
            print(guard.log())
