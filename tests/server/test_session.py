# SPDX-License-Identifier: GPL-3.0-or-later
"""A session answers every message once, gives back what it took, and forgets."""

import threading
import time
from pathlib import Path

import pytest

from milterguard.config.settings import Server
from milterguard.core import reply
from milterguard.core.destiny import Destiny, Mixed
from milterguard.core.reply import FAILED, NO_SPACE
from milterguard.core.verdict import Reply
from milterguard.server.session import Answer
from tests.server.room import Door, opened


@pytest.mark.parametrize(
    ("say", "destiny"),
    [
        ("", Destiny.PASS),
        ("read", Destiny.PASS),
        ("virus", Destiny.REJECT),
        ("discard", Destiny.DISCARD),
        ("raise", Destiny.TEMPFAIL),
    ],
)
def test_a_message_is_answered_recorded_and_forgotten(say: str, destiny: Destiny) -> None:
    """What is recorded is what was told; the session is ready for the next."""
    with opened() as room:
        for number in (1, 2):
            answer = room.message(say)
            record = room.records.last(number)
            assert answer.destiny is record.answer is destiny
            assert record.reply == (str(answer.reply) if answer.reply else "")
        assert room.desk.messages == 2


def is_same(given: Reply | None, wanted: Reply) -> bool:
    """Whether a reply is the wanted one, with the id of its message."""
    return given is not None and str(given).startswith(f"{wanted}, id=")


def test_the_checks_start_before_the_content_has_arrived() -> None:
    """At the end of the header the scan is in work, and it ends only with the content."""
    with opened() as room:
        room.begin("read")
        assert room.desk.admission.count == 1
        room.session.body(b"more")
        assert room.session.end_of_message(Door()).destiny is Destiny.PASS
        assert room.records.last().size == len(b"X-Say: read\r\n\r\nhello\r\nmore")


def test_a_copy_that_takes_too_long_to_keep_is_a_451() -> None:
    """The deadline holds for the quarantine too; the place is given back when it has ended at last."""
    with opened(deadline_seconds=0.5) as room:
        room.keeper.may.clear()
        answer = room.message("discard")
        assert answer.destiny is Destiny.TEMPFAIL
        assert room.records.last().answer is Destiny.TEMPFAIL
        assert room.desk.admission.count == 1
        room.keeper.may.set()


def test_the_place_is_kept_while_a_check_hangs_on() -> None:
    """The answer is given, but the thread is still busy: no other message may count on it."""
    with opened(server=Server(max_messages=1), deadline_seconds=0.3) as room:
        assert room.message("stubborn:0.8").destiny is Destiny.TEMPFAIL
        assert is_same(room.message("").reply, reply.BUSY)
        room.await_empty()
        assert room.message("").destiny is Destiny.PASS
        assert [each.answer for each in room.records.all][1] is Destiny.TEMPFAIL


def test_an_mta_that_does_not_take_the_edits_gets_451() -> None:
    """Recorded as such, not as passed."""

    def refuse() -> None:
        raise OSError("gone")

    with opened() as room:
        answer = room.message("", door=Door(refuse))
        assert answer.destiny is Destiny.TEMPFAIL
        assert is_same(answer.reply, FAILED)
        assert room.records.last().answer is Destiny.TEMPFAIL


def test_an_mta_that_is_gone_during_the_scan_ends_it() -> None:
    """``progress`` fails: the check is cancelled, not waited for."""

    def vanish() -> None:
        raise OSError("gone")

    with opened(server=Server(progress_seconds=0.1)) as room:
        started = time.monotonic()
        assert is_same(room.message("wait:4", door=Door(vanish)).reply, FAILED)
        room.await_empty()
        assert time.monotonic() - started < 2


def test_an_abort_cancels_the_checks() -> None:
    """At once, and nothing is recorded."""
    with opened() as room:
        started = time.monotonic()
        room.begin("wait:4")
        room.session.abort()
        room.await_empty()
        assert time.monotonic() - started < 2
        assert not room.records.all


