# SPDX-License-Identifier: GPL-3.0-or-later
"""All 171 cases of the public ARC validation suite, through a real Postfix: the result stands in the field we add."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.daemons import Postfix, Sink, private_folder
from tests.data import DATA
from tests.integration.authentic import Post, posting

SUITE = DATA / "arc" / "arc-draft-validation-tests.yml"
SCENARIOS: list[dict[str, Any]] = [each for each in yaml.safe_load_all(SUITE.read_bytes()) if each]


@pytest.fixture(scope="module")
def post(shared_postfix: Postfix, shared_sink: Sink, milter_socket: str) -> Iterator[Post]:
    with private_folder() as folder, posting(folder, shared_postfix, shared_sink, milter_socket) as post:
        yield post


@pytest.mark.parametrize("scenario", SCENARIOS, ids=[each["description"] for each in SCENARIOS])
def test_a_scenario_comes_out_as_the_suite_says(scenario: dict[str, Any], post: Post) -> None:
    """Each case has the chain validation status that it shall have."""
    post.serve({name: [{"TXT": text}] for name, text in (scenario.get("txt-records") or {}).items()})
    wrong: list[str] = []
    for name, case in scenario["tests"].items():
        octets = str(case["message"]).encode().replace(b"\n", b"\r\n")
        told = post.send(octets)
        assert told.fields, (name, str(told.dialogue.last))
        # Where the suite names no status, a forwarder had said that the chain was broken: so it still is.
        expected = (case["cv"] or "Fail").lower()
        if told.result("arc") != expected:
            wrong.append(f"{name}: {told.result('arc')} instead of {expected}: {told.value}: {case['description']}")
    assert wrong == []


def test_the_suite_is_whole() -> None:
    """None of its cases was lost on the way."""
    assert sum(len(scenario["tests"]) for scenario in SCENARIOS) == 171
