# SPDX-License-Identifier: GPL-3.0-or-later
"""Recipients in a real directory: what is asked, what is said, and what is closest."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from milterguard.config.ldap import Ldap, Scope
from milterguard.config.lookup import Lookup
from milterguard.config.settings import Local, Settings
from milterguard.core.envelope import Traffic
from milterguard.core.listed import Listing
from milterguard.errors import ConfigError, StoreError
from milterguard.lookup.layer import Source
from milterguard.lookup.ldap import ldap_keys, ldap_source
from milterguard.lookup.policies import Policies
from tests.daemons import Slapd
from tests.daemons.slapd import BASE, READER_PASSWORD
from tests.lookup.directory import OpenDirectory, asked, reading, said
from tests.lookup.test_ldap_entry import GIVEN

_SUB, _IDN, _ABOVE = "sub.example.com", "xn--bcher-kva.example", "@.example.com @.com @."


@pytest.mark.parametrize(
    ("address", "is_local", "keys"),
    [
        ("User+Foo@Sub.Example.COM", True, f"user+foo@{_SUB} user@{_SUB} user+foo user @{_SUB} @.{_SUB} {_ABOVE}"),
        ("user@example.com", False, "user@example.com @example.com @.example.com @.com @."),
        ("postmaster", True, "postmaster @."),
        ('"user"@example.com', False, '"user"@example.com user@example.com @example.com @.example.com @.com @.'),
        ("user@bücher.example", False, f"user@bücher.example user@{_IDN} @{_IDN} @.{_IDN} @.example @."),
        ("user@[192.0.2.1]", False, "user@[192.0.2.1] @[192.0.2.1] @."),
        ('" user"@example.com', True, '" user"@example.com @example.com @.example.com @.com @.'),
        ('"a  b"@example.com', False, "@example.com @.example.com @.com @."),
        ("x" * 2000 + "@example.com", True, "@example.com @.example.com @.com @."),
        ("", False, "@."),
    ],
)
def test_keys(address: str, is_local: bool, keys: str) -> None:
    """amavis' keys and order; a user without domain for our own recipients only, none that finds somebody else."""
    found = ldap_keys(address, delimiter="+", is_local=is_local)
    assert "\n".join(found) == "\n".join(keys.replace('" user"', '"\0user"').split()).replace("\0", " ")


def test_every_attribute_is_read(slapd: Slapd, open_directory: OpenDirectory) -> None:
    """From a real directory, with amavis' schema, as it is from the table."""
    for number, (attribute, (value, _, _)) in enumerate(GIVEN.items()):
        slapd.add(f"cn=x{number}", f"x{number}@example.com", **{attribute: value})
    source = open_directory(reading(slapd))
    for number, (attribute, (_, key, meaning)) in enumerate(GIVEN.items()):
        (layer,) = asked(source, f"x{number}@example.com")
        assert layer.settings == ((key, meaning),), attribute
        assert layer.origin == f"LDAP cn=x{number},{BASE} (x{number}@example.com)"


_KEYS = (
    ("all", "@."),
    ("com", "@.com"),
    ("parent", "@.example.com"),
    ("below", "@.sub.example.com"),
    ("domain", "@sub.example.com"),
    ("anywhere", "user"),
    ("anywhere-foo", "user+foo"),
    ("user", "user@sub.example.com"),
    ("user-foo", "User+Foo@Sub.example.com"),
)
"""From the farthest to the closest."""


@pytest.fixture
def keyed(slapd: Slapd, open_directory: OpenDirectory) -> Source:
    """A directory with an entry for each kind of key."""
    for name, mail in _KEYS:
        slapd.add(f"cn={name}", mail, amavisSpamSubjectTag2=name)
    return open_directory(reading(slapd))


@pytest.mark.parametrize(
    ("address", "is_local", "names"),
    [
        ("user+foo@sub.example.com", True, "user-foo user anywhere-foo anywhere domain below parent com all"),
        ("USER+FOO@SUB.EXAMPLE.COM", True, "user-foo user anywhere-foo anywhere domain below parent com all"),
        ("user+foo@sub.example.com", False, "user-foo user domain below parent com all"),
        ("user+bar@sub.example.com", True, "user anywhere domain below parent com all"),
        ("other@sub.example.com", True, "domain below parent com all"),
        ("other@a.sub.example.com", True, "below parent com all"),
        ("user@example.com", True, "anywhere parent com all"),
        ("user@example.com", False, "parent com all"),
        ("user@example.net", False, "all"),
        ("user", True, "anywhere all"),
    ],
)
def test_the_closest_key_comes_first(address: str, is_local: bool, names: str, keyed: Source) -> None:
    """Whatever the order in which the directory answers."""
    assert said(keyed, address, is_local=is_local) == names.split()


