# SPDX-License-Identifier: GPL-3.0-or-later
"""Mail through the whole house: what a postmaster promises his users, seen from outside."""

import gzip
import threading
from collections.abc import Iterator
from email.utils import formatdate, make_msgid
from itertools import cycle, islice
from pathlib import Path

import pytest

from tests.daemons import Clamd, Milterguard, Postfix, Sink, Smtp, Spamd, toml, wait_until
from tests.daemons.sample import EICAR, GTUBE, points_phrase
from tests.house import STRANGER
from tests.integration.conftest import Serve

SENDER, USER, LOVER, KEPT = "sender@sender.example", "user@example.com", "lover@example.com", "kept@example.com"
SETTINGS: toml.Table = {
    "policy": {"store_on_reject": ["virus"]},
    "recipient": [{"match": [LOVER], "spam_lover": True}, {"match": [KEPT], "virus_destiny": "discard"}],
}
CLEAN, INFECTED, SPAM = b"Hello.\r\n", EICAR + b"\r\n", GTUBE + b"\r\n"


@pytest.fixture
def guard(serve: Serve, clamd: Clamd, spamd: Spamd) -> Milterguard:
    return serve(SETTINGS, clamd=clamd.socket, spamd=spamd.socket)


@pytest.fixture
def client(postfix: Postfix, guard: Milterguard) -> Iterator[Smtp]:
    """A stranger's connection."""
    assert guard.is_running
    with Smtp(postfix.port) as smtp:
        smtp.ehlo()
        smtp.xclient(STRANGER)
        smtp.ehlo(STRANGER["NAME"])
        yield smtp


def letter(body: bytes = CLEAN, *fields: str, subject: str = "hello") -> bytes:
    head = [
        f"From: {SENDER}",
        f"To: {USER}",
        f"Subject: {subject}",
        f"Message-ID: {make_msgid(domain='sender.example')}",
    ]
    lines = [*head, f"Date: {formatdate()}", *fields]
    return "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n" + body


def told(smtp: Smtp, octets: bytes, *recipients: str) -> str:
    return str(smtp.send(octets, sender=SENDER, recipients=recipients or (USER,)).last)


def copies(guard: Milterguard) -> list[Path]:
    return sorted(path for path in guard.quarantine.glob("?/*-*") if path.is_file())


def test_forged_fields_are_gone_and_ours_stand_on_top(client: Smtp, sink: Sink) -> None:
    """Three copies of a forged flag, all removed; what is left is what we wrote, above all else."""
    forged = ["X-Spam-Flag: NO", "X-Virus-Scanned: theirs", "x-spam-flag: NO", "X-Spam-Status: No", "X-SPAM-FLAG: NO"]
    assert told(client, letter(f"Please read this: {points_phrase('6-5')} is all.\r\n".encode(), *forged)).startswith(
        "250"
    )
    (message,) = sink.wait_for(1)
    assert message.values("X-Spam-Flag") == ("YES",)
    assert message.values("X-Virus-Scanned") == ("milterguard at mx.example.com",)
    assert len(message.values("X-Spam-Status")) == 1
    assert message.values("Subject") == ("***SPAM*** hello",)
    names = [name for name, _ in message.fields()]
    ours = ["Authentication-Results", "X-Virus-Scanned", "X-Spam-Flag", "X-Spam-Score", "X-Spam-Level", "X-Spam-Status"]
    assert names[:6] == ours


def test_no_verdict_reaches_another_message(client: Smtp, sink: Sink) -> None:
    """Sixty messages on one connection, each with its own answer."""
    kinds = list(islice(cycle([(CLEAN, "250"), (INFECTED, "554"), (CLEAN, "250"), (SPAM, "554")]), 60))
    answers = [told(client, letter(body))[:3] for body, _ in kinds]
    assert answers == [code for _, code in kinds]
    assert len(sink.wait_for(30)) == 30


def test_an_aborted_message_leaves_nothing_behind(client: Smtp, sink: Sink) -> None:
    """RSET after an infected message's envelope: the next one is judged on its own."""
    client.command(f"MAIL FROM:<{SENDER}>")
    client.command(f"RCPT TO:<{KEPT}>")
    client.command("RSET")
    assert told(client, letter()).startswith("250")
    (message,) = sink.wait_for(1)
    assert message.recipients == (USER.encode(),)


