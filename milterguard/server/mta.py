# SPDX-License-Identifier: GPL-3.0-or-later
"""The door to libmilter: callbacks become steps of a Session, verdicts become calls.

Thin on purpose. Callbacks run on threads of libmilter, where only collecting and waiting is safe
(D7). Steps are taken without a reply where the MTA offers that; RCPT and DATA are answered, the
latter because it cures a 45 ms stall of TCP between Postfix and us. Never ACCEPT or DISCARD at
RCPT: they would decide for the whole message.

*Source:* libmilter's ``smfi_*`` documentation; Postfix ``milter8.c`` for what it sends.

*Errors:* every callback catches everything; the message is answered with 451 and the session stays.
"""

import logging
import socket
from collections.abc import Callable, Sequence
from typing import Any

import Milter
import milter

from milterguard.config.settings import Observe
from milterguard.core.destiny import Destiny
from milterguard.core.envelope import Client
from milterguard.core.reply import FAILED
from milterguard.core.text import REPLY_LIMIT, ascii_printable
from milterguard.core.verdict import (
    AddRecipient,
    ChangeField,
    Edit,
    InsertField,
    RemoveField,
    RemoveRecipient,
    Reply,
)
from milterguard.server.desk import Desk
from milterguard.server.observer import Observer
from milterguard.server.session import Session

log = logging.getLogger(__name__)

_ACTIONS = Milter.ADDHDRS | Milter.CHGHDRS | Milter.ADDRCPT | Milter.ADDRCPT_PAR | Milter.DELRCPT | Milter.SETSYMLIST
_STEPS = (
    Milter.P_HDR_LEADSPC
    | Milter.P_NOUNKNOWN
    | Milter.P_NR_CONN
    | Milter.P_NR_HELO
    | Milter.P_NR_MAIL
    | Milter.P_NR_HDR
    | Milter.P_NR_EOH
    | Milter.P_NR_BODY
)
_MACROS = (
    (Milter.M_CONNECT, "j {daemon_name} {client_addr} {client_port} {client_name} {client_ptr}"),
    (Milter.M_HELO, "{tls_version} {cipher} {cert_subject} {cert_issuer} {verify}"),
    (Milter.M_ENVFROM, "i {auth_type} {auth_authen}"),
    (Milter.M_ENVRCPT, "i"),
    (Milter.M_DATA, "i"),
    (Milter.M_EOH, "i"),
    (Milter.M_EOM, "i"),
)
_RETURNS = {
    Destiny.PASS: Milter.ACCEPT,
    Destiny.TEMPFAIL: Milter.TEMPFAIL,
    Destiny.DISCARD: Milter.DISCARD,
    Destiny.REJECT: Milter.REJECT,
}


