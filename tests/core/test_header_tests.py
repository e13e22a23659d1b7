# SPDX-License-Identifier: GPL-3.0-or-later
"""amavis' tests of a header section, and ours of From."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from milterguard.core.header_tests import MOST_OF_A_KIND, Complaint, complaints
from milterguard.core.message import Field
from milterguard.core.minor import HEADER_MINORS
from tests.core.linear import is_linear

ALL = frozenset(HEADER_MINORS)
DATE = Field(b"Date", b" Mon, 1 Jan 2024 00:00:00 +0000")
FROM = Field(b"From", b" A <a@sender.example>")
SECTION = (DATE, FROM)


def told(*fields: Field, wanted: frozenset[str] = ALL, utf8: bool = False) -> list[tuple[str, str]]:
    """Return what is wrong with a header section that has a good Date and From besides."""
    return [(each.minor, each.detail) for each in complaints((*SECTION, *fields), wanted, utf8=utf8)]


def minors(*fields: Field, wanted: frozenset[str] = ALL, utf8: bool = False) -> list[str]:
    return [minor for minor, _ in told(*fields, wanted=wanted, utf8=utf8)]


@pytest.mark.parametrize(
    "field",
    [
        Field(b"Subject", b" hello"),
        Field(b"Subject", b""),
        Field(b"Subject", b" "),
        Field(b"Subject ", b" obsolete blanks before the colon"),
        Field(b"X-Odd!#$%&'*+-.^_`{|}~", b" all of these are in names"),
        Field(b"Subject", b" folded\n\tonce\n and twice"),
        Field(b"Subject", b" folded\r\n as on the wire"),
        Field(b"Subject", " Grüße, 你好 ✓".encode()),
        Field(b"X", b" " + b"a" * 995),
        Field(b"X", b" short\n " + b"a" * 997),
        Field(b"Received", b" from a"),
    ],
)
def test_fields_that_are_in_order(field: Field) -> None:
    """Nothing is said of them, alone or with one that has to be looked at closely."""
    assert told(field) == []
    assert minors(field, Field(b"X-Odd", b" \xe4")) == ["8bit"]


@pytest.mark.parametrize(
    ("field", "minor", "detail"),
    [
        (Field(b"", b" x"), "syntax", "not a field name: (empty)"),
        (Field(b"Sub ject", b" x"), "syntax", "not a field name: Sub ject"),
        (Field(b"Content-Type (c)", b" x"), "syntax", "not a field name: Content-Type (c)"),
        (Field(b"Subject\x01", b" x"), "syntax", r"not a field name: Subject\x{1}"),
        (Field(b"Subject\n", b" x"), "syntax", r"not a field name: Subject\x{A}"),
        (Field("Sübject".encode("latin-1"), b" x"), "syntax", r"not a field name: S\x{FC}bject"),
        (Field("Sübject".encode(), b" x"), "syntax", r"not a field name: S\x{C3}\x{BC}bject"),
        (Field(b"X" * 60 + b" y", b" x"), "syntax", "not a field name: " + "X" * 40),
        (Field(b"Subject", b" a\n \n b"), "blank fold", "blank continuation line in Subject"),
        (Field(b"Subject", b" a\r\n\t \r\n b"), "blank fold", "blank continuation line in Subject"),
        (Field(b"Subject", b" a\n "), "blank fold", "blank continuation line in Subject"),
        (Field(b"Subject", b"\n\t\n b"), "blank fold", "blank continuation line in Subject"),
        (Field(b"X", b" " + b"a" * 997), "long", "line of 1000 octets in X"),
        (Field(b"X", b"a" * 997), "long", "line of 999 octets in X"),
        (Field(b"X", b" short\n " + b"a" * 998), "long", "line of 999 octets in X"),
        (Field(b"X", b" " + "ü".encode() * 499), "long", "line of 1001 octets in X"),
        (Field(b"Subject", b" a\0b"), "control", r"control character 00 in Subject: a\x{0}b"),
        (Field(b"Subject", b" a\rb"), "control", r"control character 0D in Subject: a\x{D}b"),
        (Field(b"Subject", b" a\r\r\n b"), "control", r"control character 0D in Subject: a\x{D} b"),
        (Field(b"Subject", " ü\0".encode()), "control", r"control character 00 in Subject: \x{C3}\x{BC}\x{0}"),
        (Field(b"Subject", b" a\x1b[1m"), "control", r"control character 1B in Subject: a\x{1B}[1m"),
        (Field(b"Subject", b" \x7f"), "control", r"control character 7F in Subject: \x{7F}"),
        (Field(b"Subject", b" H\xe4"), "8bit", r"character E4 in Subject: H\x{E4}"),
        (Field(b"Subject", " ü".encode() + b"\xff"), "8bit", r"character C3 in Subject: \x{C3}\x{BC}\x{FF}"),
        (Field(b"Subject", b" \xed\xa0\x80"), "8bit", r"character ED in Subject: \x{ED}\x{A0}\x{80}"),
        (Field(b"Subject", " ü\x01".encode()), "8bit", r"character 01 in Subject: \x{C3}\x{BC}\x{1}"),
        (Field(b"Subject", " ü\x85".encode()), "8bit", r"character C285 in Subject: \x{C3}\x{BC}\x{C2}\x{85}"),
        (
            Field(b"Subject", b" " + b"a" * 30 + b"\xe4" + b"b" * 30),
            "8bit",
            "character E4 in Subject: ..." + "a" * 24 + r"\x{E4}" + "b" * 24,
        ),
        (Field(b"date", b" x"), "duplicate", "Date 2 times"),
        (Field(b"DATE \t", b" x"), "duplicate", "Date 2 times"),
    ],
)
def test_each_test_finds_its_fault(field: Field, minor: str, detail: str) -> None:
    """With words of ours and an excerpt that can be shown."""
    assert told(field) == [(minor, detail)]


@pytest.mark.parametrize(
    ("first", "second", "field"),
    [
        ("syntax", "blank fold", Field(b"a b", b" x\n ")),
        ("syntax", "8bit", Field(b"S\xe4", b" x")),
        ("blank fold", "long", Field(b"X", b" a\n \n " + b"a" * 999)),
        ("long", "control", Field(b"X", b" \0" + b"a" * 999)),
        ("control", "8bit", Field(b"X", b" \0\xe4")),
    ],
)
def test_a_field_is_complained_of_once_by_the_first_test(first: str, second: str, field: Field) -> None:
    """The order is amavis'; a test that is switched off leaves the field to the next."""
    assert minors(field) == [first]
    assert minors(field, wanted=ALL - {first}) == [second]
    assert minors(field, wanted=ALL - {first, second}) == []


