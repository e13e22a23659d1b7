# SPDX-License-Identifier: GPL-3.0-or-later
"""What is counted of every message, and how the counters are written for Prometheus.

The series are fixed, so that they can live in memory that all workers share: nothing that a stranger
sends makes a new one.

*Source:* the text format of Prometheus' exposition, version 0.0.4. *Errors:* none.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import product

from milterguard.core.destiny import Destiny
from milterguard.core.envelope import Traffic
from milterguard.core.finding import Category
from milterguard.core.report import Record, direction, recipient_action

Series = tuple[str, tuple[tuple[str, str], ...]]
"""Name without prefix and suffix, and labels."""

_ACTIONS = ("Relayed", "RelayedTagged", "Rejected", "Discarded", "TempFailed")
_DIRECTIONS = ("Inbound", "Outbound", "Internal", "OpenRelay")
_CHECKS = ("clamd", "spamd", "parts", "banned", "bad_header", "authentication", "milterguard", "other")
_DNS_OUTCOMES = ("answer", "nothing", "temporary")
_WITHIN_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, float("inf"))
REFUSALS = ("sender", "recipient", "size", "split", "lookup", "address", "other")
"""Why a recipient was refused or deferred at RCPT."""

_HELP = {
    "messages": "Messages by what was answered, the decisive category and where they came from.",
    "recipients": "Recipients by what became of the message for them and by direction.",
    "shadow_recipients": "Recipients for whom what is on trial would have decided otherwise, by what it would have.",
    "observed_messages": "Messages that passed because milterguard only observes, by what was decided.",
    "dns_questions": "Questions to the DNS by outcome: an answer, nothing there, a temporary error.",
    "failed_checks": "Checks that could not finish.",
    "refused_recipients": "Recipients refused or deferred at RCPT, by reason.",
    "answer_seconds": "Time from the end of the header section to the answer.",
}


def _series() -> Iterator[Series]:
    for answer, category, traffic in product(Destiny, Category, Traffic):
        yield "messages", (("answer", answer.value), ("category", category.word), ("traffic", traffic.value))
    for action, way in product(_ACTIONS, _DIRECTIONS):
        yield "recipients", (("action", action), ("direction", way))
    for destiny, category in product(Destiny, Category):
        yield "shadow_recipients", (("destiny", destiny.value), ("category", category.word))
    for destiny in Destiny:
        yield "observed_messages", (("decided", destiny.value),)
    for outcome in _DNS_OUTCOMES:
        yield "dns_questions", (("outcome", outcome),)
    for check in _CHECKS:
        yield "failed_checks", (("check", check),)
    for reason in REFUSALS:
        yield "refused_recipients", (("reason", reason),)
    for limit in _WITHIN_SECONDS:
        yield "answer_seconds", (("le", f"{limit:g}".replace("inf", "+Inf")),)
    yield "answer_seconds", ()


SERIES: tuple[Series, ...] = tuple(_series())
"""Every counter, in the order of the shared memory; the last one holds the sum of seconds."""
_PLACES = {series: place for place, series in enumerate(SERIES)}


def place_of(name: str, **labels: str) -> int:
    """Return where a series stands in ``SERIES``. KeyError when there is none like it."""
    return _PLACES[name, tuple(labels.items())]


def counted(record: Record) -> Iterator[tuple[int, float]]:
    """Yield the places that a message adds to, and how much."""
    verdict, traffic = record.verdict, record.envelope.traffic
    category = verdict.decision.category.word
    yield place_of("messages", answer=record.answer.value, category=category, traffic=traffic.value), 1
    removed = frozenset(verdict.removed)
    for outcome in verdict.decision.outcomes:
        action = recipient_action(record.answer, outcome, is_removed=outcome.address in removed)
        way = direction(traffic, is_local=outcome.recipient.is_local)
        yield place_of("recipients", action=action, direction=way), 1
        if outcome.tried is not None:
            tried = outcome.tried
            yield place_of("shadow_recipients", destiny=tried.destiny.value, category=tried.category.word), 1
    if verdict.is_observed:
        yield place_of("observed_messages", decided=verdict.decision.answer.value), 1
    for finding in verdict.findings:
        if finding.check == "dns":
            yield from ((place_of("dns_questions", outcome=name), int(count)) for name, count in finding.properties)
    for check in {each.check for each in verdict.findings if each.category is Category.FAILED}:
        yield place_of("failed_checks", check=check if check in _CHECKS else "other"), 1
    yield from _timed(record.milliseconds / 1000)


def _timed(seconds: float) -> Iterator[tuple[int, float]]:
    for limit in _WITHIN_SECONDS:
        if seconds <= limit:
            yield place_of("answer_seconds", le=f"{limit:g}".replace("inf", "+Inf")), 1
    yield place_of("answer_seconds"), seconds


def exposition(values: Sequence[float]) -> str:
    """Return all counters as Prometheus reads them; those with labels that are zero are left out."""
    lines: list[str] = []
    told: set[str] = set()
    for (name, labels), value in zip(SERIES, values, strict=True):
        if name not in told:
            told.add(name)
            kind = "histogram" if name == "answer_seconds" else "counter"
            full = _full(name)
            lines += [f"# HELP {full} {_HELP[name]}", f"# TYPE {full} {kind}"]
        if value or name == "answer_seconds":
            lines += _lines(name, labels, value)
    return "\n".join(lines) + "\n"


def _lines(name: str, labels: Iterable[tuple[str, str]], value: float) -> list[str]:
    words = ",".join(f'{key}="{text}"' for key, text in labels)
    if name != "answer_seconds":
        return [f"{_full(name)}{{{words}}} {value:.17g}"]
    if not words:
        return [f"{_full(name)}_sum {value:.17g}"]
    lines = [f"{_full(name)}_bucket{{{words}}} {value:.17g}"]
    return [*lines, f"{_full(name)}_count {value:.17g}"] if "+Inf" in words else lines


def _full(name: str) -> str:
    return f"milterguard_{name}" if name.endswith("_seconds") else f"milterguard_{name}_total"
