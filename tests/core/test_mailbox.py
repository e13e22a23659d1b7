# SPDX-License-Identifier: GPL-3.0-or-later
"""Which recipient addresses are taken."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milterguard.core.mailbox import is_address, is_mailbox, split_extension, unbracketed, without_route


@pytest.mark.parametrize(
    "text",
    [
        "user@example.com",
        "user+tag=x@sub.example.com",
        "a..b@example.com",
        '"odd local part"@example.com',
        '"quoted \\" mark"@example.com',
        "grüße@exämple.com",
        "user@[192.0.2.1]",
        "user@[IPv6:2001:db8::1]",
        "a!b@example.com",
        "a%b@example.com",
        "postmaster",
        '"post master"',
    ],
)
def test_mailboxes_are_taken(text: str) -> None:
    """Dot-strings, quoted strings, U-labels, address literals, and a name without a domain."""
    assert is_mailbox(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@example.com",
        "user@",
        "user@example.com ",
        "user@example.com.",
        "user@@example.com",
        "user@example.com>",
        "<user@example.com",
        "user@<example.com>",
        "group:user@example.com;",
        "user@example.com;",
        "(comment)user@example.com",
        "user@example.com(comment)",
        "vic tim@example.com",
        "@a,@b:user@example.com",
        "example.com!user",
        "user%example.com",
        '"unclosed@example.com',
        '"a"b@example.com',
        "user@exam\x00ple.com",
        "user\x01@example.com",
        "a\\b@example.com",
    ],
)
def test_what_postfix_would_clean_up_is_not(text: str) -> None:
    """Whatever the MTA would read as another address than it looks."""
    assert not is_mailbox(text)


@pytest.mark.parametrize(
    ("path", "mailbox"),
    [
        ("@a.example:user@example.com", "user@example.com"),
        ("@a,@b:user@example.com", "user@example.com"),
        ("user@example.com", "user@example.com"),
        ("@a:@b:user@example.com", "@a:@b:user@example.com"),
        ("@a b:user@example.com", "@a b:user@example.com"),
    ],
)
def test_a_simple_source_route_is_ignored(path: str, mailbox: str) -> None:
    """As RFC 5321 says; what is not simple stays, and is no mailbox."""
    assert without_route(path) == mailbox


@pytest.mark.parametrize(
    ("given_octets", "path"),
    [(b"<a@b.example>", b"a@b.example"), (b"a@b.example", b"a@b.example"), (b"<>", b""), (b" <a> ", b"a")],
)
def test_brackets_are_no_part_of_a_path(given_octets: bytes, path: bytes) -> None:
    """SMTP writes them, sendmail(1) does not."""
    assert unbracketed(given_octets) == path


@given(st.text(max_size=100))
def test_any_text_has_an_answer(text: str) -> None:
    """Never raises; what is taken holds nothing that could end a word."""
    if is_mailbox(without_route(text)) and '"' not in text:
        assert not set(" <>():;,\r\n\0") & set(without_route(text))


@pytest.mark.parametrize("unit", ["a", '"', '\\"', '"a', "@a:", "a@", "a.", "(", "a!"])
def test_long_addresses_cost_linear_time(unit: str) -> None:
    """A megabyte is answered at once."""
    started = time.process_time()
    is_mailbox(without_route(unit * (1_000_000 // len(unit))))
    assert time.process_time() - started < 1.0


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("user@example.com", True),
        ('"a b"@example.com', True),
        ("user@[192.0.2.1]", True),
        ("user", False),
        ("grün@example.com", False),
        ("user@example.com ", False),
        ("<user@example.com>", False),
        ("a@b@example.com", False),
        ("u" * 320 + "@example.com", False),
    ],
)
def test_an_operators_address_has_a_domain_and_is_ascii(text: str, is_one: bool) -> None:
    """It is added to mail whose way on need not know internationalised addresses."""
    assert is_address(text) is is_one


@pytest.mark.parametrize(
    ("local", "delimiter", "parts"),
    [
        ("user+a+b", "+", ("user", "+a+b")),
        ("user", "+", ("user", "")),
        ("postmaster+x", "+", ("postmaster", "+x")),
        ("postmaster", "+", ("postmaster", "")),
        ("owner-list", "-", ("owner-list", "")),
        ("owner-list", "+", ("owner-list", "")),
        ("list-request", "-", ("list-request", "")),
    ],
)
def test_an_extension_begins_at_the_first_delimiter(local: str, delimiter: str, parts: tuple[str, str]) -> None:
    """Names that belong to the mail system are not split."""
    assert split_extension(local, delimiter) == parts
