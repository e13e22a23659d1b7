# SPDX-License-Identifier: GPL-3.0-or-later
"""Every mix of recipients through a real Postfix: replies, deliveries, fields, copies; never a word to the sender."""

import gzip
import re
from collections.abc import Iterator
from email.utils import formatdate, make_msgid
from pathlib import Path

import pytest

from milterguard.store.journal import Journal
from tests.daemons import Clamd, Smtp, Spamd, private_folder, wait_until
from tests.daemons.sample import EICAR, POINTS, points_phrase
from tests.house import STRANGER, House, open_house
from tests.integration.mixes import CLIENTS, MIXES, SETTINGS, Mix

_BLOCKED = re.compile(rb"^X-Envelope-To-Blocked: ([^\r\n]*(?:\r\n[ \t][^\r\n]*)*)", re.MULTILINE)
_ADDRESS = re.compile(rb"<([^<>@]+)@example\.com>")
_DELIVERED = ("pass", "marked")
_WITH_COPY = ("removed", "kept")


@pytest.fixture(scope="module")
def house(shared_clamd: Clamd, shared_spamd: Spamd) -> Iterator[House]:
    with (
        private_folder() as folder,
        open_house(folder, settings=SETTINGS, clamd=shared_clamd, spamd=shared_spamd) as opened,
    ):
        yield opened


def test_there_are_at_least_forty() -> None:
    """Each once."""
    assert len({mix.name for mix in MIXES}) == len(MIXES) >= 40


@pytest.mark.parametrize("mix", MIXES, ids=lambda mix: str(mix.name))
def test_each_recipient_gets_what_he_wants(house: House, mix: Mix, spamd: Spamd, clamd: Clamd) -> None:
    """Or, where one message cannot have several answers, what mixed_recipients says."""
    house.sink.clear()
    subject = mix.name[:180]
    codes, final = sent(house, mix, subject)
    assert codes == {name: _rcpt_code(word) for name, word in mix.expected.items()}
    assert final == _final_code(mix)
    assert delivered(house) == {mix.delivered_as.get(name, name) for name in _who(mix, *_DELIVERED)}
    assert all(is_marked(each) is ("marked" in mix.expected.values()) for each in house.sink.messages)
    assert kept_for(house, subject) >= _who(mix, *_WITH_COPY)
    if mix.body != "banned":  # of which refused mail is kept as well
        assert kept_for(house, subject) == _who(mix, *_WITH_COPY)
    assert not [each for each in house.sink.messages if b"sender.example" in b"".join(each.recipients)]
    assert all(each.sender == mix.sender.encode() for each in house.sink.messages)
    assert recorded(house, subject) == {
        name: _fate(word) for name, word in mix.expected.items() if not word.isdecimal()
    }


def sent(house: House, mix: Mix, subject: str) -> tuple[dict[str, int], int]:
    """Send it as a stranger; return the codes at RCPT, and the last one."""
    octets = letter(mix, subject)
    with Smtp(house.postfix.port) as smtp:
        smtp.ehlo()
        smtp.xclient({**STRANGER, "ADDR": CLIENTS[mix.mode]})
        smtp.ehlo(STRANGER["NAME"])
        assert smtp.command(f"MAIL FROM:<{mix.sender}> SIZE={len(octets)}").is_accepted
        codes = {name: smtp.command(f"RCPT TO:<{name}@example.com>").code for name in mix.expected}
        assert smtp.command("DATA").code == 354
        return codes, smtp.content(octets).code


def letter(mix: Mix, subject: str) -> bytes:
    content = {
        "clean": b"Hello.\r\n",
        "virus": EICAR + b"\r\n",
        "banned": b"MZ\r\n",
        "header": b"Hello.\r\n",
        "big": b"Hello, this is a long line of nothing at all.\r\n" * 100,
    }
    if mix.body in POINTS:
        content[mix.body] = f"Please read this: {points_phrase(mix.body)} is all.\r\n".encode()
    head = [
        f"From: {mix.sender}",
        "To: plain@example.com",
        f"Subject: {subject}",
        f"Message-ID: {make_msgid(domain='sender.example')}",
        f"Date: {formatdate()}",
        "MIME-Version: 1.0",
        "Content-Type: application/octet-stream; name=a.exe" if mix.body == "banned" else "Content-Type: text/plain",
        *(["X-Odd: caf\xe9"] if mix.body == "header" else []),
    ]
    return "".join(f"{line}\r\n" for line in head).encode("latin-1") + b"\r\n" + content[mix.body]


def delivered(house: House) -> set[str]:
    wait_until(lambda: not house.postfix.queue(), seconds=20, what="an empty queue")
    addresses = [address.decode() for each in house.sink.messages for address in each.recipients]
    assert len(addresses) == len(set(addresses)), "nobody gets it twice"
    return {address.removesuffix("@example.com") for address in addresses}


def is_marked(message: object) -> bool:
    values = message.values  # type: ignore[attr-defined]
    return bool(values("X-Amavis-Alert")) or values("X-Spam-Flag") == ("YES",)


def kept_for(house: House, subject: str) -> set[str]:
    """Return for whom there is a copy in the quarantine, from the files themselves."""
    blocked: set[str] = set()
    for path in house.milterguard.quarantine.glob("**/*"):
        if path.is_file() and f"Subject: {subject}\r\n".encode() in (octets := _octets(path)):
            found = _BLOCKED.search(octets)
            assert found is not None
            blocked |= {name.decode() for name in _ADDRESS.findall(found[1])}
    return blocked


def _octets(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def recorded(house: House, subject: str) -> dict[str, str]:
    """Return the fate of each recipient from the journal, once the message is in it."""
    journal = Journal(f"sqlite:///{house.milterguard.folder / 'milterguard.db'}")
    found: list[dict[str, str]] = []

    def is_there() -> bool:
        for document in journal.recent(limit=5):
            if document["subject"] == subject:
                fates = {each["recipient"].partition("@")[0]: each["fate"] for each in document["outcomes"]}
                found.append(fates)
                return True
        return False

    try:
        wait_until(is_there, seconds=10, what="a record")
    finally:
        journal.close()
    return found[0]


def _who(mix: Mix, *words: str) -> set[str]:
    return {name for name, word in mix.expected.items() if word in words}


def _rcpt_code(word: str) -> int:
    return int(word) if word.isdecimal() else 250


def _final_code(mix: Mix) -> int:
    words = {word for word in mix.expected.values() if not word.isdecimal()}
    return 451 if "deferred" in words else 554 if "refused" in words else 250


def _fate(word: str) -> str:
    words = {"pass": "pass", "marked": "pass", "removed": "removed", "kept": "discard", "refused": "reject"}
    return words.get(word, "tempfail")
