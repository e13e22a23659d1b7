# SPDX-License-Identifier: GPL-3.0-or-later
"""What is remembered of a message: the log line and its JSON twin; ``core/evidence.py`` has the rest.

*Source:* amavis' short log template.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from milterguard.core.decide import concerned, grounds
from milterguard.core.destiny import Destiny
from milterguard.core.envelope import Envelope, Traffic
from milterguard.core.finding import Category
from milterguard.core.reply import category_words
from milterguard.core.score import score_text
from milterguard.core.text import printable
from milterguard.core.verdict import AddRecipient, ChangeField, Edit, Outcome, RemoveField, RemoveRecipient, Verdict

SEPARATOR = ", "
"""Between the locations of copies in several folders."""
_ADDRESS_LIMIT = 320
_MOST_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Record:
    """Everything known about one message once it is answered. Holds no content."""

    mail_id: str
    log_id: str
    received_at: float
    """Seconds since the epoch."""
    envelope: Envelope
    size: int
    """Octets of header and body."""
    message_id: str
    subject: str
    """Decoded, unfolded."""
    from_address: str
    """Value of the From field, decoded, unfolded."""
    verdict: Verdict
    answer: Destiny
    """What was really answered: TEMPFAIL when the verdict came too late or could not be given."""
    reply: str
    """The exact line given to the client; empty when the MTA writes its own 250."""
    milliseconds: float
    """From the end of the header section to the answer."""
    authors: tuple[str, ...] = ()
    """The addresses in the From fields, as lists of senders are asked about them."""


def log_line(record: Record) -> str:
    """Return amavis' short line. Fields without a value are left out."""
    verdict, envelope = record.verdict, record.envelope
    passed = "Passed" if record.answer is Destiny.PASS else "Blocked"
    words = f"{passed} {_category_log_words(record)} {{{','.join(actions(record))}}}"
    fields = [
        f"({record.log_id}) {words}",
        _client_words(envelope),
        f"quarantine: {verdict.quarantined_as}" if verdict.quarantined_as else "",
        f"removed: {_addresses(verdict.removed)}" if verdict.removed else "",
        f"moved: {_moves(verdict.moved)}" if verdict.moved else "",
        f"bcc: {_addresses(verdict.bcc)}" if verdict.bcc else "",
        f"observed: {verdict.decision.answer}" if verdict.is_observed else "",
        _trial_words(verdict.decision.outcomes),
        f"released: {verdict.released}" if verdict.released else "",
        f"Queue-ID: {printable(envelope.queue_id, 40)}" if envelope.queue_id else "",
        f"Message-ID: {printable(record.message_id)}" if record.message_id else "",
        f"mail_id: {record.mail_id}",
        f"Hits: {hits(verdict.decision.outcomes)}",
        f"size: {record.size}",
        f"{record.milliseconds:.0f} ms",
    ]
    return ", ".join(field for field in fields if field)


def actions(record: Record) -> list[str]:
    """Return amavis' action words with their directions: ``RelayedTaggedInbound``, ``Quarantined``."""
    removed = set(record.verdict.removed)
    words = [
        recipient_action(record.answer, outcome, is_removed=outcome.address in removed)
        + direction(record.envelope.traffic, is_local=outcome.recipient.is_local)
        for outcome in record.verdict.decision.outcomes
    ]
    if record.verdict.quarantined_as:
        words.append("Quarantined")
    return list(dict.fromkeys(words))


def recipient_action(answer: Destiny, outcome: Outcome, *, is_removed: bool) -> str:
    """Return amavis' word for what became of a message for one recipient."""
    if is_removed:
        return "Discarded"
    if answer is Destiny.PASS:
        return "RelayedTagged" if outcome.is_spammy else "Relayed"
    return {Destiny.REJECT: "Rejected", Destiny.DISCARD: "Discarded", Destiny.TEMPFAIL: "TempFailed"}[answer]


def direction(traffic: Traffic, *, is_local: bool) -> str:
    """Return amavis' word for where a message comes from and goes to."""
    if traffic is Traffic.INBOUND:
        return "Inbound" if is_local else "OpenRelay"
    return "Internal" if is_local else "Outbound"


def hits(outcomes: Iterable[Outcome]) -> str:
    """Return the points, ``low..high`` when recipients differ, ``-`` when there are none."""
    scores = sorted({outcome.score for outcome in outcomes if outcome.score is not None})
    if not scores:
        return "-"
    low, high = score_text(scores[0]), score_text(scores[-1])
    return low if low == high else f"{low}..{high}"


