# SPDX-License-Identifier: GPL-3.0-or-later
"""Gives a quarantined message to the MTA, once, with the proof that the MTA took it.

The message goes back the way it came, by SMTP through our own milter, with a token field that the
milter recognises, lets pass a single time and removes. The order of things makes it safe to die
anywhere:

    lock → envelope → token for the accepted recipients → intent on disk → message → receipt on disk

An intent without a receipt means that somebody died in between. Then the token is *burnt*: marked
as used before anybody else can use it. If that succeeds the message has not passed and never will
with that token, so trying again is safe; if the token was used already, the message may have been
delivered and only a human may repeat it.

*Source:* RFC 5322 section 3.6.6 (Resent- fields).

*Errors:* NotFoundError, StoreError; ReleaseError and its kinds.
"""

import hashlib
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from itertools import chain

from milterguard.config.socket import SocketSpec
from milterguard.core import token
from milterguard.core.marks import TOKEN_FIELD
from milterguard.core.text import ascii_printable, printable
from milterguard.effects.submission import Answer, AnswerLost, NotTaken, Submission, is_address
from milterguard.effects.wire import crlf_lines
from milterguard.errors import MilterguardError, StoreError
from milterguard.store.quarantine import Entry, FileQuarantine
from milterguard.store.receipt import Receipt, Release
from milterguard.store.tokens import ReleaseGate

Answers = Sequence[tuple[str, Answer]]
"""The MTA's answer to each recipient."""

_BLOCK = 65536
_HEADER_LIMIT = 32 * 1024 * 1024
_LOCK_SECONDS = 15.0
"""How long a second release waits for a first one, beyond the time of its SMTP dialogue."""
_MARKS_LAST_SECONDS = 80000.0
"""Marks of used tokens are removed a day after they expire: older intents prove nothing."""


class ReleaseError(MilterguardError):
    """The message was not released."""


class ReleaseRefused(ReleaseError):  # noqa: N818  (what happened, not what went wrong)
    """The MTA said no for good, or the message cannot be sent as it is."""


class ReleaseDeferred(ReleaseError):  # noqa: N818
    """The MTA said no for now, or could not be reached. The message is still held."""


class ReleaseUncertain(ReleaseError):  # noqa: N818
    """An earlier attempt may have delivered the message."""


@dataclass(frozen=True, slots=True)
class Released:
    """A release that the MTA has confirmed."""

    entry: Entry
    is_new: bool
    """False when it was released before and nothing was sent now."""
    at: float
    """Seconds since the epoch."""
    lines: tuple[str, ...]
    """For each recipient, time and exact reply; those of earlier releases first."""
    recipients: tuple[str, ...] = ()
    """Whom the MTA took it for; known for new releases."""
    refused: tuple[tuple[str, str], ...] = ()
    """Recipients the MTA did not take, with its replies; known for new releases."""
    was_recognised: bool = True
    """False when our milter did not see the message: it stands in for no such port."""


