# SPDX-License-Identifier: GPL-3.0-or-later
"""Callbacks of libmilter become steps of a session, verdicts become calls, exceptions become 451."""

import socket
from collections.abc import Sequence

import Milter
import pytest

from milterguard.core.verdict import AddRecipient, ChangeField, Edit, InsertField, RemoveField, RemoveRecipient
from milterguard.server.mta import MtaSession
from tests.server.room import Room, opened

ALL_ACTIONS = 0x1FF
ALL_STEPS = 0x1FFFFF


class Context:
    """Stands for libmilter's context: gives macros, remembers calls."""

    def __init__(self, macros: dict[str, str] | None = None) -> None:
        self.macros = macros or {}
        self.calls: list[tuple[object, ...]] = []
        self.stages: dict[int, str] = {}
        self.private: object = None
        self.is_broken = False

    def setpriv(self, value: object) -> None:
        self.private = value

    def getpriv(self) -> object:
        return self.private

    def getsymval(self, name: str) -> str | None:
        if name == "{client_name}" and self.macros.get(name) == "not utf-8":
            raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid")
        return self.macros.get(name)

    def setsymlist(self, stage: int, names: str) -> None:
        if self.is_broken:
            raise OSError("broken")
        self.stages[stage] = names

    def progress(self) -> None:
        self.calls.append(("progress",))

    def setreply(self, *words: str) -> None:
        if self.is_broken:
            raise OSError("broken")
        self.calls.append(("setreply", *words))

    def addheader(self, *words: object) -> None:
        self.calls.append(("addheader", *words))

    def chgheader(self, *words: object) -> None:
        self.calls.append(("chgheader", *words))

    def addrcpt(self, recipient: str, parameters: str | None = None) -> None:
        self.calls.append(("addrcpt", recipient, parameters))

    def delrcpt(self, recipient: str) -> None:
        self.calls.append(("delrcpt", recipient))


def connected(
    room: Room, *, actions: int = ALL_ACTIONS, steps: int = ALL_STEPS, macros: dict[str, str] | None = None
) -> tuple[MtaSession, Context]:
    session, context = MtaSession(room.desk), Context(macros)
    session._setctx(context)  # type: ignore[arg-type]
    assert session.negotiate([actions, steps, 0, 0]) == Milter.CONTINUE
    session.connect("mx.sender.example", socket.AF_INET, ("192.0.2.7", 25))
    session.hello("mx.sender.example")
    return session, context


def message(session: MtaSession, say: str) -> int:
    session.mail(b"<s@sender.example>")
    assert session.rcpt(b"<u@o.x>") == Milter.CONTINUE
    assert session.start_of_data() == Milter.CONTINUE
    session.field("X-Say", b" " + say.encode())
    session.end_of_header()
    session.octets(b"hello\r\n")
    return session.end_of_message()


@pytest.mark.parametrize(
    ("say", "status"),
    [("", Milter.ACCEPT), ("virus", Milter.REJECT), ("raise", Milter.TEMPFAIL), ("discard", Milter.DISCARD)],
)
def test_each_destiny_has_its_status(say: str, status: int) -> None:
    """And a reply for those two that have one."""
    with opened() as room:
        session, context = connected(room)
        assert message(session, say) == status
        said = [call for call in context.calls if call[0] == "setreply"]
        assert bool(said) == (status in {Milter.REJECT, Milter.TEMPFAIL})
        session.close()
        assert room.desk.sessions == 0


def test_a_step_answers_as_negotiated() -> None:
    """NOREPLY where the MTA offered that, CONTINUE where it did not."""
    with opened() as room:
        for steps, status in ((ALL_STEPS, Milter.NOREPLY), (0, Milter.CONTINUE)):
            session, _ = connected(room, steps=steps)
            assert session.mail(b"<>") == session.field("A", b"b") == session.end_of_header() == status
            assert session.octets(b"x") == session.hello("x") == status
            session.close()


@pytest.mark.parametrize(("steps", "value"), [(ALL_STEPS, b"  v"), (0, b"   v")])
def test_a_value_begins_as_on_the_wire(steps: int, value: bytes) -> None:
    """An MTA without HDR_LEADSPC has taken one space, which is put back."""
    with opened() as room:
        session, _ = connected(room, steps=steps)
        session.mail(b"<>")
        session.rcpt(b"<u@o.x>")
        session.field("Subject", b"  v")
        session.end_of_header()
        assert room.desk.admission.count == 1
        transaction = session._session._transaction
        assert transaction is not None
        assert transaction.fields[0].value == value
        session.close()


def test_only_what_is_offered_is_negotiated() -> None:
    """Macros are asked for only where that can be done."""
    with opened() as room:
        session, context = connected(room, actions=0x1, steps=0x7F)
        assert (session._actions, session._protocol) == (0x1, 0)
        assert not context.stages
        session, context = connected(room)
        assert "{auth_authen}" in context.stages[Milter.M_ENVFROM]
        assert not session._protocol & (Milter.P_NR_HDR << 30)