@pytest.mark.parametrize(
    "address",
    [
        "*)(mail=*@example.com",
        "*@example.com",
        "x)(|(mail=user@example.com@example.com",
        "\\2a@example.com",
        "\\@example.com",
        "\0@example.com",
        "user\0@example.com",
        "us\\65r@example.com",
        "üser@example.com",
        "user@exämple.com",
        " user@example.com",
        "user @example.com",
        '" user"@example.com',
        '"user "@example.com',
        "user@example.com\r\n",
        "(user)@example.com",
        "\ud800@example.com",
        "%m@example.com",
        "u" * 100_000 + "@example.com",
        "user@" + "a." * 50_000 + "net",
    ],
)
def test_a_hostile_address_finds_nobody_else(address: str, slapd: Slapd, open_directory: OpenDirectory) -> None:
    """Its octets are those of a value, and it is not taken for a user's who is there."""
    slapd.add("cn=user", "user@example.com", amavisVirusLover="TRUE")
    slapd.add("cn=hidden", "hidden@example.net", amavisVirusLover="TRUE")
    slapd.add("cn=all", "@.", amavisSpamLover="FALSE")
    assert said(open_directory(reading(slapd)), address) == ["all"]


def test_an_odd_address_finds_its_own_entry(slapd: Slapd, open_directory: OpenDirectory) -> None:
    """What is escaped is what was meant."""
    slapd.add("cn=odd", r"a*(b)\c@example.com", amavisVirusLover="TRUE")
    source = open_directory(reading(slapd))
    assert said(source, r"a*(b)\c@example.com") == ["odd"]
    assert said(source, "axx(b)c@example.com") == []


@pytest.mark.parametrize(
    ("query_filter", "names"),
    [
        ("(mail=%a)", ["whole"]),
        ("(&(uid=%u)(o=%d))", ["parts"]),
        ("(&(objectClass=amavisAccount)(|(mail=%m)(uid=%u)))", ["whole", "parts"]),
        ("(description=smtp:%m)", ["prefix"]),
        ("(cn=%l%e)", []),
    ],
)
def test_other_filters(query_filter: str, names: list[str], slapd: Slapd, open_directory: OpenDirectory) -> None:
    """Any attribute may hold the address or a part of it."""
    slapd.add("cn=whole", "user+foo@example.com", amavisSpamLover="TRUE")
    slapd.add("cn=parts", "else@example.net", uid="user", o="example.com", amavisSpamLover="TRUE")
    slapd.add("cn=prefix", "else@example.org", description="smtp:user@example.com", amavisSpamLover="TRUE")
    assert said(open_directory(replace(reading(slapd), query_filter=query_filter)), "user+foo@example.com") == names


@pytest.mark.parametrize(("scope", "names"), [(Scope.BASE, []), (Scope.ONE, ["a"]), (Scope.SUB, ["a"])])
def test_scope(scope: Scope, names: list[str], slapd: Slapd, open_directory: OpenDirectory) -> None:
    """How far below the base is looked."""
    slapd.add("cn=a", "a@example.com", amavisSpamLover="TRUE")
    assert said(open_directory(replace(reading(slapd), scope=scope)), "a@example.com") == names


def test_policies_are_laid_over_the_files(slapd: Slapd, open_directory: OpenDirectory) -> None:
    """An entry decides before [policy] does, says who is ours, and is shown as the origin."""
    slapd.add(
        "cn=a", "a@example.com", amavisSpamKillLevel="3", amavisLocal="TRUE", amavisBlacklistSender=".example.net"
    )
    slapd.add("cn=all", "@.", amavisSpamKillLevel="9", amavisLocal="FALSE")
    policies = Policies(Settings(local=Local(domains=("example.org",))), [open_directory(reading(slapd))])
    judged = policies.judged("a@example.com", (), Traffic.INBOUND, sender="x@mail.example.net")
    assert judged.policy.spam_kill_level == 3.0
    assert judged.recipient.is_local
    assert ("spam_kill_level", f"LDAP cn=a,{BASE} (a@example.com)") in judged.origins
    assert judged.listed.listing is Listing.DENIED
    assert judged.listed.origins == (f"@.example.net in deny_senders, LDAP cn=a,{BASE} (a@example.com)",)
    assert not policies.judged("b@example.org", (), Traffic.INBOUND).recipient.is_local


