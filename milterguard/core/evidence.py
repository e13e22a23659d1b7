# SPDX-License-Identifier: GPL-3.0-or-later
"""The evidence of one message: all that explains its answer, and all that deciding again needs (D10).

``core/recall.py`` makes values of it again. What is shown of a part is fit to be shown; a part whose
names or types were changed or left out for that is marked, for then no rule can be asked about it.

*Source:* ours. *Errors:* none.
"""

from typing import Any

from milterguard.core.envelope import Envelope
from milterguard.core.fate import standings
from milterguard.core.finding import Category, Finding
from milterguard.core.part import Part
from milterguard.core.reasons import as_plain, reasons
from milterguard.core.report import Record, as_json, edit_words
from milterguard.core.spelling import clipped
from milterguard.core.text import printable
from milterguard.core.verdict import Outcome, Verdict

EVIDENCE_VERSION = 2
"""Since 2 a document holds what is needed to decide again."""
_MOST_PARTS = 300
_MOST_NAMES = 8
_NAME_LIMIT = 250
_AUTHORS_LIMIT = 4000
"""Characters of all authors together; more than that is no honest From."""


def evidence(record: Record) -> dict[str, Any]:
    """Return all that explains the answer, as a JSON object of plain values."""
    verdict, envelope = record.verdict, record.envelope
    fates = [standing.fate.value for standing in standings(verdict.decision)]
    outcomes = [_outcome(each, verdict, envelope) for each in verdict.decision.outcomes]
    return {
        "version": EVIDENCE_VERSION,
        **as_json(record),
        "subject": record.subject,
        "from": record.from_address,
        "authors": list(record.authors) if sum(map(len, record.authors)) <= _AUTHORS_LIMIT else None,
        **_client(envelope),
        "findings": [_finding(each) for each in verdict.findings],
        "parts": _parts(verdict),
        "parts_left_out": max(0, len(verdict.tree) - _MOST_PARTS),
        "skipped": list(verdict.skipped),
        "unwanted": list(verdict.unwanted),
        "outcomes": [{**outcome, "fate": fate} for outcome, fate in zip(outcomes, fates, strict=True)],
        "kept_for": list(verdict.decision.keep.recipients) if verdict.decision.keep else [],
        "breaks_signatures": list(verdict.breaks),
        "spares_signatures": list(verdict.spares),
        "edits": [edit_words(each) for each in verdict.edits],
    }


def _client(envelope: Envelope) -> dict[str, Any]:
    """Return what the log line does not tell of the client and the envelope."""
    client = envelope.client
    return {
        "mechanism": client.mechanism,
        "tls": client.tls,
        "daemon": client.daemon,
        "socket": client.socket,
        "certificate": client.certificate,
        "issuer": client.issuer,
        "mta": envelope.mta,
        "parameters": list(envelope.parameters),
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "check": finding.check,
        "category": finding.category.word,
        "minor": finding.minor,
        "detail": finding.detail,
        "score": finding.score,
        "tests": [[name, points] for name, points in finding.tests],
        "autolearn": finding.autolearn,
        "on_failure": finding.on_failure.value if finding.category is Category.FAILED else None,
        "part": finding.part,
        "rule": finding.rule,
        "rules": None if finding.rules is None else list(finding.rules),
        "destiny": finding.destiny.value if finding.destiny else None,
        "result": finding.result,
        "properties": [list(pair) for pair in finding.properties],
        "size": finding.size,
        "is_on_trial": finding.is_on_trial,
        "server": finding.server,
        "seconds": round(finding.seconds, 4),
    }


def _parts(verdict: Verdict) -> list[dict[str, Any]]:
    """Return the parts as a reader meets them, each before what stands in it; of many those that matter."""
    numbered = list(enumerate(verdict.tree, start=1))
    if len(numbered) > _MOST_PARTS:
        told = {finding.part for finding in verdict.findings}
        numbered.sort(key=lambda pair: (pair[1].placement not in told, not pair[1].flags, _depth(pair[1])))
        del numbered[_MOST_PARTS:]
    numbered.sort(key=lambda pair: tuple(map(int, pair[1].placement.split("/"))))
    return [_part(part, number) for number, part in numbered]


def _depth(part: Part) -> int:
    return part.placement.count("/")


def _part(part: Part, number: int) -> dict[str, Any]:
    """Return a part as plain values, its names made fit to be shown."""
    types = [printable(each, _NAME_LIMIT) for each in part.types[:_MOST_NAMES]]
    names = [printable(clipped(each, _NAME_LIMIT), _NAME_LIMIT) for each in part.names[:_MOST_NAMES]]
    return {
        "placement": part.placement,
        "number": number,
        "types": types,
        "names": names,
        "kinds": list(part.kinds),
        "size": part.size,
        "sha256": part.digest,
        "flags": sorted(part.flags),
        "detail": printable(part.detail),
        "reading": printable(part.reading),
        "is_member": part.is_member,
        "is_whole": tuple(types) == part.types and tuple(names) == part.names,
    }


def _outcome(outcome: Outcome, verdict: Verdict, envelope: Envelope) -> dict[str, Any]:
    policy = outcome.policy
    return {
        "recipient": outcome.address,
        "parameters": list(outcome.recipient.parameters),
        "is_local": outcome.recipient.is_local,
        "destiny": outcome.destiny.value,
        "category": outcome.category.word,
        "blocking": outcome.blocking.word if outcome.blocking else None,
        "categories": [each.word for each in sorted(outcome.categories, reverse=True)],
        "score": outcome.score,
        "is_tagged": outcome.is_tagged,
        "is_spammy": outcome.is_spammy,
        "is_blatant": outcome.is_blatant,
        "levels": {
            "tag": policy.spam_tag_level,
            "tag2": policy.spam_tag2_level,
            "tag3": policy.spam_tag3_level,
            "kill": policy.spam_kill_level,
        },
        "loves": [each.word for each in sorted(outcome.categories, reverse=True) if policy.loves(each)],
        **_lists(outcome),
        "tried": _tried(outcome),
        "decided_by": [as_plain(each) for each in reasons(outcome, verdict.findings, traffic=envelope.traffic)],
        "policy_origins": dict(outcome.origins),
    }


def _lists(outcome: Outcome) -> dict[str, Any]:
    """Return what the lists of senders say, and what they came to."""
    listed = outcome.listed
    return {
        "listing": outcome.listing.value if outcome.listing else None,
        "listed": {
            "listing": listed.listing.value if listed.listing else None,
            "points": listed.points,
            "seen_in": listed.seen_in.value,
            "origins": list(listed.origins),
        },
    }


def _tried(outcome: Outcome) -> dict[str, Any] | None:
    tried = outcome.tried
    if tried is None:
        return None
    return {
        "destiny": tried.destiny.value,
        "category": tried.category.word,
        "blocking": tried.blocking.word if tried.blocking else None,
    }