def test_a_negotiation_that_fails_is_refused() -> None:
    """REJECT at that stage means: do without this filter, which the MTA takes as a failure."""
    with opened() as room:
        session, context = MtaSession(room.desk), Context()
        session._setctx(context)  # type: ignore[arg-type]
        context.is_broken = True
        assert session.negotiate([ALL_ACTIONS, ALL_STEPS, 0, 0]) == Milter.REJECT
        session.close()


@pytest.mark.parametrize(("steps", "space"), [(ALL_STEPS, " "), (0, "")])
def test_edits_become_calls_in_their_order(steps: int, space: str) -> None:
    """Values bring their own leading space where the MTA adds none."""
    edits: Sequence[Edit] = (
        RemoveField("X-Spam-Flag", 2),
        ChangeField("Subject", 1, "new"),
        InsertField("X-Spam-Flag", "YES"),
        AddRecipient("u+spam@o.x", ("NOTIFY=NEVER", "ORCPT=rfc822;u@o.x")),
        RemoveRecipient("u@o.x"),
    )
    with opened() as room:
        session, context = connected(room, steps=steps)
        session.apply(edits)
        session.progress()
        assert context.calls == [
            ("chgheader", "X-Spam-Flag", 2, ""),
            ("chgheader", "Subject", 1, f"{space}new"),
            ("addheader", "X-Spam-Flag", f"{space}YES", 0),
            ("addrcpt", "<u+spam@o.x>", "NOTIFY=NEVER ORCPT=rfc822;u@o.x"),
            ("delrcpt", "<u@o.x>"),
            ("progress",),
        ]
        session.close()


def test_an_mta_that_takes_no_parameters_gets_none() -> None:
    """The recipient is added all the same: only whom to tell is lost."""
    with opened() as room:
        session, context = connected(room, actions=ALL_ACTIONS & ~Milter.ADDRCPT_PAR)
        session.apply([AddRecipient("u+spam@o.x", ("NOTIFY=NEVER",)), RemoveRecipient("u@o.x")])
        assert context.calls == [("addrcpt", "<u+spam@o.x>", None), ("delrcpt", "<u@o.x>")]
        session.close()


def test_an_mta_that_takes_no_recipients_is_told_so_before_one_is_removed() -> None:
    """The message is answered with 451: neither lost nor delivered to somebody else."""
    with opened() as room:
        session, context = connected(room, actions=ALL_ACTIONS & ~(Milter.ADDRCPT | Milter.ADDRCPT_PAR))
        with pytest.raises(Milter.DisabledAction):
            session.apply([AddRecipient("u+spam@o.x"), RemoveRecipient("u@o.x")])
        assert context.calls == []
        session.close()


def test_a_per_cent_sign_in_a_reply_is_doubled() -> None:
    """libmilter reads the text as a format."""
    with opened() as room:
        session, context = connected(room)
        assert message(session, "virus:100%s") == Milter.REJECT
        assert "100%%s" in str(context.calls[-1])
        session.close()


def test_a_reply_that_cannot_be_set_changes_no_answer() -> None:
    """The MTA says it in its own words."""
    with opened() as room:
        session, context = connected(room)
        context.is_broken = True
        assert message(session, "virus") == Milter.REJECT
        session.close()


def test_a_bug_in_a_step_is_told_at_the_next_one_with_an_answer() -> None:
    """And the connection goes on."""
    with opened() as room:
        session, context = connected(room)
        session.mail(b"<s@sender.example>")
        session.field(None, b"x")  # type: ignore[arg-type]
        assert session.rcpt(b"<u@o.x>") == Milter.TEMPFAIL
        assert context.calls[-1][1:3] == ("451", "4.3.0")
        session.abort()
        assert message(session, "") == Milter.ACCEPT
        session.close()


@pytest.mark.parametrize(
    ("family", "address", "macros", "seen"),
    [
        (socket.AF_INET6, ("2001:db8::7", 587, 0, 0), {}, ("2001:db8::7", 587, "host.example")),
        (socket.AF_UNIX, "/path", {}, ("", 0, "host.example")),
        (0, None, {"{client_addr}": "192.0.2.9", "{client_port}": "25"}, ("192.0.2.9", 25, "host.example")),
        (0, None, {"{client_port}": "many", "{client_name}": "verified.example"}, ("", 0, "verified.example")),
        (0, None, {"{client_name}": "not utf-8"}, ("", 0, "host.example")),
    ],
)
def test_the_client_is_known_from_what_there_is(
    family: int, address: object, macros: dict[str, str], seen: tuple[str, int, str]
) -> None:
    """Address of the connection, else macros; the verified name first."""
    with opened() as room:
        session, _ = connected(room, macros=macros)
        session.connect("host.example", family, address)
        client = session._session._client
        assert (client.address, client.port, client.name) == seen
        session.close()