def test_who_is_told_the_same_of_shares_layers(slapd: Slapd, open_directory: OpenDirectory) -> None:
    """Users of one domain without entries of their own have one policy between them, also when asked anew."""
    slapd.add("cn=domain", "@example.com", amavisSpamLover="TRUE")
    source = open_directory(reading(slapd))
    first, second, again = (asked(source, f"{name}@example.com") for name in ("a", "b", "a"))
    assert first[0] is second[0] is again[0]


def test_an_answer_is_remembered(slapd: Slapd, open_directory: OpenDirectory) -> None:
    """For fresh_seconds a change in the directory is not seen, and nobody asks it; without, at once."""
    slapd.add("cn=a", "a@example.com", amavisSpamLover="TRUE")
    remembering, forgetting = (
        open_directory(replace(reading(slapd), fresh_seconds=600.0)),
        open_directory(reading(slapd)),
    )
    assert asked(remembering, "a@example.com")[0].settings == asked(forgetting, "A@Example.com")[0].settings
    slapd.replace("cn=a", amavisSpamLover="FALSE")
    assert asked(remembering, "a@example.com")[0].settings == (("spam_lover", True),)
    assert asked(forgetting, "a@example.com")[0].settings == (("spam_lover", False),)


def test_lists_of_senders_have_no_rows(slapd: Slapd, open_directory: OpenDirectory) -> None:
    """A directory has no wblist."""
    assert open_directory(reading(slapd)).entries([1], ["a@example.com"]) == ()


def test_without_a_url_there_is_no_directory() -> None:
    """That is the default."""
    assert ldap_source(Settings()) is None


def test_a_missing_library_is_a_slip(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra that brings it is named."""
    monkeypatch.setitem(sys.modules, "ldap", None)
    monkeypatch.delitem(sys.modules, "milterguard.lookup.ldap_server", raising=False)
    with pytest.raises(ConfigError, match="the extra ldap to be installed"):
        ldap_source(Settings(lookup=Lookup(ldap=Ldap(urls=("ldap://h",), base="dc=x"))))


def test_a_filter_that_finds_everybody_is_refused(slapd: Slapd, open_directory: OpenDirectory) -> None:
    """Hundreds of entries for one address are nobody's policy; it is said, and the server is not to blame."""
    for number in range(201):
        slapd.add(f"cn=x{number}", "x@example.com", amavisSpamLover="TRUE")
    slapd.add("cn=y", "y@example.com", amavisSpamLover="TRUE")
    source = open_directory(reading(slapd))
    with pytest.raises(StoreError, match="Size limit exceeded"):
        asked(source, "x@example.com")
    assert said(source, "y@example.com") == ["y"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"base": "dc=example,dc=org"}, "dc=example,dc=org is not there, or not for us to see"),
        ({"bind_dn": "", "bind_password": ""}, "Insufficient access"),
        ({"bind_password": "wrong"}, "Invalid credentials"),
        ({"urls": ("ldapi://%2Fnowhere",)}, "Can't contact LDAP server"),
    ],
)
def test_a_directory_that_does_not_let_us_in_is_an_error(
    change: dict[str, Any], reason: str, slapd: Slapd, open_directory: OpenDirectory
) -> None:
    """Nothing found is not the same as nothing seen; no password is told."""
    with pytest.raises(StoreError) as caught:
        asked(open_directory(replace(reading(slapd), **change)), "a@example.com")
    assert reason in str(caught.value)
    assert "wrong" not in str(caught.value)
    assert READER_PASSWORD not in str(caught.value)


def test_close_lets_connections_go(slapd: Slapd, open_directory: OpenDirectory) -> None:
    """A closed source asks nobody, and may be closed again."""
    source = open_directory(reading(slapd))
    asked(source, "a@example.com")
    before = len(list(Path("/proc/self/fd").iterdir()))
    source.close()
    assert len(list(Path("/proc/self/fd").iterdir())) < before
    with pytest.raises(StoreError, match="closed"):
        asked(source, "b@example.com")
