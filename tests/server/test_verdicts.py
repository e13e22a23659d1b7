# SPDX-License-Identifier: GPL-3.0-or-later
"""The wire between an MTA and a real process tree: what is answered, and to whom."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fakes.mta import ALL_ACTIONS, Mail, Mta, delivered
from tests.server.tree import Tree, running

ENDINGS = {"": "a", "virus": "554", "spam": "554", "discard": "d", "raise": "451"}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tree]:
    with running(tmp_path_factory.mktemp("tree"), progress_seconds=0.2, deadline_seconds=2.0) as tree:
        yield tree


def says(say: str, **more: object) -> Mail:
    return Mail(fields=(("From", "a@b.example"), ("X-Say", say), ("Subject", "x")), **more)  # type: ignore[arg-type]


def is_ending(mta: Mta, say: str, wanted: str) -> bool:
    ending = mta.message(says(say))
    return ending.command == wanted or ending.line.startswith(wanted)


@pytest.mark.parametrize(("say", "wanted"), ENDINGS.items())
def test_each_verdict_has_its_answer(tree: Tree, say: str, wanted: str) -> None:
    """PASS is accept, REJECT 554, DISCARD discard, a failed check 451."""
    with tree.call().greet() as mta:
        assert is_ending(mta, say, wanted)


def test_foreign_marks_are_removed_all_of_them(tree: Tree) -> None:
    """Two forged X-Spam-Flag fields: none is delivered, the fields beside them stay as they were."""
    mail = Mail(fields=[("X-Spam-Flag", "NO"), ("From", "a@b.example"), ("x-spam-flag", "NO"), ("Subject", "  two ")])
    with tree.call().greet() as mta:
        result = delivered(mail, mta.message(mail))
    assert ("Subject", "  two ") in result.fields
    assert not [name for name, _ in result.fields if name.lower() == "x-spam-flag"]


def test_a_blocked_recipient_is_removed_from_a_message_another_one_gets(tree: Tree) -> None:
    """A lover of viruses gets it, the other recipient is deleted."""
    mail = says("virus", recipients=("<lover@ours.example>", "<user@ours.example>"))
    with tree.call().greet() as mta:
        ending = mta.message(mail)
        assert ending.is_accepted
        assert delivered(mail, ending).recipients == ["<lover@ours.example>"]


def test_recipients_are_moved_and_added_on_the_wire(tree: Tree) -> None:
    """Each with whom to tell; nothing is asked for that was not offered, and then nothing is half done."""
    mail = says("", recipients=["<ext@ours.example>", "<moved@ours.example>", "<logged@ours.example>"])
    with tree.call().greet() as mta:
        ending = mta.message(mail)
        result = delivered(mail, ending)
    assert result.recipients == [
        "<logged@ours.example>",
        "<ext+clean@ours.example>",
        "<there@ours.example>",
        "<log@ours.example>",
    ]
    assert list(result.parameters.values()) == [
        "ORCPT=rfc822;ext@ours.example",
        "ORCPT=rfc822;moved@ours.example",
        "NOTIFY=NEVER",
    ]
    assert "".join(command for command, _ in ending.changes if command in "2+-") == "222--"
    for actions, wanted in ((ALL_ACTIONS & ~0x80, "+++--"), (ALL_ACTIONS & ~0x84, "")):
        with tree.call() as mta:
            mta.negotiate(actions=actions)
            mta.connect()
            mta.helo()
            ending = mta.message(mail)
        assert ending.is_accepted is bool(wanted)
        assert "".join(command for command, _ in ending.changes if command in "2+-") == wanted
    assert ending.line.startswith("451 4.3.0 ")


def test_verdicts_do_not_bleed_between_the_messages_of_interleaved_sessions(tree: Tree) -> None:
    """100 messages with different verdicts over ten connections, some aborted: each gets its own."""
    chance = random.Random(7)
    wrong: list[str] = []

    def talk() -> None:
        with tree.call().greet() as mta:
            for _ in range(10):
                say, wanted = chance.choice(list(ENDINGS.items()))
                if chance.random() < 0.3:
                    mta.begin(says("virus"))
                    mta.abort()
                if not is_ending(mta, say, wanted):
                    wrong.append(say)
            mta.quit()

    threads = [threading.Thread(target=talk) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize("stage", ["connect", "mail", "rcpt", "data", "field", "end_of_header", "body"])
def test_abort_at_any_stage_leaves_nothing_behind(tree: Tree, stage: str) -> None:
    """After an abort the next message of the connection is judged alone."""
    with tree.call().greet() as mta:
        steps: list[tuple[str, Callable[[], object]]] = [
            ("connect", lambda: None),
            ("mail", lambda: mta.mail("<other@sender.example>")),
            ("rcpt", lambda: mta.rcpt("<other@ours.example>")),
            ("data", lambda: mta.data("other")),
            ("field", lambda: mta.field("X-Say", "virus")),
            ("end_of_header", mta.end_of_header),
            ("body", lambda: mta.body(b"other")),
        ]
        for name, step in steps:
            step()
            if name == stage:
                break
        mta.abort()
        mail = says("read", queue_id=f"after-{stage}")
        assert mta.message(mail).is_accepted
        mta.quit()
    end = time.monotonic() + 10
    while not (mine := [each for each in tree.recorded() if each["queue_id"] == mail.queue_id]):
        assert time.monotonic() < end
    assert (mine[0]["sender"], mine[0]["recipients"]) == ("sender@sender.example", ["user@ours.example"])


@pytest.mark.parametrize("stage", ["negotiate", "connect", "mail", "data", "end_of_header", "body", "end_of_message"])
def test_a_client_that_vanishes_at_any_stage_leaves_a_server_that_is_well(tree: Tree, stage: str) -> None:
    """The connection is closed without a word; the next one is served."""
    mta = tree.call()
    steps: list[tuple[str, Callable[[], object]]] = [
        ("negotiate", mta.negotiate),
        ("connect", mta.connect),
        ("mail", lambda: mta.mail("<a@b.example>")),
        ("rcpt", lambda: mta.rcpt("<user@ours.example>")),
        ("data", mta.data),
        ("field", lambda: mta.field("X-Say", "read wait:0.2")),
        ("end_of_header", mta.end_of_header),
        ("body", lambda: mta.body(b"x" * 300000)),
        ("end_of_message", lambda: mta.send("E")),
    ]
    for name, step in steps:
        step()
        if name == stage:
            break
    mta.close()
    with tree.call().greet() as other:
        assert is_ending(other, "", "a")


def test_progress_is_told_while_a_check_takes_its_time(tree: Tree) -> None:
    """A second of checking at progress_seconds = 0.2 makes at least three."""
    with tree.call().greet() as mta:
        ending = mta.message(says("wait:1"))
    assert ending.is_accepted
    assert ending.progress >= 3


@pytest.mark.parametrize("say", ["wait:9", "stubborn:4"])
def test_the_answer_comes_within_the_deadline(tree: Tree, say: str) -> None:
    """A check that does not end, even one that does not listen, is a 451 after deadline_seconds = 2."""
    started = time.monotonic()
    with tree.call().greet() as mta:
        assert mta.message(says(say)).line.startswith("451 4.7.1")
    assert time.monotonic() - started < 3.5


def test_a_bug_in_a_lookup_defers_that_recipient_only(tree: Tree) -> None:
    """451 4.3.0 at RCPT; the session takes the next recipient and the message."""
    with tree.call().greet() as mta:
        mta.mail("<a@b.example>")
        refused = mta.rcpt("<bug@ours.example>")
        assert refused is not None
        assert refused.line.startswith("451 4.3.0")
        assert mta.rcpt("<user@ours.example>") is not None
        mta.data()
        mta.end_of_header()
        assert mta.end_of_message().is_accepted


def test_an_address_that_is_not_utf8_is_refused_at_rcpt(tree: Tree) -> None:
    """553 for the recipient; for a sender at the first RCPT, because MAIL is not answered."""
    with tree.call().greet() as mta:
        mta.mail("<a@b.example>")
        refused = mta.rcpt(b"<\xff@ours.example>")
        assert refused is not None
        assert refused.line.startswith("553 5.6.7")
        mta.abort()
        mta.mail(b"<\xff@b.example>")
        refused = mta.rcpt("<user@ours.example>")
        assert refused is not None
        assert refused.line.startswith("553 5.6.7")
        mta.abort()
        assert is_ending(mta, "", "a")


def test_what_the_mta_says_of_the_client_reaches_the_record(tree: Tree) -> None:
    """Macros, HELO, addresses with and without brackets, parameters apart."""
    with tree.call() as mta:
        mta.negotiate()
        about = {"j": "mta.ours.example", "{daemon_name}": "smtpd", "{client_name}": "mx.sender.example"}
        mta.connect("unverified.example", "2001:db8::7", port=587, macros=about)
        mta.helo("first.example")
        mta.helo(
            "second.example",
            macros={
                "{tls_version}": "TLSv1.3",
                "{cipher}": "AES",
                "{cert_subject}": "client.example",
                "{cert_issuer}": "Issuer",
                "{verify}": "OK",
            },
        )
        mta.mail("s@sender.example", "SIZE=5", macros={"{auth_type}": "PLAIN", "{auth_authen}": "user"})
        mta.rcpt("<user@ours.example>", "NOTIFY=NEVER")
        mta.data("4Client")
        mta.end_of_header()
        assert mta.end_of_message().is_accepted
    end = time.monotonic() + 10
    while not (mine := [each for each in tree.recorded() if each["queue_id"] == "4Client"]):
        assert time.monotonic() < end
    assert mine[0]["sender"] == "s@sender.example"
    assert mine[0]["mta"] == "mta.ours.example"
    assert mine[0]["client"] == {
        "address": "2001:db8::7",
        "port": 587,
        "name": "mx.sender.example",
        "helo": "second.example",
        "login": "user",
        "mechanism": "PLAIN",
        "tls": "TLSv1.3 AES",
        "daemon": "smtpd",
        "socket": f"unix:{tree.path}",
        "certificate": "client.example",
        "issuer": "Issuer",
    }


def test_an_old_mta_is_served_too(tree: Tree) -> None:
    """Protocol 2 with little on offer: every step is answered and the verdict is the same."""
    with tree.call() as mta:
        mta.negotiate(version=2, actions=0x1F, steps=0x7F)
        mta.connect()
        mta.helo()
        assert is_ending(mta, "virus", "554")
        mail = Mail(fields=[("X-Spam-Flag", "NO"), ("X-Say", "read"), ("Subject", "x")])
        ending = mta.message(mail)
        assert ending.is_accepted
        assert delivered(mail, ending).fields[-1] == ("Subject", "x")


def test_an_mta_that_cannot_do_what_must_be_done_gets_451(tree: Tree) -> None:
    """Without DELRCPT a blocked recipient cannot be removed, so nobody gets the message."""
    with tree.call() as mta:
        mta.negotiate(actions=0x1)
        mta.connect()
        mail = says("virus", recipients=("<lover@ours.example>", "<user@ours.example>"))
        assert mta.message(mail).line.startswith("451 4.3.0")


def test_a_field_of_half_a_megabyte_is_read(tree: Tree) -> None:
    """libmilter's own limit of 65535 octets would have ended the connection."""
    with tree.call().greet() as mta:
        mail = Mail(fields=[("X-Long", "x" * 500_000), ("X-Say", "virus")])
        assert mta.message(mail).line.startswith("554")


