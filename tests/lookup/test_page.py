# SPDX-License-Identifier: GPL-3.0-or-later
"""What docs/lookup.md says of its examples is so."""

import re
from pathlib import Path

import pytest

from milterguard.config.load import load
from milterguard.config.schema import recipient_entries
from milterguard.config.written import shown
from milterguard.core.envelope import Client, Traffic
from milterguard.lookup.address import match_keys
from milterguard.lookup.policies import Policies
from tests.pages import FENCE, moved

PAGE = (Path(__file__).parents[2] / "docs" / "lookup.md").read_text(encoding="utf-8")
SECTIONS = {part.partition("\n")[0]: part for part in re.split(r"^#{2,3} ", PAGE, flags=re.MULTILINE)}
WITH_EXAMPLES = [name for name, text in SECTIONS.items() if "```toml" in text]
_ROW = re.compile(r"^\| `(?P<who>[^`]+)` \| (?P<cells>.*) \|$", re.MULTILINE)


def cells(row: re.Match[str]) -> list[str]:
    return [cell.strip("`") for cell in row["cells"].split(" | ")]


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_an_example_does_what_the_page_says(name: str, tmp_path: Path) -> None:
    """Each row of the tables below it."""
    text = moved(SECTIONS[name], tmp_path)
    file = tmp_path / "milterguard.toml"
    file.write_text("\n".join(match["text"] for match in FENCE.finditer(text) if match["kind"] == "toml"))
    policies = Policies(load(file, environ={}).settings)
    told = text.rpartition("```")[2]
    rows = list(_ROW.finditer(told))
    assert len(rows) >= 2
    for row in rows:
        said = cells(row)
        if "| Ours |" in told:
            assert policies.is_local(row["who"]) is (said == ["yes"]), row[0]
        elif "| Traffic |" in told:
            assert policies.traffic(Client(row["who"], 25)) == Traffic(said[0]), row[0]
        else:
            key, value = said
            policy = policies.policy(row["who"], Traffic.INBOUND)
            assert shown(recipient_entries()[key], getattr(policy, key)) == value, row[0]


def test_each_kind_has_an_example() -> None:
    """Of lists and of tables."""
    assert WITH_EXAMPLES == ["Lists", "Domains", "Networks", "hash", "list", "regexp", "file", "constant"]


def test_the_order_of_keys_is_that_of_the_program() -> None:
    """With expressions before the catch-all."""
    told = re.findall(r"^[0-9]+\. (.*)$", SECTIONS["Keys"], re.MULTILINE)
    keys = match_keys("User+Foo@Sub.Example.COM", delimiter="+")
    asked = [f"`{key}`" for key in keys[1:]]
    assert told == ["the address as it came", *asked[:-1], "expressions, in their order", asked[-1]]


def test_the_order_of_sources_is_told_once() -> None:
    """As lookup/policies.py has it."""
    told = re.findall(r"^[0-9]+\. (.*)$", SECTIONS["Which answer holds"], re.MULTILINE)
    assert [re.split(r"[,;]", line)[0] for line in told] == [
        "SQL",
        "LDAP",
        "`[[table]]`",
        "`[[recipient]]`",
        "`[bank.NAME]`",
        "`[policy]`",
        "the default",
    ]