def test_utf8_counts_only_where_it_is_asked_for() -> None:
    """And only with the test for 8-bit octets."""
    field = Field(b"Subject", " ü".encode())
    assert told(field) == []
    assert told(field, utf8=True) == [("8bit", r"character C3 in Subject: \x{C3}\x{BC}")]
    assert told(field, utf8=True, wanted=ALL - {"8bit"}) == []


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ((), [("missing", "no Date"), ("missing", "no From")]),
        ((DATE,), [("missing", "no From")]),
        ((FROM,), [("missing", "no Date")]),
        ((DATE, Field(b"FROM ", b" a@x.example")), []),
    ],
)
def test_date_and_from_must_be_there(fields: tuple[Field, ...], expected: list[tuple[str, str]]) -> None:
    """Nothing else is missed."""
    assert [(each.minor, each.detail) for each in complaints(fields, ALL)] == expected
    assert complaints(fields, ALL - {"missing"}) == ()


@pytest.mark.parametrize(
    "name",
    [
        b"Date",
        b"From",
        b"Sender",
        b"Reply-To",
        b"To",
        b"Cc",
        b"Bcc",
        b"Subject",
        b"Message-ID",
        b"References",
        b"In-Reply-To",
        b"MIME-Version",
        b"Content-Type",
        b"Content-Transfer-Encoding",
        b"Content-ID",
        b"Content-Description",
        b"Content-Disposition",
        b"Auto-Submitted",
    ],
)
def test_these_stand_once(name: bytes) -> None:
    """In whatever case they are written."""
    base = tuple(field for field in SECTION if field.name != name)
    twice = (*base, Field(name, b" x"), Field(name.upper(), b" x"))
    found = complaints(twice, ALL - {"many from"})
    assert found == (Complaint("duplicate", f"{name.decode()} 2 times"),)
    assert complaints(twice, ALL - {"many from", "duplicate"}) == ()


