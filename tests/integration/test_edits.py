# SPDX-License-Identifier: GPL-3.0-or-later
"""Edits of recipients and fields through a real Postfix: who gets what, and what the next hop is told of him."""

from collections.abc import Mapping
from email.utils import formatdate, make_msgid
from typing import Any

import pytest

from tests.daemons import Clamd, Milterguard, Postfix, Sink, Smtp, Spamd, toml, wait_until
from tests.daemons.sample import EICAR, points_phrase
from tests.house import STRANGER
from tests.integration.conftest import Serve

SENDER = "sender@sender.example"
CLEAN, INFECTED = b"Hello.\r\n", EICAR + b"\r\n"
SPAMMY = f"Please read this: {points_phrase('6-5')} is all.\r\n".encode()
A, B, C, LOG = "a@example.com", "b@example.com", "c@example.com", "log@example.org"


def letter(body: bytes = CLEAN, *fields: str) -> bytes:
    head = [f"From: {SENDER}", f"To: {A}", "Subject: hello", f"Message-ID: {make_msgid(domain='sender.example')}"]
    return "".join(f"{line}\r\n" for line in (*head, f"Date: {formatdate()}", *fields)).encode() + b"\r\n" + body


def sent(postfix: Postfix, octets: bytes, *recipients: str) -> str:
    """Send as a stranger; a recipient may have parameters behind his address."""
    with Smtp(postfix.port) as smtp:
        smtp.ehlo()
        smtp.xclient(STRANGER)
        smtp.ehlo(STRANGER["NAME"])
        assert smtp.command(f"MAIL FROM:<{SENDER}>").is_accepted
        for each in recipients:
            local, _, rest = each.partition("@")
            domain, _, parameters = rest.partition(" ")
            assert smtp.command(f"RCPT TO:<{local}@{domain}> {parameters}".rstrip()).is_accepted
        assert smtp.command("DATA").code == 354
        return str(smtp.content(octets))


def arrived(postfix: Postfix, sink: Sink) -> list[tuple[str, str]]:
    """Return everybody who got it, as often as he did, with what stood behind his address."""
    wait_until(lambda: not postfix.queue(), seconds=20, what="an empty queue")
    assert {each.sender for each in sink.messages} <= {SENDER.encode()}
    pairs = (pair for each in sink.messages for pair in zip(each.recipients, each.parameters, strict=True))
    return sorted((address.decode(), " ".join(sorted(words.decode().split()))) for address, words in pairs)


def rule(address: str, **settings: Any) -> toml.Table:
    return {"match": [address], **settings}


def clean_to(address: str) -> Mapping[str, str]:
    return {"clean": address}


def test_an_extension_keeps_whom_to_tell(serve: Serve, postfix: Postfix, spamd: Spamd, sink: Sink) -> None:
    """user+spam in place of user, with the ORCPT and NOTIFY that he had; others stay as they are."""
    serve({"policy": {"addr_extension": {"spam": "spam"}}}, spamd=spamd.socket)
    recipients = (
        "plain@example.com",
        "told@example.com NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;first+2Bx@there.example",
        "never+old@example.com NOTIFY=NEVER",
        "postmaster@example.com",
        '"odd name"@example.com',
    )
    assert sent(postfix, letter(SPAMMY), *recipients).startswith("250")
    assert arrived(postfix, sink) == [
        ('"odd name"@example.com', 'ORCPT=rfc822;"odd+20name"@example.com'),
        ("never+spam@example.com", "NOTIFY=NEVER ORCPT=rfc822;never+2Bold@example.com"),
        ("plain+spam@example.com", "ORCPT=rfc822;plain@example.com"),
        ("postmaster@example.com", "ORCPT=rfc822;postmaster@example.com"),
        ("told+spam@example.com", "NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;first+2Bx@there.example"),
    ]