def _category_log_words(record: Record) -> str:
    verdict, category = record.verdict, record.verdict.decision.category
    if record.answer is Destiny.TEMPFAIL and category is not Category.FAILED:
        category = Category.FAILED
    if category is Category.FAILED:
        failed = (each for each in verdict.findings if each.category is category)
        names = ", ".join(f"{each.check} {each.minor}".strip() for each in failed)
        return f"FAILED ({printable(names)})" if names else "FAILED"
    findings = grounds(verdict.findings, concerned(verdict.decision.outcomes, verdict.decision.answer))
    if category in {Category.VIRUS, Category.BANNED}:
        names = ", ".join(dict.fromkeys(each.detail for each in findings if each.category is category))
        return f"{'INFECTED' if category is Category.VIRUS else 'BANNED'} ({printable(names)})"
    return category_words(category, findings)


def _client_words(envelope: Envelope) -> str:
    client = envelope.client
    local = "LOCAL " if envelope.traffic is not Traffic.INBOUND else ""
    address = f"[{printable(client.address, 60)}]:{client.port} " if client.address else ""
    recipients = _addresses(each.address for each in envelope.recipients)
    banks = f"{bank_path(envelope)} " if envelope.banks else ""
    return f"{banks}{local}{address}<{printable(envelope.sender, _ADDRESS_LIMIT)}> -> {recipients}"


def bank_path(envelope: Envelope) -> str:
    """Return the names of a message's policy banks as amavis writes them: ``A/B``."""
    return "/".join(envelope.banks)


def _trial_words(outcomes: Iterable[Outcome]) -> str:
    """Return ``shadow: reject SPAM`` for what would have been by what is on trial; empty when nothing would."""
    told = {f"{each.tried.destiny} {each.tried.category.name}" for each in outcomes if each.tried is not None}
    return f"shadow: {', '.join(sorted(told))}" if told else ""


def _addresses(addresses: Iterable[str], limit: int = _MOST_SHOWN) -> str:
    shown = list(addresses)
    words = [f"<{printable(address, _ADDRESS_LIMIT)}>" for address in shown[:limit]]
    return ",".join(words) + (f",+{len(shown) - limit}" if len(shown) > limit else "")


def _moves(moves: Sequence[tuple[str, str]]) -> str:
    """Return ``<user@example.com> -> <user+spam@example.com>`` for each, of many only the first."""
    words = [f"{_addresses((old,))} -> {_addresses((new,))}" for old, new in moves[:_MOST_SHOWN]]
    return ",".join(words) + (f",+{len(moves) - _MOST_SHOWN}" if len(moves) > _MOST_SHOWN else "")


def as_json(record: Record) -> dict[str, Any]:
    """Return the log line's facts as a JSON object of plain values."""
    verdict, envelope = record.verdict, record.envelope
    return {
        "action": record.answer.value,
        "category": verdict.decision.category.word,
        "actions": actions(record),
        "log_id": record.log_id,
        "mail_id": record.mail_id,
        "queue_id": envelope.queue_id,
        "message_id": record.message_id,
        "traffic": envelope.traffic.value,
        "banks": list(envelope.banks),
        "client_address": envelope.client.address,
        "client_port": envelope.client.port,
        "client_name": envelope.client.name,
        "helo": envelope.client.helo,
        "login": envelope.client.login,
        "sender": envelope.sender,
        "recipients": [recipient.address for recipient in envelope.recipients],
        "removed": list(verdict.removed),
        "moved": [list(pair) for pair in verdict.moved],
        "bcc": list(verdict.bcc),
        "observed": verdict.decision.answer.value if verdict.is_observed else "",
        "quarantine": verdict.quarantined_as,
        "released": verdict.released,
        "score": max((each.score for each in verdict.decision.outcomes if each.score is not None), default=None),
        "viruses": [each.detail for each in verdict.findings if each.category is Category.VIRUS],
        "failed": [each.check for each in verdict.findings if each.category is Category.FAILED],
        "reply": record.reply,
        "size_bytes": record.size,
        "received_at": record.received_at,
        "elapsed_ms": round(record.milliseconds, 1),
    }


def edit_words(edit: Edit) -> str:
    """Return an edit in words: ``insert X-Spam-Flag: YES``."""
    match edit:
        case AddRecipient(address, parameters):
            words = f"add recipient <{printable(address, _ADDRESS_LIMIT)}>"
            return f"{words} {_one_line(' '.join(parameters))}".rstrip()
        case RemoveRecipient(address):
            return f"remove recipient <{printable(address, _ADDRESS_LIMIT)}>"
        case RemoveField(name, index):
            return f"remove {name} [{index}]"
        case ChangeField(name, _, value):
            return f"change {name}: {_one_line(value)}"
    return f"insert {edit.name}: {_one_line(edit.value)}"


def _one_line(value: str) -> str:
    return printable(" ".join(value.split()), 500)
