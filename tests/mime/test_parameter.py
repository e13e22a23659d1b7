# SPDX-License-Identifier: GPL-3.0-or-later
"""A structured field value is read in every way, and what is read in several is named."""

import re
from time import perf_counter
from timeit import timeit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milterguard.mime.parameter import Parameters, parse
from tests.data import mails

_FIELD = re.compile(rb"^content-(?:type|disposition):([^\n]*\n(?:[ \t][^\n]*\n)*)", re.IGNORECASE | re.MULTILINE)
_HONEST = [
    b" text/plain",
    b" text/plain; charset=us-ascii",
    b" text/plain; charset=us-ascii;",
    b' text/plain;\r\n\tcharset="iso-8859-1"',
    b" text/plain charset=us-ascii",
    b" text/plain; charset = us-ascii",
    b" text/plain; charset=us-ascii; charset=us-ascii",
    b" text/plain; charset='utf-8'",
    b" text/plain; charset",
    b" text/plain (a comment); charset=utf-8",
    b" text",
    b"",
    b" ;",
    b" text/html;;;;;" + b";" * 300,
    b" application/pdf; name=my long name.pdf",
    b' application/pdf; name="caf\xe9.pdf"',
    b' application/pdf; name="caf\xc3\xa9 (1); final.pdf"',
    b' application/pdf; name="=?utf-8?Q?caf=C3=A9.pdf?="',
    b' application/pdf; name="a very long\r\n name.pdf"',
    b' application/pdf; name="C:\\temp\\a.pdf"',
    b' attachment; filename="a.pdf"; size=12; creation-date="Mon, 1 Jan 2024 10:00:00 GMT"',
    b" attachment; filename=\"cafe.pdf\"; filename*=utf-8''caf%C3%A9.pdf",
    b' attachment; filename*0="a long"; filename*1=" name.pdf"',
    b" attachment; filename*0*=utf-8''a%20long; filename*1*=%20name.pdf",
    b" inline",
    b" multipart/mixed; boundary=abc",
    b" multipart/mixed; boundary=abc;",
    b' Multipart/Mixed;\r\n\tBOUNDARY="----=_NextPart_000_0012_01C26D50.9E6A4B80"',
    b" multipart/mixed; boundary=----=_Part_1_2.3",
    b' multipart/mixed; boundary="a b\'()+_,-./:=?"',
    b' multipart/mixed; boundary="a"; boundary="a"',
    b' multipart/signed; micalg=pgp-sha1; protocol="application/pgp-signature"; boundary="x"',
    b' multipart/related; type="text/html; x"; boundary="x"',
    b' multipart/report; report-type=delivery-status;\n boundary="A.1/mail.example.com"',
    b" message/rfc822; name=my mail.eml",
]
_ODD = {
    b"multipart/mixed; boundary=X; boundary=Y": "two boundaries",
    b'multipart/mixed; boundary=X; BOUNDARY="Y"': "two boundaries",
    b'multipart/mixed; boundary="X;"': "semicolon in a boundary",
    b"multipart/mixed; boundary*=utf-8''X": "boundary by RFC 2231",
    b"multipart/mixed; boundary*0=X; boundary*1=Y": "boundary by RFC 2231",
    b"multipart/mixed; boundary=Z; boundary*0=X": "boundary by RFC 2231",
    b"multipart/mixed; boundary =X": "blank beside an equals sign",
    b"multipart/mixed; boundary= X": "blank beside an equals sign",
    b"multipart/mixed boundary=X": "missing semicolon",
    b'multipart/mixed; charset="a" boundary=X': "missing semicolon",
    b"multipart/mixed, boundary=X": "comma for a semicolon",
    b'multipart/mixed; boundary="X': "unclosed quote",
    b'multipart/mixed; x="; boundary=X': "unclosed quote",
    b'multipart/mixed; boundary=X"Y"': "quote within a boundary",
    b'multipart/mixed; boundary="X"Y': "text after a quoted boundary",
    b'multipart/mixed; boundary="X" "Y"': "text after a quoted boundary",
    b'multipart/mixed; boundary="X\\Y"': "backslash in a boundary",
    b"multipart/mixed; boundary=X\\Y": "backslash in a boundary",
    b"multipart/mixed; boundary=(a)X": "comment in a parameter",
    b"multipart/mixed; boundary=X (a)": "comment in a parameter",
    b"multipart/mixed; (boundary=Y;) boundary=X": "comment in a parameter",
    b'multipart/mixed; x="; boundary=Y"; boundary=X': "boundary with several readings",
    b"multipart/mixed; boundary=X Y": "blank in a boundary",
    b"multipart/mixed; boundary=X,Y": "comma in a boundary",
    b'multipart/mixed; boundary="X "': "blank at the edge of a boundary",
    b'multipart/mixed; boundary=" X"': "blank at the edge of a boundary",
    b'multipart/mixed; boundary=""': "empty boundary",
    b"multipart/mixed; boundary=": "empty boundary",
    b'multipart/mixed; boundary="X\r\n Y"': "boundary with several readings",
    b"multipart/mixed; boundary==?utf-8?Q?X?=": "encoded word in a boundary",
    b'multipart/mixed; boundary="=?utf-8?Q?X?="': "encoded word in a boundary",
    b"multipart/mixed; boundary=X\x00Y": "NUL in a parameter",
    b"multipart/mixed; boundary=X\rY": "bare line end in a parameter",
    b"multipart/mixed;\nboundary=X": "bare line end in a parameter",
    b"multipart/mixed;\r\n \r\n boundary=X": "blank line in a field",
    b"multipart/mixed; boundary=\xe4": "octet beyond ASCII in a parameter",
    b"multipart/mixed; bound\xe4ary=X": "octet beyond ASCII in a parameter",
    b'multipart/mixed; "boundary"=X': "junk beside an attribute",
    b"multipart/mixed; bound ary=X": "junk beside an attribute",
    b"multi part/mixed; boundary=X": "blank or junk in a type",
    b"multipart / mixed; boundary=X": "blank or junk in a type",
    b"multipart/mixed x; boundary=X": "blank or junk in a type",
    b"multipart; boundary=X": "type without a subtype",
    b"multipart/; boundary=X": "type without a subtype",
    b"multi(a)part/mixed; boundary=X": "comment in a type",
    b"text/plain (multipart/mixed); boundary=X": "comment in a type",
    b"(multipart/mixed;) text/plain; boundary=X": "comment in a type",
    b'"multipart/mixed"; boundary=X': "quote in a type",
    b"multipart/mixed\xe4; boundary=X": "octet beyond ASCII in a type",
    b"=?utf-8?Q?multipart/mixed?=; boundary=X": "encoded word in a type",
    b"text/plain multipart/mixed; boundary=X": "two types",
    b"text/plain, multipart/mixed; boundary=X": "two types",
    b"boundary=X": "type missing",
    b"; boundary=X": "type missing",
    b"attachment; filename=a.png; filename=evil.exe": "two file names",
    b"attachment; filename=a.png; filename*=''evil.exe": "two file names",
    b"attachment; filename*=''evil.exe; filename*=''a.png": "two file names",
    b"attachment; filename*0=a; filename*2=.exe": "file name in pieces that do not fit",
    b"attachment; filename*0=a; filename*0=.exe": "file name in pieces that do not fit",
    b"attachment; filename*0=a.png; filename*=''evil.exe": "file name in pieces that do not fit",
    b"attachment; filename=a\x00.exe": "NUL in a parameter",
    b'attachment; x="; filename=evil.exe': "unclosed quote",
    b"text/plain" + b"; a=b" * 101: "too many parameters",
    b"text/plain; a=" + b"b" * 200_000: "overlong field",
}
_PIECES = [
    *(b"multipart/mixed", b"text/plain", b"boundary", b"name", b";", b"=", b'"', b"\\", b"(", b")", b"*", b"*0", b"\0"),
    *(b" ", b"\r\n ", b"\r", b"\n", b",", b"'", b"%41", b"=?utf-8?Q?", b"?=", b"\xe4", b"X", b"Y", b"/"),
]
FIELDS = st.lists(st.one_of(st.sampled_from(_PIECES), st.binary(max_size=4)), max_size=40).map(b"".join)


