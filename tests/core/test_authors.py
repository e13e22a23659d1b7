# SPDX-License-Identifier: GPL-3.0-or-later
"""How many addresses a From field names, for readers of every kind."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milterguard.core.authors import address_count, addresses, author_domains, beside_domains
from milterguard.core.message import Field
from tests.core.linear import is_linear


@pytest.mark.parametrize(
    "value",
    [
        b" a@x.example",
        b" A <a@x.example>",
        b" a@x.example <a@x.example>",
        b' "a@y.example, b@z.example" <a@x.example>',
        b' "quoted \\" b@y.example, c" <a@x.example>',
        b' "a b"@x.example',
        b" A (b@y.example, c@z.example) <a@x.example>",
        b" a(one(two)three)@x.example",
        b" a@x.example (A \\) b@y.example)",
        b" Smith, John <a@x.example>",
        b" a @ x . example",
        b" <@r.example,@s.example:a@x.example>",
        b" a@[IPv6:2001:db8::1]",
        b" <a@[IPv6:2001:db8::1]>",
        b" Team: a@x.example;",
        b" =?utf-8?Q?A=40B?= <a@x.example>",
        b" A\n <a@x.example>",
        b" root",
        b" A <root>",
        b" root (Cron Daemon)",
    ],
)
def test_one_author(value: bytes) -> None:
    """Names, comments, routes and groups around it do not make it more."""
    assert address_count(value) == 1


@pytest.mark.parametrize("value", [b"", b" ", b" <>", b" A <>", b" (a@x.example)", b" Nobody:;", b" ,,"])
def test_nobody(value: bytes) -> None:
    """Empty fields and empty groups name no one."""
    assert address_count(value) == 0


@pytest.mark.parametrize(
    ("value", "count"),
    [
        (b" a@x.example, b@y.example", 2),
        (b" A <a@x.example>, B <b@y.example>", 2),
        (b" A <a@x.example> <b@y.example>", 2),
        (b" a@x.example b@y.example", 2),
        (b" a@x.example; b@y.example", 2),
        (b" <a@x.example, b@y.example>", 2),
        (b" <a@x.example <b@y.example>", 2),
        (b" a@x.example, B <b@y.example>", 2),
        (b" Team: a@x.example, b@y.example;, c@z.example", 3),
        (b' "A <a@x.example>, B <b@y.example>', 2),
        (b" (A <a@x.example>, B <b@y.example>", 2),
        (b" A (( one ) <a@x.example>, b@y.example", 2),
        (b" a@x.example@y.example", 2),
        (b' A\\" <a@x.example>, "B <b@y.example>', 2),
    ],
)
def test_several_authors(value: bytes, count: int) -> None:
    """Also where no grammar allows it, and behind quotes and comments that never end."""
    assert address_count(value) == count


@given(st.lists(st.sampled_from([b"(", b")", b'"', b"\\", b"<", b">", b"@", b",", b":", b";", b"a", b" ", b"\n"])))
def test_any_order_of_specials_is_counted(tokens: list[bytes]) -> None:
    """Never more than there are signs, but one for a name alone; never an exception."""
    value = b"".join(tokens)
    assert 0 <= address_count(value) <= max(1, value.count(b"@"))


@given(st.binary(max_size=300))
def test_any_octets_are_counted(value: bytes) -> None:
    """Never an exception."""
    assert address_count(value) >= 0


@pytest.mark.parametrize(
    "unit",
    [b"(", b")", b"()", b'"', b'\\"', b'"(', b'("', b"[", b"<", b"<>", b"a@", b"a@b,", b" ", b"\\", b'("\\', b";"],
)
def test_a_long_row_of_specials_takes_linear_time(unit: bytes) -> None:
    """Unclosed comments and quotes are tried once, not from each position anew."""
    assert is_linear(lambda size: (unit * size)[:size], address_count)


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (b" a@x.example", ("a@x.example",)),
        (b' "B <b@y.example>" <a@x.example>', ("a@x.example",)),
        (b" a@x.example (b@y.example)", ("a@x.example",)),
        (b" Team: a@x.example, B <b@y.example>;", ("b@y.example", "a@x.example")),
        (b" a@x.example@y.example", ("a@x.example@y.example", "a@x.example")),
        (b" a@x.example, a@x.example", ("a@x.example",)),
        (
            b" x@y.example@x.example@y.example",
            ("x@y.example@x.example@y.example", "x@y.example", "y.example@x.example"),
        ),
        (b" nobody", ()),
        (b' "c@z.example", a@x.example', ("c@z.example", "a@x.example")),
        (b' <"c@z.example">, a@x.example', ("c@z.example", "a@x.example")),
        (b' "c@z.example" <>, a@x.example', ("c@z.example", "a@x.example")),
        (b" =?utf-8?B?PGNAei5leGFtcGxlPg==?=, <a@x.example>", ("a@x.example", "c@z.example")),
        (b" =?utf-8?Q?c=40z.example=2C?= a@x.example", ("c@z.example", "a@x.example")),
        (b" =?utf-8?B?A?=, a@x.example", ("a@x.example",)),
        (b" (c@z.example), a@x.example", ("c@z.example", "a@x.example")),
        (b' "c@"z.example, a@x.example', ("c@z.example", "a@x.example")),
        (b' c"@z.example", a@x.example', ("c@z.example", "a@x.example")),
        (b' c"@"z.example, a@x.example', ("c@z.example", "a@x.example")),
        (b' "C, D <c@z.example>; E: (f@z.example)" <a@x.example>', ("a@x.example",)),
        (b" =?utf-8?q?c=40z.example?= <a@x.example>", ("a@x.example",)),
        (b" a@x.example (c@z.example)", ("a@x.example",)),
        (b" (c@z.example) <a@x.example>", ("a@x.example",)),
        (b" @x.example, a@", ()),
        (b" a@x.example .test", ("a@x.example", "a@x.example.test")),
        (b" a (c) @ x.example", ("a@x.example",)),
        (b' "a"@x."example"', ("a@x.example",)),
        (b' "a b"@x.example', ('"@x.example',)),
        (b' "a@y.example"@x.example', ('"@x.example', "a@y.example@x.example", "a@y.example")),
        (b' "b <a@y.example>"@x.example', ('"@x.example', "a@y.example")),
        (b" a\\@x.example\\, <b@y.example>", ("b@y.example", "a@x.example")),
        (b" a@x.example <>", ("a@x.example",)),
        (b" \xe9@x.example", ("\ufffd@x.example",)),
        (
            b",".join(b"u%d@x.example" % number for number in range(99)),
            (*(f"u{each}@x.example" for each in range(10)), "…@"),
        ),
    ],
)
def test_the_authors_are_named(value: bytes, named: tuple[str, ...]) -> None:
    """Those in angle brackets first, each once, at most ten; what is quoted or a comment is none."""
    assert addresses(value) == named


QUOTED = st.lists(
    st.sampled_from([*"ab<>,;:@()[] .", '\\"', "\\\\", "a@y.example", "<a@y.example>"]), min_size=1, max_size=9
)
NAMES = st.sampled_from(["", "CEO ", '"CEO" ', '"ceo@y.example" ', "(a@y.example) ", "=?utf-8?q?CEO?= "])


@given(local=QUOTED, name=NAMES, is_bracketed=st.booleans())
def test_whose_domain_it_is_no_quoted_part_hides(local: list[str], name: str, *, is_bracketed: bool) -> None:
    """Of an address as RFC 5322 allows it the domain is always among those that are read."""
    address = f'"{"".join(local)}"@x.example'
    value = f" {name}<{address}>" if is_bracketed else f" {address}"
    assert "x.example" in author_domains([Field(b"From", value.encode())])


@pytest.mark.parametrize("end", ["\u200f", "\u202c", "..", "\x01", ".", "'", "\u00a0"])
def test_a_domain_is_the_one_that_is_shown(end: str) -> None:
    """What cannot be seen at its end is no part of it."""
    assert author_domains([Field(b"From", f" a@x.example{end}".encode())]) == ("x.example",)


@pytest.mark.parametrize(
    ("value", "beside"),
    [
        (b" a@x.example <b@y.example>", {"x.example"}),
        (b" <b@y.example> a@x.example", {"x.example"}),
        (b" a@y.example <b@y.example>", {"y.example"}),
        (b' "a@x.example <b@y.example>', {"x.example"}),
        (b" a @ x.example <b@y.example>", {"x.example"}),
        (b' "a@x.example" <b@y.example>', set()),
        (b" (a@x.example) <b@y.example>", set()),
        (b" Lunch @ noon <b@y.example>", set()),
        (b" =?utf-8?q?a@x.example?= <b@y.example>", set()),
        (b" b@y.example", set()),
        (b" A <b@y.example>, C <d@x.example>", set()),
    ],
)
def test_addresses_beside_the_author(value: bytes, beside: set[str]) -> None:
    """Without quotes around them, and with a domain; those that are quoted are a name like any other."""
    assert beside_domains([Field(b"From", value), Field(b"To", b" c@z.example <b@y.example>")]) == beside


@given(st.binary(max_size=300))
def test_any_octets_name_authors(value: bytes) -> None:
    """Never an exception, and nobody without a sign."""
    assert all("@" in author for author in addresses(value))


@pytest.mark.parametrize(
    "unit",
    [*(b"a", b"a@", b"@", b"a@b,", b"a@b ", b"<a@", b"a@b:"), *(b"=?a?q?", b"=?a?q?b@?=", b'"a@"', b"(a@)", b'"<@')],
)
def test_naming_takes_linear_time(unit: bytes) -> None:
    """Whatever stands in a row."""
    assert is_linear(lambda size: (unit * size)[:size], addresses)
    assert is_linear(lambda size: (unit * size)[:size], lambda value: beside_domains([Field(b"From", value)]))
