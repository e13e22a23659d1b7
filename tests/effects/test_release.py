# SPDX-License-Identifier: GPL-3.0-or-later
"""A quarantined message goes back to the MTA exactly once, and whoever dies on the way leaves no doubt."""

import multiprocessing
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from milterguard.config.socket import SocketKind, SocketSpec
from milterguard.core.finding import Category
from milterguard.core.message import Field
from milterguard.core.verdict import Keep
from milterguard.effects.release import ReleaseDeferred, Releaser, ReleaseRefused, ReleaseUncertain
from milterguard.errors import NotFoundError, StoreError
from milterguard.store.quarantine import FileQuarantine
from milterguard.store.tokens import ReleaseGate, release_gate
from tests.core.build import message
from tests.effects.mta import Mta

MAIL_ID = "Abcdefghij12"
USER = "user@example.com"


@pytest.fixture
def quarantine(tmp_path: Path) -> FileQuarantine:
    return FileQuarantine(tmp_path / "quarantine")


@pytest.fixture
def gate(tmp_path: Path) -> ReleaseGate:
    return release_gate(tmp_path / "state")


@pytest.fixture
def mta(gate: ReleaseGate) -> Iterator[Mta]:
    with Mta(gate) as door:
        yield door


def releaser(quarantine: FileQuarantine, gate: ReleaseGate, port: int, **options: float) -> Releaser:
    smtp = SocketSpec(SocketKind.INET, "127.0.0.1", port)
    return Releaser(quarantine, gate, smtp=smtp, hostname="mail.example.com", timeout_seconds=20.0, **options)  # type: ignore[arg-type]


def burnt(tmp_path: Path) -> list[Path]:
    """Return the marks of tokens that can never be used any more."""
    return list((tmp_path / "state").glob("used-tokens/*"))


def keep(
    quarantine: FileQuarantine, *, body: bytes = b"Hello.\r\n", to: tuple[str, ...] = (USER,), sender: str = ""
) -> None:
    quarantine.store(message(body=body, to=to, sender=sender), Keep(Category.SPAM, to))


def test_a_message_is_delivered_once_with_its_own_octets(
    quarantine: FileQuarantine, gate: ReleaseGate, mta: Mta
) -> None:
    """The guard recognises it, the token field is gone, Resent- fields stand above the original."""
    keep(quarantine, sender="sender@sender.example")
    released = releaser(quarantine, gate, mta.port).release(MAIL_ID)
    (delivery,) = mta.delivered
    assert delivery.released == MAIL_ID
    assert (delivery.sender, delivery.recipients) == ("sender@sender.example", (USER,))
    assert delivery.octets.endswith(b"From: a@sender.example\r\nSubject: hello\r\n\r\nHello.\r\n")
    assert delivery.fields.startswith(b"Resent-From: postmaster@mail.example.com\r\nResent-Date: ")
    assert b"Resent-Message-ID: <Abcdefghij12." in delivery.fields
    assert released.is_new
    assert released.was_recognised
    assert released.lines[0].endswith(f"<{USER}>: 250 2.0.0 Ok: queued as Q1")
    assert quarantine.find(MAIL_ID).status == "released"


def test_asking_twice_delivers_once(quarantine: FileQuarantine, gate: ReleaseGate, mta: Mta) -> None:
    """The second call returns the receipt of the first."""
    keep(quarantine)
    first = releaser(quarantine, gate, mta.port).release(MAIL_ID)
    second = releaser(quarantine, gate, mta.port).release(MAIL_ID)
    assert (second.is_new, second.lines) == (False, first.lines)
    assert len(mta.delivered) == 1


def test_again_delivers_once_more_and_keeps_both_receipts(
    quarantine: FileQuarantine, gate: ReleaseGate, mta: Mta
) -> None:
    """Only who says so gets a second copy."""
    keep(quarantine)
    releaser(quarantine, gate, mta.port).release(MAIL_ID)
    second = releaser(quarantine, gate, mta.port).release(MAIL_ID, recipients=["other@example.com"], again=True)
    assert [delivery.recipients for delivery in mta.delivered] == [(USER,), ("other@example.com",)]
    assert len(second.lines) == 2


