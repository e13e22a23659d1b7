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


@pytest.mark.parametrize(
    "text", ["(a+)+", "(a*)*$", "((a|b+)c?)*", "(?:x{2,})+", "(a{1,20})*", r"(\w+\s?)+", "(?:[+*]a+)+?"]
)
def test_a_repetition_in_a_repetition_is_refused(text: str) -> None:
    """Such an expression may take exponential time on a name that a stranger chose."""
    with pytest.raises(Mismatch) as error:
        expression(text)
    assert "repeats at character" in error.value.got


@pytest.mark.parametrize(
    "text",
    [
        r"^\.(exe-ms|dll)$",
        r"(?i)\.[^./]*[A-Za-z][^./]*\.\s*(?:exe|vbs)[.\s]*$",
        r"\A(?:[^\n]*\n)*[^\n]*N=",
        "(a{2,3})+",
        "(ab)+",
        "(a++)b",
        "([+*])+",
        r"(\+\*)+",
        "[]a+]+",
        "a)".replace(")", r"\)") + "+",
    ],
)
def test_what_only_looks_like_it_is_compiled(text: str) -> None:
    """Lines are as good as steps; what is escaped or in brackets is no repetition."""
    assert expression(text).pattern == text


@pytest.mark.parametrize("text", ["(", "a**", "[[:alpha:]]", "a{99999999999}"])
def test_what_is_no_expression_is_refused(text: str) -> None:
    """Where Python knows the position it is told."""
    with pytest.raises(Mismatch, match="a regular expression of Python"):
        expression(text)