def boundaries(value: bytes) -> set[str]:
    return set(parse(value).values.get("boundary", ()))


def test_an_ordinary_type_has_one_reading() -> None:
    """The type is in lower case, and the boundary as it is written."""
    assert parse(b' Multipart/Mixed;\r\n\tBoundary="----=_Part 1"') == Parameters(
        (b"multipart/mixed",), {"boundary": ("----=_Part 1",)}
    )


@pytest.mark.parametrize("value", _HONEST, ids=[repr(each)[:60] for each in _HONEST])
def test_what_real_mailers_write_is_not_odd(value: bytes) -> None:
    """Sloppy names, stray semicolons, fallback names hide nothing."""
    assert parse(value).oddities == ()


@pytest.mark.parametrize(("value", "oddity"), _ODD.items(), ids=[repr(each)[:60] for each in _ODD])
def test_what_programs_read_differently_is_named(value: bytes, oddity: str) -> None:
    """Each construct has its words, and nothing of the mail is in them."""
    assert oddity in parse(value).oddities


@pytest.mark.parametrize("value", [each for each, oddity in _ODD.items() if b"=X" in each or b'="X' in each])
def test_the_boundary_is_among_the_readings(value: bytes) -> None:
    """However it is spelled."""
    assert any(each.startswith("X") for each in boundaries(value))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"multipart/mixed; boundary=X; boundary=Y", {"X", "Y"}),
        (b'multipart/mixed; boundary="X;"', {"X;", "X"}),
        (b"multipart/mixed; boundary*=utf-8''a%20b", {"a b", "utf-8''a%20b"}),
        (b"multipart/mixed; boundary*0=X; boundary*1=Y", {"XY", "X"}),
        (b'multipart/mixed; boundary="X "', {"X ", "X"}),
        (b'multipart/mixed; boundary="X\\Y"', {"XY", "X\\Y"}),
        (b"multipart/mixed; boundary=X(c)Y", {"XY", "X", "X(c)Y"}),
        (b"multipart/mixed; boundary=X Y", {"X", "X Y"}),
        (b"multipart/mixed; boundary=X,Y", {"X", "X,Y"}),
        (b'multipart/mixed; boundary="X"Y', {"X", "XY"}),
        (b'multipart/mixed; boundary="X\r\n Y"', {"X Y", "XY"}),
        (b"multipart/mixed; boundary=X\x00Y", {"X", "XY"}),
        (b'multipart/mixed; x="; boundary=Y"; boundary=X', {"X", "Y"}),
        (b'multipart/mixed; boundary="=?utf-8?Q?X?="', {"=?utf-8?Q?X?=", "X"}),
        (b"multipart/mixed; boundary=\xe4", {"\xe4"}),
        (b"attachment; boundary*=utf-8''X", {"X"}),
        (b'multipart/mixed; boundary="X', {"X", '"X'}),
        (b'multipart/mixed; boundary="<X>"', {"X", "<X>"}),
        (b"multipart/mixed; boundary=<X>", {"X", "<X>"}),
        (b"multipart/mixed; boundary='X'", {"X", "'X'"}),
    ],
)
def test_every_boundary_is_read(value: bytes, expected: set[str]) -> None:
    """As octets in Latin-1 text, for each program its own."""
    assert expected <= boundaries(value)


