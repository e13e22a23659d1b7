# SPDX-License-Identifier: GPL-3.0-or-later
"""What was written down of a message is what it was."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milterguard.core.destiny import Destiny
from milterguard.core.evidence import evidence
from milterguard.core.finding import Category, Finding
from milterguard.core.part import Flag, Part
from milterguard.core.recall import Forgotten, recalled
from milterguard.core.verdict import Verdict
from tests.core.build import CLIENT, NO_CLAMD, VIRUS, judged, points
from tests.core.test_report import record

TEXTS = st.text(max_size=20)
FINDINGS = st.builds(
    Finding,
    check=st.sampled_from(("clamd", "spamd", "banned")),
    category=st.sampled_from([each for each in Category if each is not Category.FAILED]),
    minor=TEXTS,
    detail=TEXTS,
    score=st.none() | st.floats(-1e6, 1e6),
    tests=st.lists(st.tuples(TEXTS, st.none() | st.floats(-1e6, 1e6)), max_size=3).map(tuple),
    part=TEXTS,
    rule=TEXTS,
    rules=st.none() | st.lists(TEXTS, max_size=2).map(tuple),
    destiny=st.none() | st.sampled_from(Destiny),
    size=st.none() | st.integers(0, 2**40),
    is_on_trial=st.booleans(),
)


def written(verdict: Verdict | None = None, **of_record: Any) -> dict[str, Any]:
    """Return the document as it comes back from the database."""
    made = record(VIRUS, to=(judged("a@example.com"), judged("b@example.com")))
    made = replace(made, verdict=verdict or made.verdict, **of_record)
    document: dict[str, Any] = json.loads(json.dumps(evidence(made)))
    return document


@given(st.lists(FINDINGS, max_size=5))
def test_findings_come_back_as_they_were(findings: list[Finding]) -> None:
    """All that decides."""
    verdict = replace(record().verdict, findings=tuple(findings))
    assert recalled(written(verdict)).findings == tuple(findings)


def test_a_failure_keeps_what_it_meant() -> None:
    """Pass or tempfail."""
    passing = replace(NO_CLAMD, on_failure=Destiny.PASS)
    verdict = replace(record().verdict, findings=(NO_CLAMD, passing))
    assert [each.on_failure for each in recalled(written(verdict)).findings] == [Destiny.TEMPFAIL, Destiny.PASS]


def test_client_and_envelope_come_back() -> None:
    """With the authors, for lists of senders."""
    memory = recalled(written(authors=("a@x.example",)))
    assert memory.client == CLIENT
    assert [address for address, _ in memory.recipients] == ["a@example.com", "b@example.com"]
    assert memory.authors == ("a@x.example",)
    assert memory.size == record().size


TREE = (
    Part("1", types=("multipart/mixed",)),
    Part("1/1", parent=0, types=("text/plain",), kinds=("asc",), size=7, digest="0" * 64),
    Part("1/2", parent=0, names=("a.zip",), kinds=("zip",), flags=frozenset((Flag.ENCRYPTED,))),
    Part("1/2/1", parent=2, names=("b.exe",), is_member=True),
)


def test_parts_come_back_in_their_order() -> None:
    """So that rules about them can be asked anew."""
    assert recalled(written(replace(record().verdict, tree=TREE))).tree == TREE


@pytest.mark.parametrize(
    "tree",
    [
        (),
        (replace(TREE[0], names=("x" * 1000,)),),
        (replace(TREE[0], names=("a\u202eb",)),),
        tuple(Part(f"1/{number}" if number else "1", parent=-1 if not number else 0) for number in range(400)),
    ],
)
def test_parts_that_were_cut_are_not_taken_for_the_whole(tree: tuple[Part, ...]) -> None:
    """No rule can be asked about what is not known."""
    assert recalled(written(replace(record().verdict, tree=tree))).tree is None


@pytest.mark.parametrize(
    "change",
    [
        {"version": 1},
        {"version": None},
        {"findings": [{}]},
        {"findings": None},
        {"outcomes": [7]},
        {"parts": [{"is_whole": True}]},
        {"client_address": None, "findings": [{"category": "made up"}]},
    ],
)
def test_what_is_old_or_damaged_is_told(change: dict[str, Any]) -> None:
    """Instead of being guessed at."""
    with pytest.raises(Forgotten):
        recalled(written() | change)


def test_points_come_back() -> None:
    """With the tests of the spam check."""
    verdict = replace(record().verdict, findings=(points(2.5, ("A", 2.5), ("B", None)),))
    assert recalled(written(verdict)).findings == verdict.findings