def test_one_recipient_loves_spam_and_the_other_does_not(client: Smtp, sink: Sink, guard: Milterguard) -> None:
    """The lover gets it, marked; the other one's copy is kept, and nobody is written to."""
    octets = letter(SPAM)
    assert told(client, octets, USER, LOVER).startswith("250")
    (message,) = sink.wait_for(1)
    assert message.recipients == (LOVER.encode(),)
    assert message.values("X-Spam-Flag") == ("YES",)
    (copy,) = copies(guard)
    assert copy.name.startswith("spam-")
    kept = gzip.decompress(copy.read_bytes())
    assert f"X-Envelope-To-Blocked: <{USER}>\r\n".encode() in kept
    assert kept.endswith(octets)


def test_a_discarded_message_is_kept_as_postfix_would_have_delivered_it(
    client: Smtp, sink: Sink, guard: Milterguard, postfix: Postfix
) -> None:
    """250, nothing delivered, and the copy ends with the very octets that go out without a filter."""
    odd = ["X-No-Space:value", "X-Two:  spaces", "X-Folded: one\r\n\ttwo\r\n three", "X-8bit: caf\u00e9"]
    octets = letter(INFECTED + b"..dots\r\n.\tdot\r\nlast line\r\n", *odd)
    assert told(client, octets, KEPT).startswith("250")
    (copy,) = copies(guard)
    with Smtp(postfix.plain_port) as plain:
        plain.ehlo()
        plain.send(octets, sender=SENDER, recipients=[KEPT], options="BODY=8BITMIME")
    (message,) = sink.wait_for(1)
    own = message.octets.index(b"From: ")
    assert copy.read_bytes().endswith(message.octets[own:])


def test_a_retry_is_not_stored_twice(client: Smtp, guard: Milterguard) -> None:
    """The same message once more, refused once more, kept once."""
    octets = letter(INFECTED)
    first, second = told(client, octets), told(client, octets)
    assert first.startswith("554")
    assert second.startswith("554")
    assert len(copies(guard)) == 1
    assert told(client, letter(INFECTED)).startswith("554")
    assert len(copies(guard)) == 2


def test_what_is_released_is_delivered_once(client: Smtp, sink: Sink, guard: Milterguard, postfix: Postfix) -> None:
    """Through the same MTA and the same milter, past the scanners, without its token."""
    octets = letter(INFECTED)
    told(client, octets)
    (copy,) = copies(guard)
    mail_id = copy.name.removeprefix("virus-")
    for _ in range(2):
        done = guard.cli("quarantine", "release", mail_id)
        assert done.returncode == 0, done.stderr
    wait_until(lambda: not postfix.queue(), seconds=20, what="an empty queue")
    (message,) = sink.messages
    assert message.octets.endswith(octets)
    assert message.values("X-Milterguard-Release") == ()
    assert guard.cli("quarantine", "release", "Zyxwvutsrq98").returncode != 0


def test_a_message_over_clamds_limit_is_unchecked_and_says_so(client: Smtp, sink: Sink) -> None:
    """31 MB where clamd takes 30: delivered with a warning, by the default policy."""
    body = (b"x" * 70 + b"\r\n") * 450_000
    assert told(client, letter(body)).startswith("250")
    (message,) = sink.wait_for(1)
    (alert,) = message.values("X-Amavis-Alert")
    assert alert.startswith("UNCHECKED, message could not be looked into: UNCHECKED-OVER-LIMITS")


@pytest.mark.parametrize("recipient", [USER, '"odd local part"@example.com', "grüße@example.com"])
@pytest.mark.parametrize("sender", ["", "a=b+c@sender.example", "größe@sender.example"])
def test_odd_addresses_come_through(client: Smtp, sink: Sink, sender: str, recipient: str) -> None:
    """Null sender, quoted and internationalised addresses: scanned and delivered as they are."""
    is_international = not (sender + recipient).isascii()
    options = "SMTPUTF8" if is_international else ""
    dialogue = client.send(letter(), sender=sender, recipients=[recipient], options=options)
    assert dialogue.last.code == 250
    (message,) = sink.wait_for(1)
    assert (message.sender.decode(), message.recipients[0].decode()) == (sender, recipient)
    assert len(message.values("X-Virus-Scanned")) == 1


