# SPDX-License-Identifier: GPL-3.0-or-later
"""All 203 cases of the public SPF suite, through a real Postfix: the result stands in the field that we add."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.daemons import Postfix, Sink, private_folder
from tests.data import DATA
from tests.fakes.mta import Mail
from tests.integration.authentic import Post, by_wire, posting

SUITE = DATA / "spf" / "rfc7208-tests.yml"
LETTER = b"From: author@from.example\r\nTo: user@example.com\r\nSubject: hello\r\n\r\nHello.\r\n"
NOT_BY_POSTFIX = {"toolonglabel", "emptylabel"}
"""Senders that Postfix refuses; milterguard meets them by the milter protocol itself."""
SCENARIOS: list[dict[str, Any]] = list(yaml.safe_load_all(SUITE.read_bytes()))


@pytest.fixture(scope="module")
def post(shared_postfix: Postfix, shared_sink: Sink, milter_socket: str) -> Iterator[Post]:
    with private_folder() as folder, posting(folder, shared_postfix, shared_sink, milter_socket) as post:
        yield post


def _as_smtp(address: str) -> str:
    """A local part with a blank stands in quotes on the wire."""
    local, sign, domain = address.rpartition("@")
    return f'"{local}"{sign}{domain}' if " " in local else address


@pytest.mark.parametrize("scenario", SCENARIOS, ids=[each["description"] for each in SCENARIOS])
def test_a_scenario_comes_out_as_the_suite_says(scenario: dict[str, Any], post: Post) -> None:
    """Each case has one of the results that it allows."""
    post.serve(scenario["zonedata"])
    wrong: list[str] = []
    for name, case in scenario["tests"].items():
        address = str(case["host"])
        client = {"ADDR": f"IPv6:{address}" if ":" in address else address, "NAME": "[UNAVAILABLE]"}
        sender = _as_smtp(case["mailfrom"])
        told = post.send(LETTER, sender=sender, client=client, helo=case["helo"])
        if not told.fields:
            assert name in NOT_BY_POSTFIX, (name, str(told.dialogue.last))
            told = by_wire(post.milterguard, Mail(f"<{sender}>"), address=address, helo=case["helo"])
        identity = "smtp.mailfrom" if sender else "smtp.helo"
        found = [each.result for each in told.results if each.method == "spf" and each.of(identity)]
        allowed = case["result"] if isinstance(case["result"], list) else [case["result"]]
        if len(found) != 1 or found[0] not in allowed:
            wrong.append(f"{name}: {found} instead of {allowed}: {told.value}")
    assert wrong == []


def test_the_suite_is_whole() -> None:
    """None of its cases was lost on the way."""
    assert sum(len(scenario["tests"]) for scenario in SCENARIOS) == 203
