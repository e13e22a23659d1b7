# SPDX-License-Identifier: GPL-3.0-or-later
"""Which folders the quarantine may have."""

import pytest

from milterguard.core.folder import is_folder


@pytest.mark.parametrize("text", ["virus", "a1", "customer.example/spam", "a_b/c-d/e.f/gg", "_x", "x" * 63])
def test_plain_names_are_folders(text: str) -> None:
    """Up to four of them."""
    assert is_folder(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", ".", "..", "a", "/virus", "virus/", "a/b", "aa/../bb", "aa//bb", ".hidden", "aa/.bb", "-x", "x" * 64),
        *("aa bb", "aa\n", "ää", "aa/bb/cc/dd/ee", "user@example.com", "aa\0"),
    ],
)
def test_nothing_else_is(text: str) -> None:
    """Nothing leads out, nothing is hidden, and one character is what the folders of mail are called."""
    assert not is_folder(text)
