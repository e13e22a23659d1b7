# SPDX-License-Identifier: GPL-3.0-or-later
"""The evidence of one message, told so that a postmaster can answer a user on the telephone.

Works on the document that ``core.report.evidence`` makes; documents of other versions may lack
keys, so nothing here insists on one.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from milterguard.cli import show
from milterguard.cli.part_tree import tell_parts
from milterguard.core.reasons import in_words
from milterguard.core.score import score_text

Document = Mapping[str, Any]

_ANSWERS = {
    "pass": "accepted",
    "reject": "refused",
    "tempfail": "deferred: the client was asked to come again",
    "discard": "accepted from the client, but not delivered",
}
_MOST_REASONS = 3
_DESTINIES = {"pass": "delivered", "reject": "refused", "tempfail": "deferred", "discard": "not delivered"}


def tell(document: Document) -> None:
    """Print the story."""
    show.say(f"Message {document.get('mail_id', '?')} was {verdict_words(document)}")
    headed()
    show.pairs(_facts(document), indent="  ")
    tell_parts(document)
    _tell_findings(document)
    _tell_recipients(document)
    _tell_effects(document)


def verdict_words(document: Document) -> str:
    """Return ``refused, because clamd: virus Eicar-Test-Signature``."""
    action = str(document.get("action", "?"))
    words = _ANSWERS.get(action, action)
    if document.get("released"):
        return f"{words}: it is message {document['released']}, released from the quarantine"
    removed = document.get("removed") or []
    if removed:
        words += f", but not for {_addresses(removed)}"
    category = _blocking(document, removed) or str(document.get("category") or "?")
    reasons = "; ".join(_reasons(document, category)) or category
    return f"{words} ({reasons})" if action == "pass" and not removed else f"{words}, because of {reasons}"


def _blocking(document: Document, removed: Sequence[Any]) -> str:
    """Return the category that kept the message from those who were removed; empty when nobody was."""
    found = (each.get("blocking") for each in _list(document, "outcomes") if each.get("recipient") in removed)
    return str(next((each for each in found if each), ""))


def _reasons(document: Document, category: str) -> list[str]:
    """Return the findings of a category, in words."""
    if category in {"spam", "spammy"}:
        return [_spam_words(document, category)]
    findings = [each for each in _list(document, "findings") if each.get("category") == category]
    if category == "clean":
        names = (str(each.get("check")) for each in findings if not (each.get("result") or each.get("check") == "dns"))
        said = ", ".join(dict.fromkeys(names))
        return [f"clean, say {said}"] if said else []
    told = list(dict.fromkeys(_reason(each, category) for each in findings))
    more = len(told) - _MOST_REASONS
    return [*told[:_MOST_REASONS], f"and {more} more"] if more > 0 else told


def _reason(finding: Document, category: str) -> str:
    """Return ``clamd: virus Eicar``, ``banned: script: a.js``: a check named like its category is named once."""
    by = "" if finding.get("check") == category else f"{finding.get('check')}: "
    colon = ":" if finding.get("check") == category else ""
    words = (f"{category}{colon}", finding.get("minor"), finding.get("detail"))
    return by + " ".join(str(word) for word in words if word)


def _spam_words(document: Document, category: str) -> str:
    level = "kill" if category == "spam" else "tag2"
    scores = [each["score"] for each in _list(document, "outcomes") if each.get("score") is not None]
    levels = [(each.get("levels") or {}).get(level) for each in _list(document, "outcomes")]
    known = [each for each in levels if each is not None]
    if not scores or not known:
        return category
    return f"{category}: {score_text(max(scores))} points reach the {level} level of {score_text(min(known))}"


def _facts(document: Document) -> list[tuple[str, str]]:
    received = document.get("received_at")
    size = document.get("size_bytes")
    elapsed = document.get("elapsed_ms")
    return [
        ("when", show.moment(received) if isinstance(received, int | float) else ""),
        ("client", _client(document)),
        ("sender", f"<{document.get('sender', '')}>"),
        ("recipients", _addresses(document.get("recipients") or [])),
        ("from", str(document.get("from") or "")),
        ("subject", str(document.get("subject") or "")),
        ("message-id", str(document.get("message_id") or "")),
        ("queue-id", str(document.get("queue_id") or "")),
        ("size", show.octets(size) if isinstance(size, int) else ""),
        ("took", f"{elapsed:.0f} ms" if isinstance(elapsed, int | float) else ""),
        ("log id", str(document.get("log_id") or "")),
    ]


def _client(document: Document) -> str:
    address, login, tls = document.get("client_address"), document.get("login"), document.get("tls")
    words = [
        f"[{address}]:{document.get('client_port', 0)}" if address else "unknown",
        str(document.get("client_name") or ""),
        f"HELO {document['helo']}" if document.get("helo") else "",
        f"login {login}" if login else "",
        str(tls or ""),
        str(document.get("traffic") or ""),
        f"bank {'/'.join(document['banks'])}" if document.get("banks") else "",
    ]
    return ", ".join(word for word in words if word)


def _tell_findings(document: Document) -> None:
    headed("What the checks found")
    findings = _list(document, "findings")
    rows = [
        [
            str(each.get("check", "")),
            _category(each),
            _what(each),
            _points(each.get("score")),
            f"{float(each['seconds']) * 1000:.0f} ms" if each.get("seconds") else "",
            str(each.get("server") or ""),
        ]
        for each in findings
    ]
    if rows:
        show.table(["Check", "Category", "What", "Points", "Took", "Server"], rows)
    else:
        show.say("  nothing: no check was asked")
    for each in findings:
        if each.get("tests"):
            show.say(f"{each.get('check')}: {_tests(each['tests'])}")
        if each.get("category") == "failed":
            show.say(
                f"{each.get('check')} could not say anything; on_failure for this traffic: {each.get('on_failure')}"
            )
        if each.get("is_on_trial"):
            show.say(f"{each.get('check')}: rule {each.get('rule')} is on trial and has no effect")
    unwanted = document.get("unwanted") or []
    for name in document.get("skipped") or []:
        nobody = "nobody wanted to know: all bypass it, or their lists know the sender"
        why = nobody if name in unwanted else "an infection had decided before it answered"
        show.say(f"not checked by {name}: {why}")


def _what(finding: Document) -> str:
    """Return ``over limits a.zip: a member is cut short (1/2)``, with the part that it is about."""
    about = [f"{name}={value}" for name, value in _properties(finding) if value]
    said = (finding.get("result"), finding.get("minor"), finding.get("detail"), *about)
    words = " ".join(str(word) for word in said if word)
    return f"{words} ({finding['part']})" if finding.get("part") else words


def _properties(finding: Document) -> Sequence[Sequence[Any]]:
    """Return what a result is about; the counters of the DNS are in words already."""
    return finding.get("properties") or [] if finding.get("result") else []


def _category(finding: Document) -> str:
    """Return the finding's category; points alone are no category, the levels make one of them."""
    is_scored = finding.get("category") == "clean" and finding.get("score") is not None
    return "scored" if is_scored else str(finding.get("category", ""))


