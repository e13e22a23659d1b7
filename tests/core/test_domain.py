# SPDX-License-Identifier: GPL-3.0-or-later
"""Domains as the DNS has them."""

import pytest

from milterguard.core.domain import ascii_domain


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Example.COM.", "example.com"),
        ("b\N{LATIN SMALL LETTER U WITH DIAERESIS}cher.example", "xn--bcher-kva.example"),
        ("a\N{IDEOGRAPHIC FULL STOP}example", "a.example"),
        ("_dmarc.example", "_dmarc.example"),
        ("", None),
        ("a..example", None),
        ("a b.example", None),
        ("x" * 64 + ".example", None),
        ("\N{ZERO WIDTH SPACE}.example", None),
        (".".join(["a" * 60] * 5), None),
        ("a." * 501, None),
    ],
)
def test_a_domain_or_none(name: str, expected: str | None) -> None:
    """In small letters, as A-labels, without the dot at its end; too long or odd, it is none."""
    assert ascii_domain(name) == expected
