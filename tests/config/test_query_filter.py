# SPDX-License-Identifier: GPL-3.0-or-later
"""Search filters of LDAP with places for an address."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milterguard.config.query_filter import KeyPlace, QueryFilter, escaped

_AMAVIS = "(&(objectClass=amavisAccount)(mail=%m))"
_PLACES = {"a": "user+foo@example.com", "l": "user+foo", "u": "user", "e": "+foo", "d": "example.com"}


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        (_AMAVIS, "(&(objectClass=amavisAccount)(|(mail=user@example.com)(mail=@.)))"),
        ("(mail=%m)", "(|(mail=user@example.com)(mail=@.))"),
        ("(|(mail=%a)(uid=%u))", "(|(mail=user+foo@example.com)(uid=user))"),
        ("(&(x=%l)(y=%e)(z=%d))", "(&(x=user+foo)(y=+foo)(z=example.com))"),
        ("(!(mail=%a))", "(!(mail=user+foo@example.com))"),
        ("(proxyAddresses=smtp:%m)", "(|(proxyAddresses=smtp:user@example.com)(proxyAddresses=smtp:@.))"),
        ("(&(mail=%a)(description=100%%))", "(&(mail=user+foo@example.com)(description=100%))"),
        (r"(&(mail=%a)(cn=a\2ab))", r"(&(mail=user+foo@example.com)(cn=a\2ab))"),
        ("(mail:caseExactMatch:=%a)", "(mail:caseExactMatch:=user+foo@example.com)"),
        ("(&(mail=%a)(cn=*))", "(&(mail=user+foo@example.com)(cn=*))"),
        (
            "(&(|(mail=%m)(mail=x%m))(!(o=%d)))",
            "(&(|(|(mail=user@example.com)(mail=@.))(|(mail=xuser@example.com)(mail=x@.)))(!(o=example.com)))",
        ),
    ],
)
def test_places_are_filled(text: str, filled: str) -> None:
    """A condition with %m becomes one for each key; the other letters stand for parts of the address."""
    assert QueryFilter.parse(text).filled(("user@example.com", "@."), _PLACES) == filled


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "a search filter such as"),
        ("mail=%m", "a search filter such as"),
        ("(mail=%m", "a search filter such as"),
        ("(mail=%m))", "a search filter such as"),
        ("(&)(mail=%m)", "a search filter such as"),
        ("(&(mail=%m)", "a search filter such as"),
        ("(!(mail=%m)(mail=x))", "a search filter such as"),
        ("(mail=a(b)%m)", "a search filter such as"),
        (r"(mail=a\zz%m)", "a search filter such as"),
        ("(%a=x)", "a search filter such as"),
        ("(%a)", "a search filter such as"),
        ("\0%m", "a search filter such as"),
        ("(mail=%k)", "%m, %a, %l, %u, %e, %d or %%"),
        ("(mail=%m)%", "%m, %a, %l, %u, %e, %d or %%"),
        ("(mail=*)", "a place for the address"),
        ("(description=100%%)", "a place for the address"),
        ("(mail=%e)", "a place for the address"),
    ],
)
def test_what_is_no_filter_is_told(text: str, expected: str) -> None:
    """A filter that a server would refuse, or that finds the same for everybody, is a slip."""
    with pytest.raises(ValueError, match=re.escape(expected)):
        QueryFilter.parse(text)


def test_deep_nesting_is_refused_quickly() -> None:
    """A filter of thousands of groups in each other is no filter, and costs no recursion."""
    with pytest.raises(ValueError, match="a search filter"):
        QueryFilter.parse("(!" * 5000 + "(mail=%m)" + ")" * 5000)


def test_the_places_of_keys_are_known() -> None:
    """Where an entry says its keys: the attribute, and what stands about the key in its value."""
    text = "(|(mail=%m)(proxyAddresses=smtp:%m)(uid=%u))"
    assert QueryFilter.parse(text).key_places == (KeyPlace("mail", "", ""), KeyPlace("proxyAddresses", "smtp:", ""))


def test_the_filter_for_anybody_has_no_address() -> None:
    """Places become stars; per cent signs stay."""
    assert QueryFilter.parse("(&(mail=%m)(cn=100%%))").for_anybody() == "(&(mail=*)(cn=100%))"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("user@example.com", "user@example.com"),
        ("*)(mail=*", r"\2a\29\28mail\3d\2a"),
        ("a\\b", r"a\5cb"),
        ("\0", r"\00"),
        ("ü", r"\c3\bc"),
        ("a b", r"a\20b"),
        ("%m", r"\25m"),
        ("\ud800", r"\3f"),
    ],
)
def test_values_are_escaped(value: str, written: str) -> None:
    """Whatever could mean something in a filter stands as the numbers of its octets (RFC 4515 section 3)."""
    assert escaped(value) == written


@given(st.text(max_size=60), st.lists(st.text(max_size=60), min_size=1, max_size=4))
def test_no_address_changes_a_filter(value: str, keys: list[str]) -> None:
    """Filled in, a filter has the conditions that its keys make, and is ASCII without anything between them."""
    places = dict.fromkeys("alued", value)
    filled = QueryFilter.parse(_AMAVIS).filled(keys, places)
    assert filled.isascii()
    assert filled.isprintable()
    mails = re.fullmatch(r"\(&\(objectClass=amavisAccount\)\(\|((?:\(mail=(?:[\w@.+-]|\\[0-9a-f]{2})*\))+)\)\)", filled)
    assert mails
    assert mails[1].count("(mail=") == len(keys)
