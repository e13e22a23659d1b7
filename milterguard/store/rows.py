# SPDX-License-Identifier: GPL-3.0-or-later
"""A record as rows of amavis' tables: every text cut to its column, without NUL and surrogates.

*Source:* amavis ``msgs`` and ``msgrcpt``: content letters, ``ds`` (P R D T), ``quar_type`` F for files.
"""

import json
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from milterguard.core.destiny import Destiny
from milterguard.core.envelope import Traffic
from milterguard.core.evidence import evidence
from milterguard.core.finding import Category
from milterguard.core.minor import letter
from milterguard.core.report import SEPARATOR, Record, bank_path
from milterguard.core.text import storable
from milterguard.core.verdict import Outcome

PARTITION = 0
"""amavis' ``partition_tag``; we do not partition."""
ID_LENGTH = 16
"""Characters of the column ``mail_id``."""
_DS = {Destiny.PASS: "P", Destiny.REJECT: "R", Destiny.DISCARD: "D", Destiny.TEMPFAIL: "T"}
_SECRET_OCTETS = 9


def addresses_of(record: Record) -> set[tuple[str, str]]:
    """Return the envelope's addresses, each with its domain, labels reversed (``com.example``)."""
    addresses = [record.envelope.sender, *(outcome.address for outcome in record.verdict.decision.outcomes)]
    return {(_address(address), _reversed_domain(address)) for address in addresses}


def _address(text: str) -> str:
    """Return an address as it is kept: for MariaDB two that differ in blanks at the end are one."""
    return storable(text).rstrip(" ")


def _reversed_domain(address: str) -> str:
    domain = address.rpartition("@")[2] if "@" in address else ""
    return storable(".".join(reversed(domain.lower().split("."))))


def message_row(record: Record, ids: Mapping[str, int]) -> dict[str, Any]:
    """Return the row of ``msgs``."""
    envelope, verdict = record.envelope, record.verdict
    scores = [outcome.score for outcome in verdict.decision.outcomes if outcome.score is not None]
    return {
        **_key(record),
        # Means nothing on purpose: what the database holds must not be enough for a release.
        "secret_id": secrets.token_urlsafe(_SECRET_OCTETS),
        "am_id": storable(record.log_id, 20),
        "time_num": int(record.received_at),
        "time_iso": datetime.fromtimestamp(record.received_at, UTC).strftime("%Y%m%dT%H%M%SZ"),
        "sid": ids[_address(envelope.sender)],
        "policy": bank_path(envelope)[:255],
        "client_addr": storable(envelope.client.address),
        "size": record.size,
        "originating": "N" if envelope.traffic is Traffic.INBOUND else "Y",
        "content": _content(record),
        "quar_type": "F" if verdict.quarantined_as else " ",
        "quar_loc": storable(verdict.quarantined_as.partition(SEPARATOR)[0]),
        "dsn_sent": "N",
        "spam_level": min(scores, default=None),
        "message_id": storable(record.message_id),
        "from_addr": storable(record.from_address),
        "subject": storable(record.subject),
        "host": storable(envelope.mta) or "localhost",
    }


def recipient_rows(record: Record, ids: Mapping[str, int]) -> list[dict[str, Any]]:
    """Return the rows of ``msgrcpt``, numbered from 1."""
    removed = set(record.verdict.decision.removed)
    return [
        {
            **_key(record),
            "rseqnum": number,
            "rid": ids[_address(outcome.address)],
            "is_local": "Y" if outcome.recipient.is_local else "N",
            "content": _recipient_content(record, outcome),
            "ds": "D" if outcome.address in removed else _DS[record.answer],
            "rs": " ",
            "bl": "N",
            "wl": "N",
            "bspam_level": outcome.score,
            "smtp_resp": storable(record.reply),
        }
        for number, outcome in enumerate(record.verdict.decision.outcomes, 1)
    ]


def evidence_row(record: Record) -> dict[str, Any]:
    """Return the row of ``evidence``: JSON in ASCII, which every database takes."""
    document = json.dumps(evidence(record), ensure_ascii=True, separators=(",", ":"))
    return {**_key(record), "time_num": int(record.received_at), "document": document}


def _key(record: Record) -> dict[str, Any]:
    return {"partition_tag": PARTITION, "mail_id": storable(record.mail_id, ID_LENGTH)}


def _content(record: Record) -> str:
    return _letter(record, record.verdict.decision.category)


def _recipient_content(record: Record, outcome: Outcome) -> str:
    return _letter(record, outcome.blocking or outcome.category)


def _letter(record: Record, category: Category) -> str:
    if record.answer is Destiny.TEMPFAIL:
        return Category.FAILED.letter
    return letter(category, record.verdict.findings)
