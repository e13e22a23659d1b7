# SPDX-License-Identifier: GPL-3.0-or-later
"""``check`` about the directory: whether it lets us in, what is there, what of it counts."""

import json
import sys

import pytest

from milterguard.cli.probe_ldap import ldap_rows
from milterguard.config.ldap import Ldap
from tests.cli.conftest import Program
from tests.daemons import Slapd
from tests.daemons.folder import free_port
from tests.daemons.slapd import BASE, READER, READER_PASSWORD
from tests.daemons.toml import Table


def rows(program: Program) -> dict[str, tuple[str, str]]:
    """Return state and text of the rows about the directory, by their subject."""
    found = json.loads(program("check", "--json").output)
    return {row["subject"]: (row["state"], row["text"]) for row in found if row["subject"].startswith("LDAP")}


def directory(*urls: str, **keys: str | bool) -> Table:
    settings = {"urls": list(urls), "base": BASE, "bind_dn": READER, "bind_password": READER_PASSWORD, **keys}
    return {"lookup": {"ldap": settings}}


def test_without_a_directory_there_is_nothing_to_say(milterguard: Program) -> None:
    """That is the default."""
    assert rows(milterguard) == {}


def test_a_directory_that_is_well(milterguard: Program, slapd: Slapd) -> None:
    """Each address is asked; its entries are counted."""
    slapd.add("cn=a", "a@example.com", amavisSpamLover="TRUE")
    slapd.add("cn=b", "b@example.com", amavisSpamLover="TRUE")
    milterguard.configure(directory(slapd.unix_url, slapd.url))
    said = ("ok", "lets us in; 2 entries for (&(objectClass=amavisAccount)(mail=%m))")
    assert rows(milterguard) == {f"LDAP {slapd.unix_url}": said, f"LDAP {slapd.url}": said}


def test_what_does_not_count_is_told(milterguard: Program, slapd: Slapd) -> None:
    """Attributes without meaning with the reason, values that cannot be read with their entry."""
    slapd.add("cn=a", "a@example.com", amavisVirusAdmin="x@example.com", amavisSpamKillLevel="high")
    milterguard.configure(directory(slapd.unix_url))
    found = rows(milterguard)
    subject = f"LDAP {slapd.unix_url}"
    assert found[f"{subject}: attributes"] == ("ok", "without meaning here: amavisVirusAdmin (nobody is written to)")
    state, text = found[f"{subject}: values"]
    assert state == "warning"
    assert text == f"LDAP cn=a,{BASE}: amavisSpamKillLevel is not used: expected a number, found 'high'"


def test_many_values_that_cannot_be_read_are_counted(milterguard: Program, slapd: Slapd) -> None:
    """The first five are shown."""
    for number in range(8):
        slapd.add(f"cn=x{number}", f"x{number}@example.com", amavisSpamKillLevel="high")
    milterguard.configure(directory(slapd.unix_url))
    _, text = rows(milterguard)[f"LDAP {slapd.unix_url}: values"]
    assert text.count("is not used") == 5
    assert text.endswith("; 3 more")


def test_a_large_directory_is_not_read_to_its_end(
    milterguard: Program, slapd: Slapd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sample is enough."""
    monkeypatch.setattr("milterguard.cli.probe_ldap._MOST_ENTRIES", 3)
    for number in range(5):
        slapd.add(f"cn=x{number}", f"x{number}@example.com", amavisSpamLover="TRUE")
    milterguard.configure(directory(slapd.unix_url))
    assert rows(milterguard)[f"LDAP {slapd.unix_url}"][1].startswith("lets us in; 3 entries and more for ")


def test_an_empty_directory_is_a_warning(milterguard: Program, slapd: Slapd) -> None:
    """Most likely it is the wrong base or filter."""
    milterguard.configure(directory(slapd.unix_url))
    state, text = rows(milterguard)[f"LDAP {slapd.unix_url}"]
    assert (state, "has no entry for" in text) == ("warning", True)


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({"bind_password": "wrong"}, "Invalid credentials"),
        ({"base": "dc=example,dc=org"}, "dc=example,dc=org is not there, or not for us to see"),
    ],
)
def test_a_directory_that_does_not_let_us_in_is_an_error(
    keys: dict[str, str], text: str, milterguard: Program, slapd: Slapd
) -> None:
    """What it says is shown; the exit status is 1."""
    milterguard.configure(directory(slapd.unix_url, **keys))
    assert rows(milterguard) == {f"LDAP {slapd.unix_url}": ("error", text)}
    assert milterguard("check").exit_code == 1


def test_nobody_there_is_an_error(milterguard: Program) -> None:
    """With the consequence and where to read."""
    url = f"ldap://127.0.0.1:{free_port()}"
    milterguard.configure(directory(url))
    assert rows(milterguard)[f"LDAP {url}"][0] == "error"
    assert "docs/ldap.md" in milterguard("check").output


def test_a_password_in_the_open_is_a_warning() -> None:
    """On the network, not on this machine and not when it is encrypted."""
    settings = Ldap(urls=("ldap://192.0.2.1:1",), base=BASE, bind_dn=READER, bind_password="x")
    first = next(iter(ldap_rows(settings)))
    assert (first.state, first.subject) == ("warning", "LDAP ldap://192.0.2.1:1: encryption")


def test_a_missing_library_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the name of the extra."""
    monkeypatch.setitem(sys.modules, "ldap", None)
    monkeypatch.delitem(sys.modules, "milterguard.lookup.ldap_server", raising=False)
    (row,) = ldap_rows(Ldap(urls=("ldap://127.0.0.1",), base=BASE))
    assert (row.state, "extra ldap" in row.advice) == ("error", True)
