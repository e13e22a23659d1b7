# SPDX-License-Identifier: GPL-3.0-or-later
"""What a message adds to the counters, and how they are written."""

from dataclasses import replace

from milterguard.core.decide import decide
from milterguard.core.destiny import Destiny, Mixed
from milterguard.core.finding import Category, Finding
from milterguard.core.policy import Policy
from milterguard.core.series import SERIES, counted, exposition, place_of
from milterguard.core.verdict import Judged, Verdict
from tests.core.build import VIRUS, judged
from tests.core.test_report import record

LOVER = judged("lover@example.com", policy=Policy(virus_lover=True))
PLAIN = judged("plain@example.com")
THEIRS = judged("other@elsewhere.example", is_local=False)
TRYING = replace(judged("trying@example.com", policy=Policy(virus_lover=True)), trial=Policy())


def added(*to: Judged, findings: tuple[Finding, ...] = (), answer: Destiny = Destiny.PASS) -> dict[str, float]:
    """What a message adds, as lines of the exposition."""
    decision = decide(findings, to, mixed=Mixed.REMOVE)
    return _lines(Verdict(decision, findings), answer)


def _lines(verdict: Verdict, answer: Destiny) -> dict[str, float]:
    values = [0.0] * len(SERIES)
    for place, amount in counted(replace(record(), verdict=verdict, answer=answer, milliseconds=70.0)):
        values[place] += amount
    lines = (line.rpartition(" ") for line in exposition(values).splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}


def test_a_message_is_counted_once_and_each_recipient_with_his_direction() -> None:
    """One gets it tagged or not, one is removed, one is elsewhere."""
    lines = added(LOVER, PLAIN, THEIRS, findings=(VIRUS,))
    assert lines['milterguard_messages_total{answer="pass",category="virus",traffic="inbound"}'] == 1
    assert lines['milterguard_recipients_total{action="Relayed",direction="Inbound"}'] == 1
    assert lines['milterguard_recipients_total{action="Discarded",direction="Inbound"}'] == 1
    assert lines['milterguard_recipients_total{action="Discarded",direction="OpenRelay"}'] == 1


def test_what_is_on_trial_is_counted() -> None:
    """The recipient gets it, and would have been refused."""
    lines = added(TRYING, findings=(VIRUS,))
    assert lines['milterguard_recipients_total{action="Relayed",direction="Inbound"}'] == 1
    assert lines['milterguard_shadow_recipients_total{destiny="reject",category="virus"}'] == 1


def test_what_is_only_observed_is_counted_by_what_was_decided() -> None:
    """Nobody is removed then."""
    decision = decide((VIRUS,), (PLAIN, LOVER), mixed=Mixed.STRICTEST)
    lines = _lines(Verdict(decision, (VIRUS,), is_observed=True), Destiny.PASS)
    assert lines['milterguard_observed_messages_total{decided="reject"}'] == 1
    assert lines['milterguard_recipients_total{action="Relayed",direction="Inbound"}'] == 2


def test_failed_checks_are_counted_by_name() -> None:
    """A name that is not foreseen makes no series of its own."""
    failed = Finding("clamd", Category.FAILED, "timeout")
    lines = added(PLAIN, findings=(failed, failed, replace(failed, check="made up")), answer=Destiny.TEMPFAIL)
    assert lines['milterguard_failed_checks_total{check="clamd"}'] == 1
    assert lines['milterguard_failed_checks_total{check="other"}'] == 1
    assert lines['milterguard_recipients_total{action="TempFailed",direction="Inbound"}'] == 1


def test_time_is_a_histogram() -> None:
    """Buckets are cumulative, and the last one is the count."""
    lines = added(PLAIN)
    buckets = [value for name, value in lines.items() if "_bucket" in name]
    assert buckets == sorted(buckets)
    assert lines['milterguard_answer_seconds_bucket{le="0.05"}'] == 0
    assert lines['milterguard_answer_seconds_bucket{le="0.1"}'] == 1
    assert lines["milterguard_answer_seconds_count"] == 1
    assert lines["milterguard_answer_seconds_sum"] == 0.07


def test_every_family_is_told_of_even_when_nothing_was_counted() -> None:
    """HELP and TYPE once each, and no series with labels that is zero."""
    text = exposition([0.0] * len(SERIES))
    names = {name for name, _ in SERIES}
    assert text.count("# HELP ") == text.count("# TYPE ") == len(names)
    assert "{answer" not in text
    assert SERIES[place_of("refused_recipients", reason="size")][0] == "refused_recipients"