@pytest.mark.parametrize(
    "path",
    [
        "<@a.example:victim@example.com>",
        "<@a,@b:victim@example.com>",
        "<@a:@b:victim@example.com>",
        "<@a,:victim@example.com>",
        "<@[192.0.2.1]:victim@example.com>",
        "@a:victim@example.com",
        "<group:victim@example.com;>",
        "<victim@example.com>>",
        "<<victim@example.com>>",
        "<victim@<example.com>>",
        "<(c)victim@example.com>",
        "<victim@example.com >",
        "<victim@example.com.>",
        "<example.com!victim>",
        "<victim%example.com>",
        '<"victim"@example.com>',
        "<VICTIM@EXAMPLE.COM>",
    ],
)
def test_a_recipient_who_is_removed_gets_nothing(
    serve: Serve, postfix: Postfix, clamd: Clamd, sink: Sink, path: str
) -> None:
    """However his address is written: refused at RCPT, or really removed (Postfix ignores what it does not match)."""
    lover: toml.Table = {"recipient": [{"match": [LOVER], "virus_lover": True}], "local": {"networks": []}}
    serve(lover, clamd=clamd.socket)
    with Smtp(postfix.port) as smtp:
        smtp.ehlo()
        smtp.command(f"MAIL FROM:<{SENDER}>")
        assert smtp.command(f"RCPT TO:<{LOVER}>").is_accepted
        smtp.command(f"RCPT TO:{path}")
        assert smtp.command("DATA").code == 354
        assert smtp.content(letter(INFECTED)).code == 250
    wait_until(lambda: not postfix.queue(), seconds=20, what="an empty queue")
    assert {recipient for each in sink.messages for recipient in each.recipients} == {LOVER.encode()}


def test_recipients_of_another_policy_are_deferred_when_split(
    serve: Serve, postfix: Postfix, spamd: Spamd, clamd: Clamd
) -> None:
    """mixed_recipients = "split": 452 4.5.3 for the second class, and then each gets its own answer."""
    split: toml.Table = toml.merged(SETTINGS, {"policy": {"mixed_recipients": "split"}})
    serve(split, clamd=clamd.socket, spamd=spamd.socket)
    with Smtp(postfix.port) as smtp:
        smtp.ehlo()
        smtp.xclient(STRANGER)
        smtp.ehlo()
        dialogue = smtp.send(letter(SPAM), sender=SENDER, recipients=[USER, LOVER])
        assert str(dialogue.recipients[LOVER]).startswith("452 4.5.3 ")
        assert dialogue.last.code == 554
        assert told(smtp, letter(SPAM), LOVER).startswith("250")


def test_mail_by_sendmail_is_neither_refused_nor_bounced(
    short_folder: Path, postfix: Postfix, serve: Serve, clamd: Clamd, sink: Sink, milter_socket: str
) -> None:
    """non_smtpd_milters: an infected message is withheld and kept; its sender gets no bounce (D14)."""
    guard = serve(SETTINGS, clamd=clamd.socket)
    postfix.set_parameters({"non_smtpd_milters": milter_socket})
    try:
        postfix.sendmail(letter(INFECTED), sender=USER, recipients=[USER])
        wait_until(lambda: copies(guard), seconds=20, what="the kept copy")
        postfix.sendmail(letter(CLEAN), sender=USER, recipients=[USER])
        (message,) = sink.wait_for(1)
        wait_until(lambda: not postfix.queue(), seconds=20, what="an empty queue")
        assert message.sender == USER.encode()
        assert len(sink.messages) == 1
    finally:
        postfix.set_parameters({"non_smtpd_milters": ""})


