# SPDX-License-Identifier: GPL-3.0-or-later
"""The order in which an address is looked up, for ordinary addresses and for those of attackers."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milterguard.core.mailbox import split_extension
from milterguard.lookup.address import (
    MAX_SUFFIXES,
    canonical_domain,
    canonical_match,
    domain_keys,
    hash_keys,
    match_keys,
    parse,
)

_EXAMPLE = "@example.com @.example.com @.com @."
_BUECHER = "@xn--bcher-kva.example @.xn--bcher-kva.example @.example @."

_FULL = "user+foo@sub.example.com user@sub.example.com user+foo@ user@"

_ORDER = [
    ("user@example.com", f"user@example.com user@ {_EXAMPLE}"),
    ("User@example.com", f"User@example.com user@example.com user@ {_EXAMPLE}"),
    ("user@EXAMPLE.com", f"user@EXAMPLE.com user@example.com user@ {_EXAMPLE}"),
    ("user@example.com.", f"user@example.com. user@example.com user@ {_EXAMPLE}"),
    ("user@example.com...", f"user@example.com... user@example.com user@ {_EXAMPLE}"),
    (
        "User+Foo@Sub.Example.COM",
        f"User+Foo@Sub.Example.COM {_FULL} @sub.example.com @.sub.example.com @.example.com @.com @.",
    ),
    ("a+b@example.com", f"a+b@example.com a@example.com a+b@ a@ {_EXAMPLE}"),
    ("a+@example.com", f"a+@example.com a@example.com a+@ a@ {_EXAMPLE}"),
    ("+a@example.com", f"+a@example.com +a@ {_EXAMPLE}"),
    ("+a+b@example.com", f"+a+b@example.com +a@example.com +a+b@ +a@ {_EXAMPLE}"),
    ("a+b+c@example.com", f"a+b+c@example.com a@example.com a+b+c@ a@ {_EXAMPLE}"),
    ("a-b@example.com", f"a-b@example.com a-b@ {_EXAMPLE}"),
    ("postmaster@example.com", f"postmaster@example.com postmaster@ {_EXAMPLE}"),
    ("postmaster", "postmaster postmaster@ @."),
    ("Postmaster", "Postmaster postmaster@ @."),
    ("user+x", "user+x user+x@ user@ @."),
    ("", " @ @."),
    ("@", "@ @."),
    ("@example.com", _EXAMPLE),
    ("user@", "user@ @."),
    ("user@localhost", "user@localhost user@ @localhost @.localhost @."),
    ("user@[192.0.2.1]", "user@[192.0.2.1] user@ @[192.0.2.1] @."),
    ("u@[IPv6:2001:DB8::1]", "u@[IPv6:2001:DB8::1] u@[ipv6:2001:db8::1] u@ @[ipv6:2001:db8::1] @."),
    ('"user"@example.com', f'"user"@example.com user@example.com user@ {_EXAMPLE}'),
    ('"us\\er"@example.com', f'"us\\er"@example.com user@example.com user@ {_EXAMPLE}'),
    ('"a@b"@example.com', f'"a@b"@example.com a@b@example.com a@b@ {_EXAMPLE}'),
    ('"a+b"@example.com', f'"a+b"@example.com a+b@example.com a@example.com a+b@ a@ {_EXAMPLE}'),
    ('"user@example.com"', '"user@example.com" user@example.com@ @.'),
    ('""@example.com', f'""@example.com {_EXAMPLE}'),
    (
        "@a.example,@b.example:user@example.com",
        f"@a.example,@b.example:user@example.com user@example.com user@ {_EXAMPLE}",
    ),
    ("user@bücher.example", f"user@bücher.example user@xn--bcher-kva.example user@ {_BUECHER}"),
    ("user@BÜCHER.example", f"user@BÜCHER.example user@xn--bcher-kva.example user@ {_BUECHER}"),
    ("user@bu\u0308cher.example", f"user@bu\u0308cher.example user@xn--bcher-kva.example user@ {_BUECHER}"),
    ("user@xn--bcher-kva.example", f"user@xn--bcher-kva.example user@ {_BUECHER}"),
    ("user@XN--BCHER-KVA.example", f"user@XN--BCHER-KVA.example user@xn--bcher-kva.example user@ {_BUECHER}"),
    ("user@bücher。example", f"user@bücher。example user@xn--bcher-kva.example user@ {_BUECHER}"),
    ("user@ｅxample.com", f"user@ｅxample.com user@example.com user@ {_EXAMPLE}"),
    ("MÜLLER@example.com", f"MÜLLER@example.com müller@example.com müller@ {_EXAMPLE}"),
    ("mu\u0308ller@example.com", f"mu\u0308ller@example.com müller@example.com müller@ {_EXAMPLE}"),
    ("a@b@example.com", f"a@b@example.com a@b@ {_EXAMPLE}"),
    ("user@.example.com", "user@.example.com user@ @.example.com @..example.com @.com @."),
    ("user@a..b", "user@a..b user@ @a..b @.a..b @..b @.b @."),
    ("user@.", "user@. user@ @."),
    ("prvs=user=sender@example.com", f"prvs=user=sender@example.com prvs=user=sender@ {_EXAMPLE}"),
    ("user@co.uk", "user@co.uk user@ @co.uk @.co.uk @.uk @."),
    ("a.b@example.com", f"a.b@example.com a.b@ {_EXAMPLE}"),
]


@pytest.mark.parametrize(("address", "keys"), _ORDER)
def test_key_order(address: str, keys: str) -> None:
    """The closest key comes first and each comes once; domains carry an @."""
    assert match_keys(address, delimiter="+") == tuple(keys.split(" "))


_HASH_ORDER = [
    (
        "User+Foo@Sub.Example.COM",
        f"User+Foo@Sub.Example.COM {_FULL} sub.example.com .sub.example.com .example.com .com .",
    ),
    ("", " @ ."),
    ("user@example.com", "user@example.com user@ example.com .example.com .com ."),
    ("postmaster", "postmaster postmaster@ ."),
    ("user@[192.0.2.1]", "user@[192.0.2.1] user@ [192.0.2.1] ."),
    ("user@com", "user@com user@ com .com ."),
]


@pytest.mark.parametrize(("address", "keys"), _HASH_ORDER)
def test_hash_key_order(address: str, keys: str) -> None:
    """The keys of amavis' hash tables are the same with bare domains."""
    assert hash_keys(address, delimiter="+") == tuple(keys.split(" "))


