# SPDX-License-Identifier: GPL-3.0-or-later
"""Which entries for domains and recipients an operator may write."""

import pytest

from milterguard.config.pattern import check_domain, check_recipient, expression
from milterguard.config.value import Mismatch


@pytest.mark.parametrize(
    "text",
    ["example.com", ".example.com", ".", "localhost", "a_b.example", "bücher.example", "[192.0.2.1]", "[IPv6:::1]"],
)
def test_domains(text: str) -> None:
    """Domains, domains with their subdomains, all domains, and address literals are accepted."""
    check_domain(text)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", ""),
        ("..", ""),
        ("..example.com", ""),
        ("a..b", ""),
        ("a b", ""),
        ("[", ""),
        ("a" * 64 + ".example", ""),
        ("@example.com", "example.com"),
        ("user@example.com", "example.com"),
        ("*.example.com", ".example.com"),
        ("example.com.", "example.com"),
    ],
)
def test_wrong_domains(text: str, hint: str) -> None:
    """What is no domain is refused, with what was probably meant."""
    with pytest.raises(Mismatch) as mismatch:
        check_domain(text)
    assert mismatch.value.got.endswith(f'; did you mean "{hint}"?' if hint else '"')


@pytest.mark.parametrize(
    "text",
    [
        "user@example.com",
        "user+foo@example.com",
        '"a b"@example.com',
        "@example.com",
        "@.example.com",
        "@.",
        "user@",
        "user@[192.0.2.1]",
        "müller@bücher.example",
    ],
)
def test_recipients(text: str) -> None:
    """Addresses, domains with @, bare users with @ and the catch-all are accepted."""
    check_recipient(text)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", ""),
        ("@", ""),
        ("user", "@user"),
        ("example.com", "@example.com"),
        (".example.com", "@.example.com"),
        (".", "@."),
        ("user@.", ""),
        ("user@.example.com", ""),
        ("user@exa mple", ""),
        (" user@example.com", ""),
        ("u" * 320 + "@example.com", ""),
        ("@*.example.com", ""),
    ],
)
def test_wrong_recipients(text: str, hint: str) -> None:
    """What could never match is refused, with what was probably meant."""
    with pytest.raises(Mismatch) as mismatch:
        check_recipient(text)
    assert mismatch.value.got.endswith(f'; did you mean "{hint}"?' if hint else '"')


def test_a_wrong_expression_is_shown_with_what_is_wrong() -> None:
    """The operator finds it by what he wrote."""
    assert expression("(?i)a").search("A")
    with pytest.raises(Mismatch, match="a regular expression of RE2") as error:
        expression(r"^a\Z")
    assert error.value.got == r'"^a\Z": RE2 has no \Z, write $ or \z (invalid escape sequence: \Z)'
