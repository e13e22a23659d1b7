# SPDX-License-Identifier: GPL-3.0-or-later
"""Which constructs are ambiguous, which are over the limits, and which are only untidy."""

import pytest

from milterguard.core.part import Flag, Problem
from milterguard.mime.ambiguity import Construct, problem
from tests.mime.message import ambiguities, walked


@pytest.mark.parametrize("word", [Construct.TWO_BOUNDARIES, Construct.COMMENT_IN_NAME, "a word of another module"])
def test_what_is_not_known_to_be_harmless_is_ambiguous(word: str) -> None:
    """The finding names the construct, and where it was seen."""
    assert problem(word, "1/2") == Problem(Flag.AMBIGUOUS, str(word), "1/2")


def test_what_harmless_mail_shows_is_untidy() -> None:
    """A missing closing delimiter has no flag."""
    assert problem(Construct.NOT_CLOSED, "1") == Problem(None, "multipart without its closing delimiter", "1")


def test_limits_are_no_ambiguity() -> None:
    """A message over the limits is told so."""
    assert problem(Construct.TOO_DEEP, "1").flag is Flag.OVER_LIMITS


def test_words_are_ours_alone() -> None:
    """No construct can carry octets of a mail: the words are fixed, short, and differ."""
    words = [str(construct) for construct in Construct]
    assert len(set(words)) == len(words)
    assert all(word.isascii() and len(word) < 60 for word in words)


def test_a_construct_is_told_once() -> None:
    """Many delimiters with junk are one problem, at the first place."""
    raw = b"Content-Type: multipart/mixed; boundary=a\r\n\r\n" + b"--a junk\r\n\r\nx\r\n" * 20 + b"--a--\r\n"
    assert ambiguities(walked(raw)) == ["delimiter with something after it"]


@pytest.mark.parametrize(
    "raw",
    [
        b"Subject: x\r\n\r\nHello.\r\n",
        b"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a  \r\n\r\nx\r\n--a--\t\r\nthe epilogue\r\n",
        b"Content-Type: multipart/mixed; boundary=a\r\n\r\nThis is a message in MIME.\r\n--a\r\n\r\nx\r\n",
        b"Content-Type: text/plain\r\nContent-Transfer-Encoding: 7-bit\r\n\r\n-- \r\nme\r\n",
        b"Content-Type: text/plain\r\n\r\n-----Original Message-----\r\nFrom: me\r\nContent-Type: x/y\r\n",
    ],
)
def test_sloppy_mail_is_not_ambiguous(raw: bytes) -> None:
    """What mailers get wrong every day raises no alarm."""
    assert not ambiguities(walked(raw))