def test_others_may_stand_as_often_as_they_like() -> None:
    """Trace fields, comments, keywords and what is unknown."""
    names = (b"Received", b"Comments", b"Keywords", b"DKIM-Signature", b"X-Any", b"Resent-From")
    assert told(*(Field(name, b" x") for name in names * 2)) == []


def test_several_from_fields_and_addresses_are_a_minor_of_ours() -> None:
    """Readers differ in which one they show."""
    assert told(Field(b"from ", b" b@x.example")) == [("duplicate", "From 2 times"), ("many from", "2 From fields")]
    two = Field(b"From", b" a@x.example, b@y.example")
    assert complaints((DATE, two), ALL) == (Complaint("many from", "2 addresses in From"),)
    assert complaints((DATE, two, two), frozenset({"many from"})) == (
        Complaint("many from", "2 From fields"),
        Complaint("many from", "2 addresses in From"),
        Complaint("many from", "2 addresses in From"),
    )
    assert complaints((DATE, two), ALL - {"many from"}) == ()


def test_complaints_of_a_kind_are_limited_and_hide_no_other_kind() -> None:
    """A thousand small faults in front do not cover the heavier one behind them."""
    many = [Field(b"X", b" \xe4")] * 1000
    assert minors(*many, Field(b"a b", b" x")) == ["8bit"] * MOST_OF_A_KIND + ["syntax"]


_LINES = st.lists(
    st.sampled_from(
        [b"a", b" ", b"\t", b"\n", b"\r", b"\0", b":", b"\xe4", b"\xc3\xa4", b"\xc2\x85", b"a" * 999, b"@", b","]
    )
).map(b"".join)
_NAMES = st.sampled_from([b"From", b"date", b"Date ", b"Subject", b"X-A", b"", b"a b", b"\xe4", b"\n"]) | st.binary()


@given(st.lists(st.builds(Field, _NAMES, _LINES | st.binary())), st.sets(st.sampled_from(HEADER_MINORS)), st.booleans())
def test_any_octets_are_judged(fields: list[Field], wanted: set[str], utf8: bool) -> None:
    """Never an exception, only what is wanted, and every word of it can be shown."""
    found = complaints(fields, wanted, utf8=utf8)
    assert {each.minor for each in found} <= wanted
    for each in found:
        assert each.detail.isascii()
        assert each.detail.isprintable()
        assert len(each.detail) < 500
    assert len(found) <= 100


@example([Field(b" ", b"")])
@example([Field(b"a:\n b", b"")])
@given(st.lists(st.builds(Field, _NAMES, _LINES)))
def test_the_short_way_says_what_the_long_way_says(fields: list[Field]) -> None:
    """One field that has to be looked at changes nothing for the others."""
    alone = complaints(fields, ALL)
    beside = complaints([*fields, Field(b"X", b" \xe4")], ALL)
    others = [each for each in beside if each.minor != "8bit"]
    assert others == [each for each in alone if each.minor != "8bit"]


@pytest.mark.parametrize(
    "unit",
    [b"a", b" ", b"\n ", b"\n\t a", b"\r", b"\r\n", b"\xe4", b"\xc3\xa4", b"\0", b"a:", b"\na:", b"\n" + b" " * 997],
)
def test_a_long_field_takes_linear_time(unit: bytes) -> None:
    """Whatever it is made of."""
    assert is_linear(lambda size: (Field(b"X", (unit * size)[:size]),), lambda fields: complaints(fields, ALL))


def test_many_fields_take_linear_time() -> None:
    """Good and bad ones."""
    units = (Field(b"X", b" y"), Field(b"From", b" \xe4"), Field(b"a b", b""))
    assert is_linear(lambda size: units * size, lambda fields: complaints(fields, ALL), size=2000)
