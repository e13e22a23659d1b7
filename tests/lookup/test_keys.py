# SPDX-License-Identifier: GPL-3.0-or-later
"""The keys of many addresses, as golden/keys.toml has them, and who wins, as golden/precedence.toml has it."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from milterguard.config.load import load
from milterguard.core.envelope import Traffic
from milterguard.lookup.address import hash_keys, match_keys
from milterguard.lookup.policies import Policies

GOLDEN = Path(__file__).parent / "golden"
ADDRESSES = tomllib.loads((GOLDEN / "keys.toml").read_text(encoding="utf-8"))["address"]
CASES = tomllib.loads((GOLDEN / "precedence.toml").read_text(encoding="utf-8"))["case"]


@pytest.mark.parametrize("case", ADDRESSES, ids=lambda case: str(case["given"])[:40] + case.get("delimiter", ""))
def test_an_address_has_these_keys_in_this_order(case: dict[str, Any]) -> None:
    """As match, tables and lists of senders ask them; and as amavis' hashes do, without an @ before domains."""
    delimiter = case.get("delimiter", "+")
    assert list(match_keys(case["given"], delimiter=delimiter)) == case["keys"]
    plain = [key.removeprefix("@") if key not in ("@", case["given"]) else key for key in case["keys"]]
    assert list(hash_keys(case["given"], delimiter=delimiter)) == case.get("hash", plain)


def test_there_are_many_addresses() -> None:
    """Each once for a delimiter."""
    given = {(case["given"], case.get("delimiter", "+")) for case in ADDRESSES}
    assert len(given) == len(ADDRESSES) >= 60


def test_the_order_is_that_of_amavis_octet_for_octet() -> None:
    """For the example that its documents give."""
    assert hash_keys("User+Foo@Sub.Example.COM", delimiter="+") == (
        "User+Foo@Sub.Example.COM",
        "user+foo@sub.example.com",
        "user@sub.example.com",
        "user+foo@",
        "user@",
        "sub.example.com",
        ".sub.example.com",
        ".example.com",
        ".com",
        ".",
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["title"]))
def test_the_closest_entry_holds(case: dict[str, Any], tmp_path: Path) -> None:
    """Whose subject tag is found is the winner."""
    for name, content in case.get("files", {}).items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    file = tmp_path / "milterguard.toml"
    file.write_text(case["settings"].replace("file:", f"file:{tmp_path}/").replace('"DIR/', f'"{tmp_path}/'))
    policies = Policies(load(file, environ={}).settings)
    for address, winner in case["winner"].items():
        assert policies.policy(address, Traffic.INBOUND).spam_subject_tag == winner, address