def test_too_long_header_and_body_are_refused(tmp_path: Path) -> None:
    """552 5.3.4 over max_header_bytes and max_body_bytes; the connection goes on."""
    with (
        running(tmp_path, workers=1, max_header_bytes=2000, max_body_bytes=300_000) as tree,
        tree.call().greet() as mta,
    ):
        assert mta.message(Mail(fields=[("X-Long", "x" * 3000)])).line.startswith("552 5.3.4")
        assert mta.message(Mail(body=b"x" * 300_001)).line.startswith("552 5.3.4")
        assert mta.message(Mail(body=b"x" * 300_000)).is_accepted
        assert [each["answer"] for each in tree.await_record(3)] == ["reject", "reject", "pass"]


def test_too_many_messages_in_work_are_told_to_come_again(tmp_path: Path) -> None:
    """max_messages = 1: the second gets 451 4.3.2 while the first is checked, and is taken afterwards."""
    with (
        running(tmp_path, workers=1, max_messages=1, progress_seconds=0.05) as tree,
        tree.call().greet() as first,
        tree.call().greet() as mta,
    ):
        first.begin(says("wait:2"))
        first.send("E")
        assert first.receive()[0] == "p"  # it is in work
        assert mta.message(says("")).line.startswith("451 4.3.2")
        while first.receive()[0] == "p":
            pass
        end = time.monotonic() + 5
        while not mta.message(says("")).is_accepted:
            assert time.monotonic() < end


def test_no_command_waits_behind_another_sessions_scan(tmp_path: Path) -> None:
    """Bursts of six messages with scans of a second: the slowest command takes less than half of one."""
    slowest: list[float] = []

    def talk() -> None:
        with house.call() as mta:
            steps: tuple[Callable[[], object], ...] = (
                mta.negotiate,
                mta.connect,
                mta.helo,
                lambda: mta.mail("<a@b.example>"),
                lambda: mta.rcpt("<user@ours.example>"),
                mta.data,
                lambda: mta.field("X-Say", "wait:1"),
            )
            for step in steps:
                started = time.monotonic()
                step()
                slowest.append(time.monotonic() - started)
            mta.end_of_header()
            assert mta.end_of_message().is_accepted

    with running(tmp_path) as house:
        threads = []
        for _ in range(8):
            threads += [threading.Thread(target=talk) for _ in range(6)]
            for thread in threads[-6:]:
                thread.start()
            time.sleep(0.3)
        for thread in threads:
            thread.join()
    assert len(slowest) == 8 * 6 * 7
    assert max(slowest) < 0.5