def test_a_failed_again_does_not_forget_the_first_release(
    quarantine: FileQuarantine, gate: ReleaseGate, mta: Mta
) -> None:
    """A refused repetition leaves the message released."""
    keep(quarantine)
    releaser(quarantine, gate, mta.port).release(MAIL_ID)
    mta.replies["."] = "451 4.3.0 disk full"
    with pytest.raises(ReleaseDeferred):
        releaser(quarantine, gate, mta.port).release(MAIL_ID, again=True)
    assert not releaser(quarantine, gate, mta.port).release(MAIL_ID).is_new


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\r\n",
        b".\r\n..\r\n.x\r\n",
        b"no end",
        b"bare\nlines\n.\n",
        b"caf\xe9 \x00\xff\r\n",
        b"x" * 200_000 + b"\r\n",
        b"\r\n\r\n",
    ],
)
def test_any_body_arrives_and_fits_its_token(
    quarantine: FileQuarantine, gate: ReleaseGate, mta: Mta, body: bytes
) -> None:
    """Dots, missing line ends, NUL, eight bits, long lines: the milter sees what the token was bound to."""
    keep(quarantine, body=body)
    releaser(quarantine, gate, mta.port).release(MAIL_ID)
    (delivery,) = mta.delivered
    assert delivery.released == MAIL_ID
    assert delivery.octets.partition(b"\r\n\r\n")[2].replace(b"\r\n", b"\n").rstrip(b"\n") == body.replace(
        b"\r\n", b"\n"
    ).rstrip(b"\n")


def test_only_those_it_was_withheld_from_get_it(quarantine: FileQuarantine, gate: ReleaseGate, mta: Mta) -> None:
    """A recipient who got the message in the first place is not sent a second one."""
    kept = message(to=(USER, "lover@example.com"))
    quarantine.store(kept, Keep(Category.SPAM, (USER,)))
    releaser(quarantine, gate, mta.port).release(MAIL_ID)
    assert mta.delivered[0].recipients == (USER,)


def test_the_token_is_bound_to_the_recipients_the_mta_takes(
    quarantine: FileQuarantine, gate: ReleaseGate, mta: Mta
) -> None:
    """One refused at RCPT does not keep the others from getting it, and is told."""
    mta.replies["RCPT TO:<gone@example.com>"] = "550 5.1.1 unknown user"
    keep(quarantine, to=(USER, "gone@example.com"))
    released = releaser(quarantine, gate, mta.port).release(MAIL_ID)
    assert mta.delivered[0].released == MAIL_ID
    assert released.recipients == (USER,)
    assert released.refused == (("gone@example.com", "550 5.1.1 unknown user"),)


@pytest.mark.parametrize(
    ("command", "reply", "error"),
    [
        ("MAIL", "550 5.7.1 no", ReleaseRefused),
        ("MAIL", "451 4.3.0 later", ReleaseDeferred),
        ("RCPT", "550 5.1.1 no", ReleaseRefused),
        ("RCPT", "450 4.2.0 greylisted", ReleaseDeferred),
        ("DATA", "554 5.5.1 no", ReleaseRefused),
        (".", "554 5.7.1 no", ReleaseRefused),
        (".", "451 4.3.0 later", ReleaseDeferred),
        (".", "354 what", ReleaseDeferred),
        ("EHLO", "421 4.3.2 shutting down", ReleaseDeferred),
    ],
)
def test_what_the_mta_refuses_stays_held(
    quarantine: FileQuarantine,
    gate: ReleaseGate,
    mta: Mta,
    tmp_path: Path,
    *,
    command: str,
    reply: str,
    error: type[Exception],
) -> None:
    """Only 2xx is success; afterwards the message can be released, and a token that was sent is burnt."""
    if command == "EHLO":
        mta.replies["HELO"] = reply
    mta.replies[command] = reply
    keep(quarantine)
    with pytest.raises(error, match="still held"):
        releaser(quarantine, gate, mta.port).release(MAIL_ID)
    assert quarantine.find(MAIL_ID).status == "held"
    assert len(burnt(tmp_path)) == (1 if command in {"DATA", "."} else 0)
    mta.replies.clear()
    assert releaser(quarantine, gate, mta.port).release(MAIL_ID).is_new
    assert len(mta.delivered) == 1


def test_nobody_at_the_port_is_told(quarantine: FileQuarantine, gate: ReleaseGate) -> None:
    """An MTA that is down defers the release."""
    keep(quarantine)
    with Mta(gate) as door:
        port = door.port
    with pytest.raises(ReleaseDeferred, match="refused"):
        releaser(quarantine, gate, port).release(MAIL_ID)


def test_an_answer_lost_before_the_milter_passed_can_be_repeated(
    quarantine: FileQuarantine, gate: ReleaseGate, mta: Mta
) -> None:
    """The token is burnt, so that the first attempt can never be delivered any more."""
    keep(quarantine)
    mta.hangs_up = "before milter"
    with pytest.raises(ReleaseDeferred):
        releaser(quarantine, gate, mta.port).release(MAIL_ID)
    mta.hangs_up = ""
    assert releaser(quarantine, gate, mta.port).release(MAIL_ID).is_new
    assert len(mta.delivered) == 1


