# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Postfix with the very lines of ``etc/postfix/``, chrooted as Debian does it, finds milterguard."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemons import Clamd, Milterguard, Postfix, Sink, private_folder, wait_until
from tests.daemons.sample import EICAR, EICAR_NAME

SNIPPETS = Path(__file__).parents[2] / "etc" / "postfix"
CLEAN = b"From: a@sender.example\r\nTo: user@example.com\r\nSubject: clean\r\n\r\nHello.\r\n"
INFECTED = CLEAN.replace(b"clean", b"infected") + EICAR + b"\r\n"


class ChrootedPostfix(Postfix):
    """smtpd(8) and cleanup(8) in a chroot, as in Debian's master.cf."""

    def _master(self) -> str:
        services = super()._master()
        services = re.sub(r"^(\S+ inet n - )n( .* smtpd)$", r"\1y\2", services, flags=re.MULTILINE)
        return re.sub(r"^(cleanup unix n - )n", r"\1y", services, flags=re.MULTILINE)


def parameters(name: str) -> dict[str, str]:
    found = re.findall(r"^(\w+) =(.*)$", (SNIPPETS / name).read_text(), re.MULTILINE)
    return {parameter: value.strip() for parameter, value in found}


@pytest.fixture
def chrooted(sink: Sink, clamd: Clamd) -> Iterator[tuple[ChrootedPostfix, Milterguard]]:
    """Postfix with the lines for a unix socket, and milterguard at the socket they name."""
    lines = parameters("main.cf.snippet") | parameters("main.cf.unix-socket.snippet")
    kind, _, path = lines["smtpd_milters"].partition(":")
    assert (kind, path[0] != "/") == ("unix", True)
    with private_folder() as folder:
        postfix = ChrootedPostfix(folder / "p", sink_port=sink.port, parameters=lines)
        place = folder / "p" / "queue" / path
        milterguard = Milterguard(folder / "m", clamd=clamd.socket, listen=f"unix:{place}")
        place.parent.mkdir(parents=True)
        with milterguard, postfix:
            yield postfix, milterguard


def test_the_chrooted_postfix_finds_the_socket(chrooted: tuple[ChrootedPostfix, Milterguard], sink: Sink) -> None:
    """A clean message passes with our field, an infected one is refused in the session."""
    postfix, _ = chrooted
    passed = postfix.send(CLEAN, sender="a@sender.example", recipients=["user@example.com"])
    refused = postfix.send(INFECTED, sender="a@sender.example", recipients=["user@example.com"])
    assert passed.last.code == 250
    assert (refused.last.code, EICAR_NAME in str(refused.last)) == (554, True)
    delivered = sink.wait_for_message(lambda each: "clean" in each.values("Subject"))
    assert len(delivered.values("X-Virus-Scanned")) == 1


def test_mail_of_this_machine_finds_the_socket(chrooted: tuple[ChrootedPostfix, Milterguard], sink: Sink) -> None:
    """Mail by sendmail(1) is scanned too: clean mail passes, an infected one is kept and not bounced."""
    postfix, milterguard = chrooted
    for octets in (INFECTED, CLEAN):
        postfix.sendmail(octets.replace(b"\r\n", b"\n"), sender="a@example.com", recipients=["user@example.com"])
    delivered = sink.wait_for_message(lambda each: "clean" in each.values("Subject"))
    assert len(delivered.values("X-Virus-Scanned")) == 1
    wait_until(lambda: not postfix.queue(), seconds=20, what="an empty queue")
    listed = json.loads(milterguard.cli("quarantine", "list", "--json").stdout)
    assert [(each["category"], each["status"]) for each in listed] == [("virus", "held")]
    assert [each for each in sink.messages if "clean" not in each.values("Subject")] == []


def test_without_milterguard_mail_is_deferred(chrooted: tuple[ChrootedPostfix, Milterguard]) -> None:
    """While the filter is away the client is told 451 (milter_default_action = tempfail)."""
    postfix, milterguard = chrooted
    milterguard.stop()
    told = postfix.send(CLEAN, sender="a@sender.example", recipients=["user@example.com"])
    assert told.last.code == 451
