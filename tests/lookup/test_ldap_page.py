# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/ldap.md says what the program does, and its examples do what is said there."""

import re
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from milterguard.config.ldap import Ldap
from milterguard.config.load import load
from milterguard.config.schema import entries, value_of
from milterguard.config.settings import Settings
from milterguard.config.written import shown
from milterguard.core.envelope import Traffic
from milterguard.core.listed import Listing
from milterguard.lookup.amavis import COLUMNS
from milterguard.lookup.ldap import ldap_keys
from milterguard.lookup.ldap_entry import LOCAL, MODIFIES_SUBJECT, SENDERS, UNUSED, USED
from milterguard.lookup.policies import Policies
from tests.daemons import Slapd
from tests.daemons.slapd import BASE
from tests.lookup.directory import OpenDirectory, reading

_TEXT = (Path(__file__).parents[2] / "docs" / "ldap.md").read_text(encoding="utf-8")
_FENCES = re.findall(r"^```(\w+)\n(.*?)^```$", _TEXT, re.MULTILINE | re.DOTALL)
_EXAMPLES = [text for kind, text in _FENCES if kind == "toml"]


def table(heading: str) -> list[tuple[str, ...]]:
    """Return the cells of the rows that follow this head of a table, without backquotes."""
    _, _, rest = _TEXT.partition(f"{heading}\n")
    rows = rest.partition("\n\n")[0].splitlines()[1:]
    return [tuple(cell.strip().strip("`") for cell in row.strip("|").split("|")) for row in rows]


@pytest.fixture
def policies(slapd: Slapd, open_directory: OpenDirectory) -> Policies:
    """Those of the page's entries."""
    (entries_of_the_page,) = [text for kind, text in _FENCES if kind == "ldif"]
    for block in entries_of_the_page.strip().split("\n\n"):
        lines = [line.partition(": ")[::2] for line in block.splitlines()]
        values: dict[str, list[str]] = {}
        for name, value in lines[1:]:
            values.setdefault(name, []).append(value)
        del values["objectClass"]
        slapd.add(lines[0][1].removesuffix(f",{BASE}"), **values)
    return Policies(Settings(), [open_directory(reading(slapd))])


def test_the_table_says_what_each_attribute_is() -> None:
    """Every attribute that is a key stands there, and no other."""
    meant = {name: COLUMNS[column].setting for name, column in USED.items()} | dict(SENDERS)
    assert {row[0]: row[1] for row in table("| Attribute | Key of the policy |")} == meant
    assert all(f"`{name}`" in _TEXT for name in (LOCAL, MODIFIES_SUBJECT))


def test_the_table_says_why_an_attribute_has_no_meaning() -> None:
    """In the words of the program."""
    assert {row[0]: row[1] for row in table("| Attribute | Why |")} == UNUSED


def test_the_keys_are_those() -> None:
    """In that order."""
    (listing,) = [text for kind, text in _FENCES if kind == "text"]
    keys = tuple(line.split()[0] for line in listing.splitlines())
    assert keys == ldap_keys("user+foo@sub.example.com", delimiter="+", is_local=True)
    elsewhere = tuple(line.split()[0] for line in listing.splitlines() if "our own recipients" not in line)
    assert elsewhere == ldap_keys("user+foo@sub.example.com", delimiter="+", is_local=False)


_HOLDS = table("| Recipient | Setting | Value | From |")


@pytest.mark.parametrize(("recipient", "key", "value", "origin"), _HOLDS)
def test_the_entries_of_the_page(recipient: str, key: str, value: str, origin: str, policies: Policies) -> None:
    """Each row of the table holds in a real directory with these entries."""
    judged = policies.judged(recipient, (), Traffic.INBOUND)
    assert shown(entries()[f"policy.{key}"], getattr(judged.policy, key)) == value
    found = dict(judged.origins).get(key, "")
    assert found.startswith(f"LDAP {origin},{BASE} (") if origin else found == ""


@pytest.mark.parametrize(
    ("sender", "listing"),
    [
        ("friend@example.org", Listing.ALLOWED),
        ("another@example.org", None),
        ("x@example.net", Listing.DENIED),
        ("x@mail.example.net", Listing.DENIED),
    ],
)
def test_the_senders_of_the_page(sender: str, listing: Listing | None, policies: Policies) -> None:
    """Some are allowed, others denied with all subdomains."""
    assert policies.judged("strict@example.com", (), Traffic.INBOUND, sender=sender).listed.listing is listing


@pytest.mark.parametrize("number", range(len(_EXAMPLES)))
def test_the_settings_of_the_page_reach_a_directory(
    number: int, slapd: Slapd, open_directory: OpenDirectory, tmp_path: Path
) -> None:
    """With the test's own address in the place of the page's, each example finds an entry."""
    slapd.add("cn=a", "a@example.com", amavisSpamLover="TRUE")
    (tmp_path / "milterguard.toml").write_text(_EXAMPLES[number])
    written = load(tmp_path / "milterguard.toml", environ={}).settings.lookup.ldap
    assert set(tomllib.loads(_EXAMPLES[number])["lookup"]["ldap"]) >= {"urls", "base"}
    settings = replace(reading(slapd), query_filter=written.query_filter)
    if written.bind_dn:
        settings = replace(settings, base=written.base, bind_dn=written.bind_dn, bind_password=written.bind_password)
    (layer,) = open_directory(settings).layers("a@example.com", sender="", is_local=True)
    assert layer.settings == (("spam_lover", True),)


@pytest.mark.parametrize("key", ["timeout_seconds", "fresh_seconds", "retry_seconds"])
def test_the_times_of_the_page_are_the_defaults(key: str) -> None:
    """The number stands behind the name."""
    default = value_of(Settings(lookup=replace(Settings().lookup, ldap=Ldap())), entries()[f"lookup.ldap.{key}"])
    assert f"`lookup.ldap.{key}` ({default:g})" in _TEXT