def test_an_answer_lost_after_the_milter_passed_is_uncertain(
    quarantine: FileQuarantine, gate: ReleaseGate, mta: Mta
) -> None:
    """It may have been delivered: only --again sends it once more."""
    keep(quarantine)
    mta.hangs_up = "after milter"
    for _ in range(2):
        with pytest.raises(ReleaseUncertain, match="may have been delivered"):
            releaser(quarantine, gate, mta.port).release(MAIL_ID)
    mta.hangs_up = ""
    assert len(mta.delivered) == 1
    assert releaser(quarantine, gate, mta.port).release(MAIL_ID, again=True).is_new


def test_a_crash_before_the_message_passed_is_recovered(
    quarantine: FileQuarantine, gate: ReleaseGate, mta: Mta
) -> None:
    """An intent whose token nobody has used proves that nothing was delivered."""
    keep(quarantine)
    with quarantine.begin_release(MAIL_ID) as state:
        state.write_intent("ab" * 32)
    assert releaser(quarantine, gate, mta.port).release(MAIL_ID).is_new


def test_a_crash_after_the_message_passed_is_told(quarantine: FileQuarantine, gate: ReleaseGate, mta: Mta) -> None:
    """An intent whose token was used proves nothing."""
    keep(quarantine)
    with quarantine.begin_release(MAIL_ID) as state:
        state.write_intent("ab" * 32)
    assert gate.use_once("ab" * 32, 2_000_000_000.0)
    with pytest.raises(ReleaseUncertain):
        releaser(quarantine, gate, mta.port).release(MAIL_ID)
    assert not mta.delivered


def test_an_old_intent_proves_nothing(quarantine: FileQuarantine, gate: ReleaseGate, mta: Mta) -> None:
    """The marks of used tokens are removed after a day, so their absence says nothing then."""
    keep(quarantine)
    with quarantine.begin_release(MAIL_ID) as state:
        state.write_intent("ab" * 32)
        assert state.previous is None
    with quarantine.begin_release(MAIL_ID) as state:
        assert state.previous is not None
        later = state.previous.at + 86400.0
    with pytest.raises(ReleaseUncertain):
        releaser(quarantine, gate, mta.port, clock=lambda: later).release(MAIL_ID)  # type: ignore[arg-type]


def test_a_port_without_our_milter_is_noticed(quarantine: FileQuarantine, gate: ReleaseGate) -> None:
    """The message arrives, with its token field, and the operator hears of it."""
    keep(quarantine)
    with Mta(None) as door:
        assert not releaser(quarantine, gate, door.port).release(MAIL_ID).was_recognised
        assert b"X-Milterguard-Release" in door.delivered[0].fields


def test_two_processes_deliver_once(quarantine: FileQuarantine, gate: ReleaseGate, mta: Mta) -> None:
    """The second waits for the first, then reads its receipt."""
    keep(quarantine)
    mta.may_answer.clear()
    spawn = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[bool] = spawn.Queue()
    arguments = (quarantine._root, gate, mta.port, results)
    processes = [spawn.Process(target=_release_elsewhere, args=arguments) for _ in range(2)]
    for process in processes:
        process.start()
    assert mta.has_data.wait(30)
    mta.may_answer.set()
    assert sorted(results.get(timeout=60) for _ in processes) == [False, True]
    for process in processes:
        process.join()
    results.close()
    results.join_thread()
    assert len(mta.delivered) == 1


def _release_elsewhere(root: Path, gate: ReleaseGate, port: int, results: "multiprocessing.Queue[bool]") -> None:
    results.put(releaser(FileQuarantine(root), gate, port).release(MAIL_ID).is_new)


@pytest.mark.parametrize("mail_id", ["Zzzzzzzzzz12", "../../etc/passwd", "", "A", "Abcdefghij12/..", "a\0b", "-" * 12])
def test_an_id_that_is_none_is_never_a_success(
    quarantine: FileQuarantine, gate: ReleaseGate, mta: Mta, mail_id: str
) -> None:
    """Missing, mistyped or malicious: nothing is sent."""
    keep(quarantine)
    with pytest.raises(NotFoundError):
        releaser(quarantine, gate, mta.port).release(mail_id)
    assert not mta.commands


def test_a_file_under_another_id_is_refused(quarantine: FileQuarantine, gate: ReleaseGate, mta: Mta) -> None:
    """The id inside the file must be the id of its name."""
    keep(quarantine)
    original = quarantine._root / quarantine.find(MAIL_ID).location
    original.with_name("spam-Abcdefghij99.gz").write_bytes(original.read_bytes())
    with pytest.raises(StoreError, match="another message"):
        releaser(quarantine, gate, mta.port).release("Abcdefghij99")
    assert not mta.commands