def _tests(tests: Sequence[Sequence[Any]]) -> str:
    return ", ".join(str(name) if points is None else f"{name}={score_text(points)}" for name, points in tests)


def _tell_recipients(document: Document) -> None:
    headed("What that means for each recipient")
    removed = set(document.get("removed") or [])
    rows = [
        [
            str(each.get("recipient", "")),
            "ours" if each.get("is_local") else "elsewhere",
            _points(each.get("score")),
            _levels(each.get("levels") or {}),
            ", ".join(_alarming(each.get("categories") or [])),
            str(each.get("blocking") or "-"),
            "removed" if each.get("recipient") in removed else _DESTINIES.get(str(each.get("destiny")), "?"),
            ", ".join(each.get("loves") or []),
        ]
        for each in _list(document, "outcomes")
    ]
    show.table(["Recipient", "Is", "Points", "Levels", "Categories", "Blocked by", "Alone he gets", "Loves"], rows)
    for each in _list(document, "outcomes"):
        _tell_reasons(each)
    for each in _list(document, "outcomes"):
        for name, origin in (each.get("policy_origins") or {}).items():
            show.say(f"{each.get('recipient')}: {name} by {origin}")


def _tell_reasons(outcome: Document) -> None:
    """Print which settings decided about a recipient, what his lists say, and what is on trial."""
    recipient, listed = outcome.get("recipient"), outcome.get("listed") or {}
    decided_by = _list(outcome, "decided_by")
    if decided_by:
        show.say(f"{recipient}: decided by {in_words(decided_by)}")
    for origin in listed.get("origins") or []:
        show.say(f"{recipient}: listed: {origin}")
    if listed.get("listing") == "allowed" and outcome.get("listing") is None:
        show.say(f"{recipient}: the sender is allowed, but neither SPF nor DKIM proves him (allow_only_authenticated)")
    tried = outcome.get("tried")
    if tried:
        destiny = _DESTINIES.get(str(tried.get("destiny")), "?")
        show.say(f"{recipient}: on trial: would have been {destiny} as {tried.get('category')}")


def _alarming(categories: list[str]) -> list[str]:
    """Return the categories without the one that everybody has, unless it is the only one."""
    return [each for each in categories if each != "clean"] or categories


def _levels(levels: Document) -> str:
    return " ".join(f"{name} {score_text(level)}" for name, level in levels.items() if level is not None)


def _tell_effects(document: Document) -> None:
    headed("What was done")
    rows = [
        ("client was told", str(document.get("reply") or "250, in the words of the MTA")),
        ("decided by", str(document.get("category") or "")),
        ("quarantine", str(document.get("quarantine") or "")),
        ("kept for", _addresses(document.get("kept_for") or [])),
        ("moved", ", ".join(f"<{before}> to <{after}>" for before, after in document.get("moved") or [])),
        ("blind copies", _addresses(document.get("bcc") or [])),
        ("broken", _signers(document, "breaks_signatures")),
        ("spared", _signers(document, "spares_signatures")),
        ("observed", _observed(document)),
        ("actions", ", ".join(document.get("actions") or [])),
        *(("edit", str(edit)) for edit in document.get("edits") or []),
    ]
    show.pairs(rows, indent="  ")


def _signers(document: Document, key: str) -> str:
    domains = ", ".join(str(each) for each in document.get(key) or [])
    return f"the DKIM signature of {domains}" if domains else ""


def _observed(document: Document) -> str:
    decided = document.get("observed")
    return f"only watched: it would have been {_DESTINIES.get(str(decided), '?')}" if decided else ""


def headed(heading: str = "") -> None:
    """Print an empty line, and a heading below it if there is one."""
    show.say()
    if heading:
        show.say(heading)


def _points(score: object) -> str:
    return score_text(score) if isinstance(score, int | float) else "-"


def _addresses(addresses: Sequence[Any]) -> str:
    return ", ".join(f"<{address}>" for address in addresses)


def _list(document: Document, key: str) -> list[Document]:
    return [each for each in document.get(key) or [] if isinstance(each, Mapping)]