@pytest.mark.parametrize(
    ("value", "mains"),
    [
        (b"text/plain multipart/mixed", (b"text/plain", b"multipart/mixed")),
        (b"text/plain charset=x", (b"text/plain",)),
        (b"text/plain (x)", (b"text/plain",)),
        (b" Attachment ; filename=x", (b"attachment",)),
        (b"", ()),
        (b"; x=y", ()),
        (b"charset=x", ()),
        (b"multipart", (b"multipart",)),
    ],
)
def test_the_type_is_read(value: bytes, mains: tuple[bytes, ...]) -> None:
    """Every type that stands before the parameters, by the book first."""
    assert parse(value).mains == mains


def test_parameters_beyond_the_limit_are_ignored() -> None:
    """A hundred are read, by whichever dialect; ``most`` is another limit."""
    value = b"text/plain" + b"".join(b"; a%d=b" % number for number in range(200))
    assert "a99" in parse(value).values
    assert "a100" not in parse(value).values
    assert len(parse(value, most=3).values) == 3


def test_real_mail_has_no_oddity() -> None:
    """Of the honest mail at hand one message: one that a mailer cut short within a quoted boundary."""
    odd = [
        name
        for name, octets in mails("ham")
        if any(parse(value.rstrip(b"\r\n")).oddities for value in _FIELD.findall(octets))
    ]
    assert len(odd) <= 1


def test_an_ordinary_value_takes_microseconds() -> None:
    """Nearly every field is ordinary."""
    value = b' multipart/mixed; boundary="----=_NextPart_000_0012_01C26D50.9E6A4B80"'
    assert min(timeit(lambda: parse(value), number=200) / 200 for _ in range(5)) < 100e-6


@settings(max_examples=200, deadline=None)
@given(FIELDS)
def test_any_octets_are_read(value: bytes) -> None:
    """Whatever the octets: bounded readings of Latin-1 text, attributes in lower case, fixed words."""
    found = parse(value)
    assert len(found.mains) <= 16
    assert all(attribute == attribute.lower() for attribute in found.values)
    for attribute, values in found.values.items():
        assert len(set(values)) == len(values) <= 1000
        if attribute not in {"name", "filename", "file"}:
            assert all(each.encode("latin-1") is not None for each in values)
    assert all(re.fullmatch("[A-Za-z0-9 -]+", each) for each in found.oddities)


@settings(max_examples=100, deadline=None)
@given(FIELDS)
def test_a_boundary_in_any_surroundings_is_read(junk: bytes) -> None:
    """What comes behind a boundary that is by the book does not unmake it."""
    assert "X" in boundaries(b'multipart/mixed; boundary="X"; ' + junk)


@pytest.mark.parametrize("start", [b"multipart/mixed; boundary=", b'multipart/mixed; boundary="', b""])
@pytest.mark.parametrize(
    "unit", [b"(", b"()", b'"', b"\\", b"=?", b"; a=b", b'; a="', b"*0*=", b"; boundary*0*=%41", b" "]
)
def test_a_megabyte_takes_no_time(start: bytes, unit: bytes) -> None:
    """Neither nesting nor repetition makes reading slow."""
    value = start + unit * (1_000_000 // len(unit))
    begin = perf_counter()
    parse(value)
    assert perf_counter() - begin < 2