@pytest.mark.parametrize("address", ["a@b.example>\r\nDATA", "a b@c.example", "<x@y.example>", "", "\ud800@x.example"])
def test_an_address_cannot_become_a_command(
    quarantine: FileQuarantine, gate: ReleaseGate, mta: Mta, address: str
) -> None:
    """Line ends, blanks and brackets never reach the MTA."""
    keep(quarantine)
    with pytest.raises(ReleaseRefused, match="address"):
        releaser(quarantine, gate, mta.port).release(MAIL_ID, recipients=[address])
    assert not mta.commands


def test_international_addresses_need_smtputf8(quarantine: FileQuarantine, gate: ReleaseGate, mta: Mta) -> None:
    """It is asked for when offered; without it the message stays."""
    keep(quarantine, to=("jürgen@example.com",))
    mta.extensions = ("8BITMIME",)
    with pytest.raises(ReleaseRefused, match="SMTPUTF8"):
        releaser(quarantine, gate, mta.port).release(MAIL_ID)
    mta.extensions = ("8BITMIME", "SMTPUTF8")
    releaser(quarantine, gate, mta.port).release(MAIL_ID)
    assert "MAIL FROM:<> BODY=8BITMIME SMTPUTF8" in mta.commands
    assert mta.delivered[0].recipients == ("jürgen@example.com",)


def test_without_8bitmime_nothing_is_asked_for(quarantine: FileQuarantine, gate: ReleaseGate, mta: Mta) -> None:
    """Parameters are used only when the MTA offers them."""
    mta.extensions = ("SIZE",)
    keep(quarantine)
    releaser(quarantine, gate, mta.port).release(MAIL_ID)
    assert "MAIL FROM:<>" in mta.commands


def test_a_used_token_is_no_use_to_anybody_else(quarantine: FileQuarantine, gate: ReleaseGate) -> None:
    """Replaying the very octets of a released message is refused by the milter."""
    keep(quarantine)
    with Mta(None) as door:
        releaser(quarantine, gate, door.port).release(MAIL_ID)
        (delivery,) = door.delivered
    with Mta(gate) as door:
        head, _, body = delivery.octets.partition(b"\r\n\r\n")
        replay = replace(message(body=body, to=(USER,), sender=""), fields=_fields(head))
        guard = door.guard
        judged = [guard.judged(USER, parameters=(), traffic=replay.envelope.traffic)]
        verdict = guard.finish(guard.begin(replay, judged))
    assert str(verdict.reply).startswith("554 5.7.0 Release token is used")


def _fields(head: bytes) -> tuple[Field, ...]:
    return tuple(Field(name, value) for name, _, value in (line.partition(b":") for line in head.split(b"\r\n")))


def test_a_unix_socket_without_mta_is_told(quarantine: FileQuarantine, gate: ReleaseGate, tmp_path: Path) -> None:
    """Nobody at ``unix:/PATH`` defers the release, as with a port."""
    keep(quarantine)
    spec = SocketSpec(SocketKind.UNIX, path=str(tmp_path / "none.sock"))
    with pytest.raises(ReleaseDeferred, match="No such file"):
        Releaser(quarantine, gate, smtp=spec, hostname="h").release(MAIL_ID)


def test_a_damaged_copy_is_not_sent(quarantine: FileQuarantine, gate: ReleaseGate, mta: Mta) -> None:
    """A file cut short is an error, and the MTA hears nothing of it."""
    keep(quarantine, body=b"x" * 100_000)
    path = quarantine._root / quarantine.find(MAIL_ID).location
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(StoreError):
        releaser(quarantine, gate, mta.port).release(MAIL_ID)
    assert not mta.commands


def test_an_mta_that_never_answers_is_given_up(quarantine: FileQuarantine, gate: ReleaseGate, mta: Mta) -> None:
    """The whole dialogue has one deadline; the message stays and can be released later."""
    keep(quarantine)
    mta.may_answer.clear()
    smtp = SocketSpec(SocketKind.INET, "127.0.0.1", mta.port)
    with pytest.raises(ReleaseDeferred, match="timed out"):
        Releaser(quarantine, gate, smtp=smtp, hostname="h", timeout_seconds=0.5).release(MAIL_ID)
    mta.may_answer.set()
    assert releaser(quarantine, gate, mta.port).release(MAIL_ID).is_new
    assert [delivery.released for delivery in mta.delivered] == [MAIL_ID]