class Releaser:
    """Releases messages of one quarantine through one MTA."""

    def __init__(
        self,
        quarantine: FileQuarantine,
        gate: ReleaseGate,
        *,
        smtp: SocketSpec,
        hostname: str,
        token_seconds: int = 300,
        timeout_seconds: float = 60.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``hostname`` is what we call ourselves; ``clock`` tells seconds since the epoch."""
        self._quarantine, self._gate = quarantine, gate
        self._smtp, self._hostname = smtp, ascii_printable(hostname, 255).replace(" ", "") or "localhost"
        self._token_seconds, self._timeout_seconds = token_seconds, timeout_seconds
        self._clock = clock

    def release(self, mail_id: str, *, recipients: Iterable[str] = (), again: bool = False) -> Released:
        """Hand a message to the MTA unless that has been done; ``again`` does it in any case.

        ``recipients`` replace those it was withheld from.
        """
        entry = self._quarantine.find(mail_id)
        addressed = tuple(dict.fromkeys(recipients)) or entry.blocked or entry.recipients
        _check_envelope(entry.sender, addressed)
        with self._quarantine.begin_release(mail_id, wait_seconds=self._timeout_seconds + _LOCK_SECONDS) as state:
            earlier = state.previous
            if earlier is not None and not again:
                if earlier.is_released:
                    return Released(entry, is_new=False, at=earlier.at, lines=earlier.lines)
                self._settle(entry, earlier)
            return self._deliver(entry, addressed, state)

    def _settle(self, entry: Entry, intent: Receipt) -> None:
        """Return if an attempt that broke off cannot have delivered anything, nor ever will."""
        if self._clock() - intent.at > _MARKS_LAST_SECONDS or not self._burn(intent.token_digest):
            raise ReleaseUncertain(
                f"message {entry.mail_id} may have been delivered at {_moment(intent.at)}: "
                "that release broke off; look into the MTA's log, and use --again to send it once more"
            )

    def _deliver(self, entry: Entry, addressed: Sequence[str], state: Release) -> Released:
        """Run the dialogue. ``state`` is locked."""
        body_digest = _body_digest(self._lines(entry))
        try:
            with Submission(self._smtp, hostname=self._hostname, timeout_seconds=self._timeout_seconds) as submission:
                answers = submission.envelope(entry.sender, addressed)
                claim = self._token(entry, _taken(answers), body_digest)
                answer = self._send(entry, claim, submission=submission, state=state)
        except (NotTaken, AnswerLost) as error:
            kind = ReleaseRefused if isinstance(error, NotTaken) and not error.is_temporary else ReleaseDeferred
            raise kind(f"message {entry.mail_id} is still held: {error}") from error
        return self._confirmed(entry, answers, answer=answer, claim=claim, state=state)

    def _send(self, entry: Entry, claim: token.Token, *, submission: Submission, state: Release) -> Answer:
        """Send the message between intent and certainty. When this raises, the intent is settled or kept."""
        earlier = state.previous
        state.write_intent(claim.digest)
        try:
            return submission.message(chain([self._fields(entry, claim)], self._lines(entry)))
        except (NotTaken, StoreError):
            self._burn(claim.digest)
            _take_back(state, earlier)
            raise
        except AnswerLost as error:
            if not self._burn(claim.digest):
                raise ReleaseUncertain(
                    f"message {entry.mail_id} may have been delivered: our milter let it pass, then the MTA's answer "
                    f"was lost ({error}); look into the MTA's log, and use --again to send it once more"
                ) from error
            _take_back(state, earlier)
            raise

    def _confirmed(
        self, entry: Entry, answers: Answers, *, answer: Answer, claim: token.Token, state: Release
    ) -> Released:
        """Write the receipt and return what happened."""
        now = self._clock()
        earlier = state.previous.lines if state.previous is not None else ()
        refused = tuple((recipient, reply.text) for recipient, reply in answers if not reply.is_good)
        replies = [(recipient, answer.text if reply.is_good else reply.text) for recipient, reply in answers]
        lines = (*earlier, *(f"{_moment(now)} <{recipient}>: {text}" for recipient, text in replies))
        try:
            state.write_receipt(lines)
        except StoreError as error:
            raise StoreError(f"message {entry.mail_id} was released ({answer.text}), but {error}") from error
        return Released(
            entry,
            is_new=True,
            at=now,
            lines=lines,
            recipients=_taken(answers),
            refused=refused,
            was_recognised=not self._burn(claim.digest),
        )

    def _burn(self, digest: str) -> bool:
        """Make a token unusable for ever; False if it has been used."""
        return self._gate.use_once(digest, self._clock() + self._token_seconds)

    def _token(self, entry: Entry, recipients: Iterable[str], body_digest: str) -> token.Token:
        bound = token.bind(entry.sender, recipients, body_digest)
        return token.Token(entry.mail_id, int(self._clock()) + self._token_seconds, secrets.token_urlsafe(24), bound)

    def _fields(self, entry: Entry, claim: token.Token) -> bytes:
        """Return what is put above the message's own header section."""
        date = format_datetime(datetime.fromtimestamp(self._clock(), UTC))
        return (
            f"{TOKEN_FIELD}: {token.issue(self._gate.key, claim)}\r\n"
            f"Resent-From: postmaster@{self._hostname}\r\n"
            f"Resent-Date: {date}\r\n"
            f"Resent-Message-ID: <{entry.mail_id}.{secrets.token_hex(8)}@{self._hostname}>\r\n"
        ).encode("ascii")

    def _lines(self, entry: Entry) -> Iterator[bytes]:
        """Yield the message's own octets with CRLF line ends."""
        with self._quarantine.open(entry) as original:
            yield from crlf_lines(iter(lambda: original.read(_BLOCK), b""))


def _take_back(state: Release, earlier: Receipt | None) -> None:
    """Put back what stood before the intent."""
    if earlier is None or not earlier.is_released:
        state.withdraw_intent()
    else:
        state.write_receipt(earlier.lines)


def _taken(answers: Answers) -> tuple[str, ...]:
    """Return the recipients the MTA takes. Raises NotTaken when there are none."""
    taken = tuple(recipient for recipient, answer in answers if answer.is_good)
    if not taken:
        text = "; ".join(f"<{recipient}>: {answer.text}" for recipient, answer in answers)
        raise NotTaken(
            f"the MTA refused every recipient: {printable(text, 1000)}",
            is_temporary=any(answer.is_temporary for _, answer in answers),
        )
    return taken


def _check_envelope(sender: str, recipients: Sequence[str]) -> None:
    """Refuse addresses that would become something else on the way. The null sender is fine."""
    wrong = [address for address in (*recipients, *([sender] if sender else ())) if not is_address(address)]
    if wrong:
        raise ReleaseRefused(f"no address that could be given to the MTA: {printable(wrong[0], 100)}")
    if not recipients:
        raise ReleaseRefused("there are no recipients; name them with --to")


def _body_digest(lines: Iterator[bytes]) -> str:
    """Return the SHA-256 of what stands behind the header section, as our milter will see it."""
    digest = hashlib.sha256(_behind_header(lines))
    for block in lines:
        digest.update(block)
    return digest.hexdigest()


def _behind_header(lines: Iterator[bytes]) -> bytes:
    """Take the header section and its empty line off; return what came with it of the body."""
    head = bytearray()
    for block in lines:
        searched = max(0, len(head) - 3)
        head += block
        if head.startswith(b"\r\n"):
            return bytes(head[2:])
        end = head.find(b"\r\n\r\n", searched)
        if end >= 0:
            return bytes(head[end + 4 :])
        if len(head) > _HEADER_LIMIT:
            break
    raise ReleaseRefused("the header section of the message has no end")


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