class MtaSession(Milter.Base):
    """One connection of libmilter. Its methods are what pymilter calls; each returns a status of libmilter."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._session = Session(desk) if desk.server.observe is Observe.OFF else Observer(desk)
        desk.opened(self)

    def negotiate(self, options: list[int]) -> int:
        """Take of what the MTA offers what we need, and never more than it offers."""
        try:
            offered_actions, offered_steps = options[0], options[1]
            self._actions = offered_actions & _ACTIONS
            self._protocol = offered_steps & _STEPS
            if offered_actions & Milter.SETSYMLIST:
                for stage, names in _MACROS:
                    self._ctx.setsymlist(stage, names)
            options[:] = [self._actions, self._protocol, 0, 0]
        except Exception:
            log.exception("negotiation with the MTA failed")
            return int(Milter.REJECT)
        return int(Milter.CONTINUE)

    # --- steps without a reply ---------------------------------------------------------------

    def connect(self, hostname: str, family: int, hostaddr: Any) -> int:
        def step() -> None:
            client = self._client(hostname, family, hostaddr)
            self._session.connect(client, self._macro("j"))

        return self._quietly(step, Milter.P_NR_CONN)

    def hello(self, hostname: str) -> int:
        def step() -> None:
            tls = " ".join(filter(None, (self._macro("{tls_version}"), self._macro("{cipher}"))))
            # Postfix names only verified certificates, sendmail all and then what came of it.
            is_verified = self._macro("{verify}") in ("", "OK")
            subject, issuer = (self._macro(name) if is_verified else "" for name in ("{cert_subject}", "{cert_issuer}"))
            self._session.helo(hostname or "", tls, certificate=subject, issuer=issuer)

        return self._quietly(step, Milter.P_NR_HELO)

    def mail(self, sender: bytes, *parameters: bytes) -> int:
        def step() -> None:
            login, mechanism = self._macro("{auth_authen}"), self._macro("{auth_type}")
            self._session.mail(sender, parameters, login=login, mechanism=mechanism, queue_id=self._macro("i"))

        return self._quietly(step, Milter.P_NR_MAIL)

    def field(self, name: str, value: bytes) -> int:
        def step() -> None:
            # An MTA that cannot give the value as it stands has taken one space from it.
            whole = value if self._protocol & Milter.P_HDR_LEADSPC else b" " + value
            self._session.field(name.encode("utf-8", "surrogateescape"), whole)

        return self._quietly(step, Milter.P_NR_HDR)

    def end_of_header(self) -> int:
        return self._quietly(lambda: self._session.end_of_header(self._macro("i")), Milter.P_NR_EOH)

    def octets(self, chunk: bytes) -> int:
        return self._quietly(lambda: self._session.body(chunk), Milter.P_NR_BODY)

    # --- steps with a reply ------------------------------------------------------------------

    def rcpt(self, recipient: bytes, *parameters: bytes) -> int:
        return self._answered(lambda: self._session.rcpt(recipient, parameters))

    def start_of_data(self) -> int:
        return self._answered(lambda: self._session.data(self._macro("i")))

    def end_of_message(self) -> int:
        try:
            answer = self._session.end_of_message(self)
            if answer.reply is not None and answer.destiny in {Destiny.REJECT, Destiny.TEMPFAIL}:
                self._say(answer.reply)
            return int(_RETURNS[answer.destiny])
        except Exception:
            log.exception("the end of a message failed")
            return int(Milter.TEMPFAIL if self._desk.server.observe is Observe.OFF else Milter.CONTINUE)

    def abort(self) -> int:
        self._session.abort()
        return int(Milter.CONTINUE)

    def close(self) -> int:
        self._session.abort()
        self._desk.closed(self)
        return int(Milter.CONTINUE)

    def abandon(self) -> None:
        """Give up the message, from any thread."""
        self._session.abandon()

    # --- what a session asks of its door -----------------------------------------------------

    def progress(self) -> None:
        self._ctx.progress()

    def apply(self, edits: Sequence[Edit]) -> None:
        """Tell the MTA what to change, in order. Raises when libmilter or the MTA cannot.

        An MTA that takes no parameters for a new recipient gets him without; one that takes no new
        recipients at all makes this raise: going on would be another delivery than the policy says.
        """
        space = " " if self._protocol & Milter.P_HDR_LEADSPC else ""
        for edit in edits:
            match edit:
                case RemoveField(name, index):
                    self.chgheader(name, index, "")
                case ChangeField(name, index, value):
                    self.chgheader(name, index, space + value)
                case InsertField(name, value):
                    self.addheader(name, space + value, 0)
                case AddRecipient(address, parameters):
                    is_taken = self._actions & Milter.ADDRCPT_PAR
                    self.addrcpt(f"<{address}>", " ".join(parameters) if is_taken else None)
                case RemoveRecipient(address):
                    self.delrcpt(f"<{address}>")

    # --- within ------------------------------------------------------------------------------

    def _quietly(self, step: Callable[[], None], no_reply: int) -> int:
        try:
            step()
        except Exception:
            log.exception("a step of the milter protocol failed")
            self._session.spoil()
        return int(Milter.NOREPLY if self._protocol & no_reply else Milter.CONTINUE)

    def _answered(self, step: Callable[[], Reply | None]) -> int:
        try:
            refusal = step()
        except Exception:
            log.exception("a step of the milter protocol failed")
            refusal = FAILED if self._desk.server.observe is Observe.OFF else None
        if refusal is None:
            return int(Milter.CONTINUE)
        self._say(refusal)
        return int(Milter.REJECT if refusal.code >= 500 else Milter.TEMPFAIL)

    def _say(self, reply: Reply) -> None:
        """Set the reply's text; libmilter reads it as a format, so a per cent sign is doubled."""
        try:
            text = ascii_printable(reply.text, REPLY_LIMIT).replace("%", "%%")
            self._ctx.setreply(str(reply.code), reply.status, text)
        except Exception:
            log.exception("a reply could not be set")

    def _macro(self, name: str) -> str:
        try:
            return self._ctx.getsymval(name) or ""
        except UnicodeDecodeError:
            return ""

    def _client(self, hostname: str, family: int, hostaddr: Any) -> Client:
        address, port = "", 0
        if family in {socket.AF_INET, socket.AF_INET6} and isinstance(hostaddr, tuple):
            address, port = str(hostaddr[0]), int(hostaddr[1])
        given = self._macro("{client_port}")
        return Client(
            address=address or self._macro("{client_addr}"),
            port=port or (int(given) if given.isdecimal() and len(given) <= 5 else 0),
            name=self._macro("{client_name}") or hostname or "",
            daemon=self._macro("{daemon_name}"),
            socket=self._desk.socket,
        )


def register(desk: Desk) -> None:
    """Give libmilter our callbacks: octets as octets, one MtaSession for each connection."""

    def opened(ctx: Any) -> MtaSession:
        session = MtaSession(desk)
        session._setctx(ctx)  # noqa: SLF001  (pymilter's own way to attach a session)
        return session

    def connected(ctx: Any, hostname: str, family: int, hostaddr: Any) -> int:
        return (ctx.getpriv() or opened(ctx)).connect(hostname, family, hostaddr)

    milter.set_connect_callback(connected)
    milter.set_helo_callback(lambda ctx, name: ctx.getpriv().hello(name))
    milter.set_envfrom_callback(lambda ctx, *given: ctx.getpriv().mail(*given))
    milter.set_envrcpt_callback(lambda ctx, *given: ctx.getpriv().rcpt(*given))
    milter.set_header_callback(lambda ctx, name, value: ctx.getpriv().field(name, value))
    milter.set_eoh_callback(lambda ctx: ctx.getpriv().end_of_header())
    milter.set_body_callback(lambda ctx, chunk: ctx.getpriv().octets(chunk))
    milter.set_eom_callback(lambda ctx: ctx.getpriv().end_of_message())
    milter.set_abort_callback(lambda ctx: ctx.getpriv().abort())
    milter.set_close_callback(Milter.close_callback)
    milter.set_exception_policy(Milter.TEMPFAIL)
    milter.set_flags(_ACTIONS)
    milter.register(
        "milterguard",
        data=lambda ctx: ctx.getpriv().start_of_data(),
        negotiate=lambda ctx, options: opened(ctx).negotiate(options),
    )
