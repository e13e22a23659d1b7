# SPDX-License-Identifier: GPL-3.0-or-later
"""Which words of a mail are tried as passwords."""

import time

import pytest

from milterguard.unpack.words import password_candidates

TEXTS = {
    "The password is: inf3cted.": "inf3cted",
    "Passwort lautet „geheim-12“": "geheim-12",
    "PIN 4711": "4711",
    "mot de passe: sésame": "sésame",
    "пароль: тайна": "тайна",
    "Please open it.\r\n\r\n  opensesame  \r\n\r\nBye": "opensesame",
    "use 2024march to open": "2024march",
}


@pytest.mark.parametrize("text", TEXTS)
def test_a_password_in_the_text_is_a_candidate(text: str) -> None:
    """Behind a word for it, alone on a line, or made up."""
    assert TEXTS[text] in password_candidates(text, 20)


def test_what_stands_behind_a_word_for_password_comes_first() -> None:
    """The attempts are few, so the best guess is made first."""
    assert password_candidates("room 101\nalone\nthe password is s3cret", 1) == ("s3cret",)


def test_there_are_never_more_than_asked_for() -> None:
    """Each attempt costs time."""
    assert len(password_candidates("\n".join(f"word{number}" for number in range(1000)), 7)) == 7


@pytest.mark.parametrize("piece", ["pass ", "a", "pin is is ", "\t ", ">", "password" + " " * 50])
def test_time_is_linear_whatever_the_text(piece: str) -> None:
    """Hostile text costs no more than its length."""

    def seconds(size: int) -> float:
        text = piece * (size // len(piece))
        taken = []
        for _ in range(3):
            began = time.perf_counter()
            password_candidates(text, 10**6)
            taken.append(time.perf_counter() - began)
        return min(taken)

    assert seconds(200_000) < 2.5 * seconds(100_000) + 0.005