@pytest.mark.parametrize(
    ("local", "delimiter", "parts"),
    [
        ("user", "+", ("user", "")),
        ("user+foo", "", ("user+foo", "")),
        ("user+foo", "+", ("user", "+foo")),
        ("user-foo+bar", "+-", ("user", "-foo+bar")),
        ("postmaster", "o", ("postmaster", "")),
        ("MAILER-DAEMON", "-", ("MAILER-DAEMON", "")),
        ("double-bounce", "-", ("double-bounce", "")),
        ("owner-list", "-", ("owner-list", "")),
        ("list-request", "-", ("list-request", "")),
        ("owner-", "-", ("owner", "-")),
        ("-request", "-", ("-request", "")),
        ("owner-list+x", "+", ("owner-list", "+x")),
        ("user-request", "+", ("user-request", "")),
        ("", "+", ("", "")),
        ("+", "+", ("+", "")),
    ],
)
def test_extensions_are_split_as_the_mta_does(local: str, delimiter: str, parts: tuple[str, str]) -> None:
    """The first delimiter behind the first character splits; mail system names are never split."""
    assert split_extension(local, delimiter) == parts


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("User@Example.COM", "user@example.com"),
        ("User+Foo@Example.COM", "user+foo@example.com"),
        ('"User"@example.com', "user@example.com"),
        ("@Example.COM", "@example.com"),
        ("@.Example.COM", "@.example.com"),
        ("@.", "@."),
        ("User@", "user@"),
        ("@Bücher.example", "@xn--bcher-kva.example"),
        ("@.Bücher.example", "@.xn--bcher-kva.example"),
        ("a@[192.0.2.1]", "a@[192.0.2.1]"),
    ],
)
def test_entries_are_compared_in_one_form(text: str, key: str) -> None:
    """What the operator writes is brought into the form in which addresses are looked up."""
    assert canonical_match(text) == key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("straße.example", "strasse.example"),
        ("a․com", "a.com"),
        ("ａ＠b.com", "a@b.com"),
        ("xn--bcher-kva.example", "bucher.example"),
    ],
)
def test_domains_that_only_look_alike_differ(one: str, other: str) -> None:
    """Names that the DNS tells apart are not the same domain."""
    assert canonical_domain(one) != canonical_domain(other)


def test_the_null_address_is_its_own() -> None:
    """The null sender matches no user and no domain, only itself and the catch-all."""
    assert parse("").user == ""
    assert match_keys("") == ("", "@", "@.")


def test_local_parts_may_be_case_sensitive() -> None:
    """On demand the local part keeps its case, the domain never does."""
    assert match_keys("User@Example.com", case_sensitive=True)[1:3] == ("User@example.com", "User@")
    assert canonical_match("User@Example.com", case_sensitive=True) == "User@example.com"


@pytest.mark.parametrize("labels", [1, 18, 19, 20, 21, 1000])
def test_suffixes_are_bounded(labels: int) -> None:
    """At most twenty keys begin with a dot, and they are the shortest; the domain itself stays."""
    domain = ".".join(f"l{number}" for number in range(labels))
    keys = domain_keys(domain)
    dotted = [key for key in keys if key.startswith(".")]
    assert keys[0] == domain
    assert len(dotted) == min(labels + 1, MAX_SUFFIXES)
    assert dotted[-1] == "."
    assert dotted[-2] == f".l{labels - 1}"


@given(
    st.one_of(
        st.text(),
        st.text(alphabet='@."\\+:,[]-a\u3002\ud800\u0308ü', max_size=200),
        st.text(max_size=20).map("user@".__add__),
    ),
    st.sampled_from(["", "+", "-", "+-"]),
)
def test_any_text_has_keys(address: str, delimiter: str) -> None:
    """Whatever an address holds: keys without repetition, the address first, the catch-all last, never an error."""
    for keys, last in (
        (match_keys(address, delimiter=delimiter), "@."),
        (hash_keys(address, delimiter=delimiter), "."),
    ):
        assert keys[0] == address
        assert last in keys
        assert len(set(keys)) == len(keys) <= 8 + MAX_SUFFIXES
    canonical_match(address)


@given(st.text(max_size=80))
def test_canonical_domains_are_stable(domain: str) -> None:
    """Bringing a domain into its form twice changes nothing more."""
    once = canonical_domain(domain)
    assert canonical_domain(once) == once


@pytest.mark.parametrize(
    "piece", ["a.", ".", "@", '"', "\\", "+", "ü.", "\u0308", "ﷺ", "\u3002", "xn--", "a-request", ":", "@a:"]
)
def test_time_is_linear(piece: str) -> None:
    """A megabyte of an attacker's address takes a moment, not minutes."""
    address = "u@" + piece * (1_000_000 // len(piece))
    started = time.process_time()
    match_keys(address, delimiter="+-")
    match_keys(f"{address}@example.com", delimiter="+-")
    assert time.process_time() - started < 10
