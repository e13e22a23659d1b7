# SPDX-License-Identifier: GPL-3.0-or-later
"""Base64 is known by its pairs of letters."""

from base64 import b64encode

import pytest

from milterguard.mime.gibberish import looks_encoded

SAMPLE = b64encode(bytes(range(0, 256, 5)))


@pytest.mark.parametrize(
    ("text", "is_encoded"),
    [
        (SAMPLE, True),
        (b" ".join(bytes((each,)) for each in SAMPLE), True),
        (b"Some words before it.\r\n" * 9000 + SAMPLE, True),
        (b"x" * 65_530 + SAMPLE, True),
        (b"UEsFBgAA\r\n", True),
        (b"", False),
        (b"AAAAAAAAAAAA\r\n", False),
        (b"Do You Want More? Free Email Now. It Is The Best There Is, And It Costs Nothing.", False),
        (b"http://lists.example.org/mailman/listinfo/announce", False),
        (b"=====================================\r\n_____________\r\n", False),
    ],
)
def test_words_are_told_from_letters(text: bytes, is_encoded: bool) -> None:
    """Junk in it, words before it, or cut by a block: it is found."""
    assert looks_encoded(text, 0, len(text)) is is_encoded
