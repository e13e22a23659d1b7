# SPDX-License-Identifier: GPL-3.0-or-later
"""Encoded words of RFC 2047, as mail programs read them: anywhere, broken, with blanks in them, cut short.

One pass from left to right, however the words overlap; ``?=`` is looked for only as long as there is one.

*Source:* RFC 2047, RFC 2231 section 5 (language). *Errors:* none.
"""

import re
from binascii import a2b_base64
from dataclasses import dataclass

from milterguard.mime import charset

_START = re.compile(r"=\?([^?]{0,75})\?([BbQq])\?")
_BLANKS = " \t\r\n"
_FOLD = re.compile(r"\r?\n(?=[ \t])")
_NOT_BASE64 = re.compile(r"[^A-Za-z0-9+/=]+")
_HEX = re.compile(rb"=([0-9A-Fa-f]{2})")
_SOFT_BREAK = re.compile(rb"=[ \t]*\r?\n")


@dataclass(frozen=True, slots=True)
class Word:
    """One encoded word and what stands before it."""

    before: str
    charset: str
    octets: bytes


def decoded_words(value: bytes, *, most: int = 200) -> str:
    """Return an unstructured value with its encoded words decoded, at most ``most`` of them. Never raises, linear."""
    return decoded(charset.guessed(value), most=most)


def decoded(value: str, *, most: int = 200, is_joined: bool = True) -> str:
    """Return text with its encoded words decoded; ``is_joined`` drops the blanks between two of them."""
    unfolded = _FOLD.sub("", value)
    if "=?" not in unfolded:
        return unfolded
    words, rest = _split(unfolded, most)
    pieces: list[str] = []
    octets, current = b"", ""
    for index, word in enumerate(words):
        is_next = index > 0 and not (word.before.strip(_BLANKS) if is_joined else word.before)
        if is_next and word.charset == current:
            # A character may be cut in two by the border of two words, though RFC 2047 section 5 forbids it.
            octets += word.octets
            continue
        pieces.append(charset.text(octets, current))
        pieces.append("" if is_next else word.before)
        octets, current = word.octets, word.charset
    pieces.append(charset.text(octets, current))
    return "".join(pieces) + rest


def _split(value: str, most: int) -> tuple[list[Word], str]:
    """Return the encoded words of a value, and what stands behind the last."""
    words: list[Word] = []
    position = done = 0
    while len(words) < most:
        start = _START.search(value, position)
        if start is None:
            break
        end = value.find("?=", start.end())
        stop = len(value) if end < 0 else end
        octets = _octets(start[2], value[start.end() : stop])
        words.append(Word(value[done : start.start()], start[1].partition("*")[0].strip().lower(), octets))
        position = done = stop if end < 0 else stop + 2
    return words, value[done:]


def _octets(encoding: str, encoded: str) -> bytes:
    if encoding in "Bb":
        return base64(encoded)
    return quoted(encoded.encode("utf-8").replace(b"_", b" "))


def quoted(encoded: bytes) -> bytes:
    """Return what quoted-printable hides; what does not decode is kept."""
    return _HEX.sub(lambda found: bytes([int(found[1], 16)]), _SOFT_BREAK.sub(b"", encoded))


def base64(encoded: str) -> bytes:
    """Return what base64 hides: junk skipped, padding amid it no end, a lone last letter dropped."""
    pieces: list[bytes] = []
    for run in _NOT_BASE64.sub("", encoded).split("="):
        usable = run[: len(run) - 1] if len(run) % 4 == 1 else run
        if usable:
            pieces.append(a2b_base64(usable + "=" * (-len(usable) % 4)))
    return b"".join(pieces)