def test_the_end_of_the_process_cancels_the_checks() -> None:
    """``abandon`` from another thread: 451, whatever a cancelled check would have come to."""
    with opened(server=Server(progress_seconds=0.1)) as room:
        room.desk.opened(room.session)
        room.begin("wait:4")
        threading.Timer(0.2, room.desk.abandon_all).start()
        started = time.monotonic()
        assert room.session.end_of_message(Door()).destiny is Destiny.TEMPFAIL
        assert time.monotonic() - started < 2
        room.desk.closed(room.session)
        assert room.desk.sessions == 0


def test_a_body_that_cannot_be_stored_is_a_451(small_disk: Path) -> None:
    """4.3.1 on a full disk; a smaller one is taken."""
    with opened(server=Server(max_memory_bytes=1000, spool_directory=str(small_disk))) as room:
        assert is_same(room.message("read", body=b"x" * 2_000_000).reply, NO_SPACE)
        room.await_empty()  # the check that read it has let go of the file
        assert room.message("read", body=b"x" * 200_000).destiny is Destiny.PASS


def test_a_second_mail_begins_anew() -> None:
    """RSET is not needed: recipients of the first are gone."""
    with opened() as room:
        room.session.mail(b"<first@sender.example>", ())
        room.session.rcpt(b"<first@o.x>", ())
        room.message("")
        envelope = room.records.last().envelope
        assert [each.address for each in envelope.recipients] == ["u@o.x"]
        assert envelope.sender == "s@sender.example"


def test_addresses_lose_their_brackets_and_keep_their_parameters() -> None:
    """The null sender is empty; ESMTP parameters are apart."""
    with opened() as room:
        room.session.mail(b"<>", (b"SIZE=7",), login="user", mechanism="PLAIN")
        room.session.rcpt("<jörg@o.x>".encode(), (b"NOTIFY=NEVER",))
        room.session.rcpt(b"bare@o.x", ())
        room.session.data("4Q")
        room.session.end_of_header()
        room.session.end_of_message(Door())
        envelope = room.records.last().envelope
        assert (envelope.sender, envelope.parameters) == ("", ("SIZE=7",))
        assert [each.address for each in envelope.recipients] == ["jörg@o.x", "bare@o.x"]
        assert envelope.recipients[0].parameters == ("NOTIFY=NEVER",)
        assert envelope.client.is_authenticated


def test_recipients_of_another_policy_come_separately_when_asked() -> None:
    """452 4.5.3 at RCPT with ``mixed_recipients = "split"``."""
    with opened(mixed=Mixed.SPLIT) as room:
        room.session.mail(b"<s@sender.example>", ())
        assert room.session.rcpt(b"<a@o.x>", ()) is None
        assert room.session.rcpt(b"<x@o.x>", ()) == reply.SPLIT
        assert room.session.rcpt(b"<b@o.x>", ()) is None


def test_steps_out_of_order_are_451_and_harmless() -> None:
    """RCPT, DATA, fields, body and the end without MAIL; a message without recipients."""
    with opened() as room:
        session = room.session
        assert session.rcpt(b"<a@o.x>", ()) == FAILED
        assert session.data("4Q") == FAILED
        session.field(b"A", b" b")
        session.end_of_header()
        session.body(b"x")
        session.spoil()
        session.abandon()
        assert session.end_of_message(Door()) == Answer(Destiny.TEMPFAIL, FAILED)
        session.mail(b"<s@sender.example>", ())
        assert session.end_of_message(Door()) == Answer(Destiny.TEMPFAIL, FAILED)


def test_a_step_that_went_wrong_spoils_its_message_only() -> None:
    """Told at the next step that has an answer."""
    with opened() as room:
        room.session.mail(b"<s@sender.example>", ())
        room.session.spoil()
        assert room.session.rcpt(b"<a@o.x>", ()) == FAILED
        assert room.message("").destiny is Destiny.PASS
        room.begin("")
        room.session.spoil()
        assert is_same(room.session.end_of_message(Door()).reply, FAILED)
