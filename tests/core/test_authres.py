# SPDX-License-Identifier: GPL-3.0-or-later
"""Authentication-Results: ours cannot be written into, others' cannot pass for ours."""

import authres
import pytest
from hypothesis import given
from hypothesis import strategies as st

from milterguard.core.authres import claims, field_value, received_spf, results_of
from milterguard.core.finding import Category, Finding
from milterguard.core.message import Field
from tests.core.linear import is_linear

OURS = "mx.example.com"


def result(method: str, word: str, *properties: tuple[str, str], reason: str = "") -> Finding:
    return Finding(method, Category.CLEAN, detail=reason, result=word, properties=properties)


def test_how_it_is_written() -> None:
    """One line for each result, reasons quoted, nothing where nobody has a result."""
    told = [
        result("spf", "pass", ("smtp.mailfrom", "a@b.example")),
        result("dkim", "fail", ("header.d", "b.example"), reason="body has changed"),
        Finding("clamd", Category.CLEAN),
    ]
    assert field_value(OURS, told) == (
        'mx.example.com;\n spf=pass smtp.mailfrom=a@b.example;\n dkim=fail reason="body has changed" header.d=b.example'
    )
    assert field_value(OURS, [Finding("clamd", Category.CLEAN)]) == ""


_PIECES = (*' ;=()"\\\r\n\t,<>@.\0%a', "é", "☃", "dmarc=pass", "; dmarc=pass ", "header.d=x")
HOSTILE = st.lists(st.sampled_from(_PIECES), max_size=12).map("".join)


@given(HOSTILE, HOSTILE, HOSTILE)
def test_strangers_words_stay_data(helo: str, sender: str, reason: str) -> None:
    """Read back by authres and by ourselves there are the results that we wrote, and no other."""
    told = [
        result("spf", "fail", ("smtp.helo", helo), ("smtp.mailfrom", sender), reason=reason),
        result("dmarc", "fail", ("header.from", helo)),
    ]
    value = field_value(OURS, told)
    assert value.isascii()
    assert all(line.startswith(" ") for line in value.split("\n")[1:])
    assert "\r" not in value
    unfolded = value.replace("\n", "")
    parsed = authres.AuthenticationResultsHeader.parse(f"Authentication-Results: {unfolded}")
    assert parsed.authserv_id == OURS
    assert [(each.method, each.result) for each in parsed.results] == [("spf", "fail"), ("dmarc", "fail")]
    assert [(each.method, each.result) for each in results_of(value.encode())] == [("spf", "fail"), ("dmarc", "fail")]


@pytest.mark.parametrize(
    "value",
    [
        b" mx.example.com; dmarc=pass",
        b"mx.example.com;dmarc=pass",
        b" MX.Example.COM; none",
        b" mx.example.com. ; none",
        b" mx.example.com 1; none",
        b" mx.example.com/1; none",
        b" (c) mx.example.com (d (e)) 1 ; none",
        b"\n\tmx.example.com;\n none",
        b' "mx.example.com"; none',
        b' "mx.example\\.com"; none',
        b" mx.example.com",
        b" mx.example.com=x; none",
        b" mx.exa\0mple.com; none",
        b" dmarc=pass header.from=bank.example",
        b" spf = pass; dkim=pass",
        b" dmarc/1=pass",
        b" ; dmarc=pass",
        b" =?utf-8?Q?mx=2Eexample=2Ecom?=; dmarc=pass",
        b' "=?utf-8?Q?mx.example.com?="; dmarc=pass',
        b" " + b"x" * 301 + b"; none",
        b" (c) ; dmarc=pass",
        b"",
        "\N{FULLWIDTH LATIN SMALL LETTER M}x.example.com; none".encode(),
        "mx\N{IDEOGRAPHIC FULL STOP}example\N{FULLWIDTH FULL STOP}com; none".encode(),
        b" (never closed mx.example.com; none",
        b" never opened) mx.example.com; none",
        b' "never closed; none',
    ],
)
def test_what_claims_to_be_ours(value: bytes) -> None:
    """In any case, with comments, folds, versions, quotes; and what readers may read in two ways."""
    assert claims(Field(b"Authentication-Results", value), OURS)
    assert claims(Field(b"AUTHENTICATION-RESULTS", value), OURS)


FOREIGN = [b" mx.example.com.evil.example; none", b" other; x=mx.example.com", b" evil (mx.example.com); none"]


@pytest.mark.parametrize("value", FOREIGN)
def test_what_does_not(value: bytes) -> None:
    """Somebody else's id, whatever stands behind it."""
    assert not claims(Field(b"Authentication-Results", value), OURS)
    assert not claims(Field(b"X-Authentication-Results", b" mx.example.com; none"), OURS)


@given(st.text(st.characters(codec="latin-1"), max_size=60))
def test_what_authres_reads_as_ours_is_removed(text: str) -> None:
    """Another reader never finds our id where we have not."""
    value = f" {text}; none"
    try:
        parsed = authres.AuthenticationResultsHeader.parse(f"Authentication-Results:{value}")
    except (authres.core.SyntaxError, authres.core.UnsupportedVersionError, RecursionError):
        return
    if parsed.authserv_id.lower() == OURS:
        assert claims(Field(b"Authentication-Results", value.encode()), OURS)


def test_results_of_others_are_read() -> None:
    """As far as they can be."""
    value = (
        b' i=1; lists.example (c); dmarc=pass (p=none) header.from="a.example"; dkim=fail; =; spf=PASS smtp.mailfrom=b'
    )
    found = results_of(value)
    assert [(each.method, each.result) for each in found] == [("dmarc", "pass"), ("dkim", "fail"), ("spf", "pass")]
    assert found[0].of("header.from") == "a.example"
    assert results_of(b"(never closed; dmarc=pass") == ()


def test_received_spf() -> None:
    """What stands in it is quoted."""
    told = result("spf", "fail", ("smtp.mailfrom", 'a"; x@b'))
    assert received_spf(told, OURS) == f'fail receiver={OURS}; identity=mailfrom;\n envelope-from="a\\"; x@b"'


@pytest.mark.parametrize("unit", [b"(", b")", b'"', b"\\", b";", b"a=b;", b" ", b"\n ", b"=", b"(\\"])
def test_reading_takes_linear_time(unit: bytes) -> None:
    """Whatever a stranger writes."""
    assert is_linear(unit.__mul__, lambda value: claims(Field(b"Authentication-Results", value), OURS))
    assert is_linear(unit.__mul__, lambda value: results_of(b"x;" + value))