@pytest.mark.parametrize(
    ("rules", "recipients", "expected"),
    [
        (
            [rule(A, addr_rewrite=clean_to(C))],
            [f"{A} NOTIFY=FAILURE", B],
            [(B, f"ORCPT=rfc822;{B}"), (C, f"NOTIFY=FAILURE ORCPT=rfc822;{A}")],
        ),
        (
            [rule(A, addr_rewrite=clean_to(B)), rule(B, addr_rewrite=clean_to(A))],
            [f"{A} NOTIFY=NEVER", f"{B} NOTIFY=FAILURE"],
            [(A, f"NOTIFY=NEVER ORCPT=rfc822;{A}"), (B, f"NOTIFY=FAILURE ORCPT=rfc822;{B}")],
        ),
        (
            [rule(A, addr_rewrite=clean_to(B)), rule(B, addr_rewrite=clean_to(C))],
            [A, B],
            [(B, f"ORCPT=rfc822;{B}"), (C, f"ORCPT=rfc822;{B}")],
        ),
        (
            [rule(A, addr_rewrite=clean_to(C)), rule(B, addr_rewrite=clean_to("C@example.com"))],
            [f"{A} NOTIFY=NEVER", f"{B} NOTIFY=DELAY", f"{A} NOTIFY=NEVER"],
            [("C@example.com", f"NOTIFY=DELAY ORCPT=rfc822;{B}")],
        ),
        (
            [rule(A, always_bcc=clean_to(LOG)), rule(B, always_bcc=clean_to("LOG@example.org"))],
            [A, B],
            [
                (A, f"ORCPT=rfc822;{A}"),
                (B, f"ORCPT=rfc822;{B}"),
                (LOG, f"NOTIFY=NEVER ORCPT=rfc822;{LOG}"),
            ],
        ),
        ([rule(A, always_bcc=clean_to(B))], [A, B], [(A, f"ORCPT=rfc822;{A}"), (B, f"ORCPT=rfc822;{B}")]),
        ([rule(A, addr_rewrite=clean_to(C))], ["A@Example.com"], [(C, "ORCPT=rfc822;A@Example.com")]),
    ],
    ids=["moved", "swapped", "chained", "two in one", "bcc", "bcc who has it", "other case"],
)
def test_everybody_gets_it_once(
    serve: Serve, postfix: Postfix, sink: Sink, rules: Any, recipients: list[str], expected: list[tuple[str, str]]
) -> None:
    """Whoever shall get it, at his new address, told of as who he was; nobody twice and nobody else."""
    serve({"recipient": rules})
    assert sent(postfix, letter(), *recipients).startswith("250")
    assert arrived(postfix, sink) == expected


def test_mail_for_a_lover_may_go_where_somebody_was_blocked(
    serve: Serve, postfix: Postfix, clamd: Clamd, sink: Sink
) -> None:
    """The blocked one's copy is kept, and what is the other one's is delivered there."""
    lover = rule(A, virus_lover=True, addr_rewrite={"virus": B})
    guard = serve({"recipient": [lover]}, clamd=clamd.socket)
    assert sent(postfix, letter(INFECTED), A, B, C).startswith("250")
    assert [address for address, _ in arrived(postfix, sink)] == [B]
    (copy,) = guard.quarantine.glob("?/virus-*")
    assert f"X-Envelope-To-Blocked: <{B}>,\r\n <{C}>\r\n".encode() in copy.read_bytes()
    wait_until(lambda: "Passed INFECTED" in guard.log(), seconds=10, what="its line in the log")
    assert f", removed: <{B}>,<{C}>, moved: <{A}> -> <{B}>, " in guard.log()


def test_mail_by_sendmail_keeps_its_recipients_and_has_its_blind_copy(
    serve: Serve, postfix: Postfix, sink: Sink, milter_socket: str
) -> None:
    """Postfix would ignore the removal of an address that it has completed."""
    policy: toml.Table = {"addr_rewrite": {"clean": C}, "addr_extension": {"clean": "x"}, "always_bcc": {"clean": LOG}}
    serve({"policy": policy})
    postfix.set_parameters({"non_smtpd_milters": milter_socket})
    try:
        postfix.sendmail(letter(), sender=SENDER, recipients=[A])
        sink.wait_for(1)
        assert [address for address, _ in arrived(postfix, sink)] == [A, LOG]
    finally:
        postfix.set_parameters({"non_smtpd_milters": ""})