def test_odd_mail_by_sendmail_neither_loops_nor_bounces_nor_gets_through(
    postfix: Postfix, serve: Serve, clamd: Clamd, sink: Sink, milter_socket: str
) -> None:
    """A name without a domain is not removed but all is withheld; octets that are no UTF-8; more than we hold."""
    lover: toml.Table = {"match": [LOVER], "virus_lover": True}
    settings: toml.Table = {"recipient": [lover], "server": {"max_body_bytes": 100_000}}
    guard = serve(settings, clamd=clamd.socket)
    postfix.set_parameters({"non_smtpd_milters": milter_socket})
    try:
        postfix.sendmail(letter(INFECTED), sender=USER, recipients=[LOVER, "victim"])
        wait_until(lambda: copies(guard), seconds=20, what="the kept copy")
        assert sink.messages == ()
        postfix.sendmail(letter(), sender=USER, recipients=["v\udce4@example.com"])
        wait_until(lambda: "<v\u00e4@example.com>" in guard.log(), seconds=20, what="its line in the log")
        wait_until(lambda: not postfix.queue(), seconds=20, what="an empty queue, where Postfix cannot deliver it")
        sink.clear()
        postfix.sendmail(letter((b"x" * 70 + b"\r\n") * 3000), sender="stranger@elsewhere.example", recipients=[USER])
        (message,) = sink.wait_for(1)
        assert message.values("X-Amavis-Alert")[0].startswith("UNCHECKED, message could not be looked into")
        wait_until(lambda: not postfix.queue(), seconds=20, what="an empty queue")
        assert len(sink.messages) == 1
    finally:
        postfix.set_parameters({"non_smtpd_milters": ""})


def test_a_reload_under_load_fails_no_message(guard: Milterguard, postfix: Postfix, sink: Sink) -> None:
    """Four clients send without pause through three reloads: every answer is 250, every message delivered."""
    is_over = threading.Event()
    answers: list[str] = []

    def send() -> None:
        while not is_over.is_set():
            with Smtp(postfix.port) as smtp:
                smtp.ehlo()
                answers.extend(told(smtp, letter()) for _ in range(3))

    clients = [threading.Thread(target=send) for _ in range(4)]
    for each in clients:
        each.start()
    try:
        for _ in range(3):
            guard.reload()
    finally:
        is_over.set()
        for each in clients:
            each.join()
    assert {answer[:3] for answer in answers} == {"250"}
    assert len(sink.wait_for(len(answers))) == len(answers)


def test_a_bank_holds_for_the_messages_that_it_is_for(
    serve: Serve, postfix: Postfix, sink: Sink, clamd: Clamd, spamd: Spamd
) -> None:
    """Laid over the policy for a client's network and a sender; log and evidence name the banks in their order."""
    banks: toml.Table = {
        "NETWORK": {"when": {"network": "198.51.100.0/24"}, "virus_destiny": "discard"},
        "SENDER": {"when": {"sender": "lists@sender.example", "helo": ".sender.example"}, "contact": "see our page"},
        "NEVER": {"when": {"authenticated": True}, "virus_destiny": "pass"},
    }
    guard = serve({"bank": banks, "policy": {"store_on_reject": ["virus"]}}, clamd=clamd.socket, spamd=spamd.socket)
    other = {"ADDR": "203.0.113.9", "NAME": "mx.sender.example"}
    for client, sender, reply in (
        (STRANGER, SENDER, "250 2.0.0 Ok"),
        (STRANGER, "lists@sender.example", "250 2.0.0 Ok"),
        (other, "lists@sender.example", "554 5.7.0 Rejected"),
    ):
        with Smtp(postfix.port) as smtp:
            smtp.ehlo()
            smtp.xclient(client)
            smtp.ehlo("mx.sender.example")
            said = str(smtp.send(letter(INFECTED), sender=sender, recipients=[USER]).last)
            assert said.startswith(reply)
    assert said.endswith("; see our page")
    assert sink.messages == ()
    assert len(copies(guard)) == 3
    wait_until(lambda: guard.log().count("Blocked INFECTED") == 3, seconds=10, what="three lines in the log")
    lines = [line for line in guard.log().splitlines() if "Blocked INFECTED" in line]
    assert "{DiscardedInbound,Quarantined}, NETWORK [198.51.100.7]:" in lines[0]
    assert "{DiscardedInbound,Quarantined}, NETWORK/SENDER [198.51.100.7]:" in lines[1]
    assert "{RejectedInbound,Quarantined}, SENDER [203.0.113.9]:" in lines[2]