def test_fields_of_the_operators_own(serve: Serve, postfix: Postfix, sink: Sink, spamd: Spamd) -> None:
    """Three copies gone, one in place of two, one more on top of all; of other mail they are not said."""
    serve(
        {
            "field": [
                {"action": "remove", "name": "X-Old"},
                {"action": "replace", "name": "X-Class", "value": "_CATEGORY_ _SCORE_ (_YESNO_)", "category": "spammy"},
                {"action": "add", "name": "X-Top", "value": "on top at _HOSTNAME_"},
            ]
        },
        spamd=spamd.socket,
    )
    old = ("X-Old: 1", "X-Class: a", "x-old: 2", "X-CLASS: b", "X-OLD: 3")
    assert sent(postfix, letter(SPAMMY, *old), A).startswith("250")
    (spammy,) = sink.wait_for(1)
    assert spammy.fields()[:2] == (("X-Class", "spammy 6.5 (Yes)"), ("X-Top", "on top at mx.example.com"))
    assert spammy.values("X-Old") == ()
    assert spammy.values("X-Class") == ("spammy 6.5 (Yes)",)
    sink.clear()
    assert sent(postfix, letter(CLEAN, *old), A).startswith("250")
    (clean,) = sink.wait_for(1)
    assert clean.values("X-Class") == ("a", "b")
    assert clean.values("X-Spam-Flag") == ("NO",)


def test_what_the_lists_say_is_shown(serve: Serve, postfix: Postfix, sink: Sink, spamd: Spamd) -> None:
    """WHITELISTED without a scan, AM.WBL among the tests, BLACKLISTED with 64 points."""
    lists: list[toml.Table] = [
        rule(A, allow_senders=["@sender.example"]),
        rule(B, score_senders={"@sender.example": 1.5}),
        rule(C, deny_senders=["@sender.example"], spam_lover=True),
    ]
    serve({"recipient": lists}, spamd=spamd.socket)
    for recipient, flag, score, words in (
        (A, "NO", "0", "required=6.2 WHITELISTED tests=[] autolearn=unavailable"),
        (B, "NO", "", "tests=[AM.WBL=1.5"),
        (C, "YES", "64", "required=6.2 BLACKLISTED tests=[] autolearn=unavailable"),
    ):
        sink.clear()
        assert sent(postfix, letter(), recipient).startswith("250")
        (message,) = sink.wait_for(1)
        assert message.values("X-Spam-Flag") == (flag,)
        assert score in message.values("X-Spam-Score")[0]
        assert words in message.values("X-Spam-Status")[0]


def test_copies_in_folders_are_listed_and_released(serve: Serve, postfix: Postfix, sink: Sink, clamd: Clamd) -> None:
    """One for each folder, each given back to those it was kept for; a retry adds none."""
    rules = [
        rule(A, quarantine_to={"virus": "one/virus"}),
        rule(B, quarantine_to={"virus": "two"}),
        rule(C, quarantine_to={"virus": "two"}),
    ]
    guard = serve({"recipient": rules}, clamd=clamd.socket)
    octets = letter(INFECTED)
    for _ in range(2):
        assert sent(postfix, octets, A, B, C).startswith("554")
    copies = sorted(path for path in guard.quarantine.glob("**/virus-*") if path.is_file())
    assert [str(path.relative_to(guard.quarantine).parent.parent) for path in copies] == ["one/virus", "two"]
    for path, expected in zip(copies, ([A], [B, C]), strict=True):
        sink.clear()
        released(guard, path.name.removeprefix("virus-"))
        assert [address for address, _ in arrived(postfix, sink)] == expected


def released(guard: Milterguard, mail_id: str) -> None:
    done = guard.cli("quarantine", "release", mail_id)
    assert done.returncode == 0, done.stderr
