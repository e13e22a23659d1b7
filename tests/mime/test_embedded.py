# SPDX-License-Identifier: GPL-3.0-or-later
"""Files in a text are found by the line that announces them, and prose about them is not."""

import pytest

from milterguard.mime.decode import decodings
from milterguard.mime.embedded import Embedded, embedded
from tests.mime.encoder import base64_lines, binhex_text, uu_lines, whole, yenc_lines

FILE = bytes(range(256)) + b"file"
UU = b"begin 644 evil.exe\r\n" + uu_lines(FILE).replace(b"\n", b"\r\n") + b"`\r\nend\r\n"
YENC = b"=ybegin line=128 size=260 name=a b.exe\r\n" + yenc_lines(FILE) + b"=yend size=260\r\n"
BINHEX = binhex_text(b"mac.exe", FILE)
INTRODUCTION = b"(This file must be converted with BinHex 4.0)\r\n\r\n"
RADIX64 = b"begin-base64 755 b.exe\r\n" + base64_lines(FILE) + b"====\r\n"


def _found(text: bytes) -> list[tuple[str, str, bytes]]:
    return [(file.name, file.encoding, _content(text, file)) for file in embedded(text, 0, len(text))]


def _content(text: bytes, file: Embedded) -> bytes:
    return whole(decodings(text, file.start, file.end, file.encoding)[0])


@pytest.mark.parametrize(
    ("encoded", "name", "encoding"),
    [
        (UU, "evil.exe", "uuencode"),
        (YENC, "a b.exe", "yenc"),
        (INTRODUCTION + BINHEX, "mac.exe", "binhex"),
        (BINHEX, "mac.exe", "binhex"),
        (RADIX64, "b.exe", "base64"),
    ],
)
@pytest.mark.parametrize("before", [b"", b"Hello\r\n\r\n", b"long text\r\n" * 60_000])
def test_each_kind_is_found_wherever_it_stands(encoded: bytes, name: str, encoding: str, before: bytes) -> None:
    """With its name, and with its octets."""
    assert _found(before + encoded + b"\r\nBye\r\n") == [(name, encoding, FILE)]


def test_several_are_found_in_their_order() -> None:
    """Of one kind and of several."""
    found = _found(UU + b"and\r\n" + YENC + b"and\r\n" + UU.replace(b"evil", b"second"))
    assert [(name, content) for name, _, content in found if name != "a b.exe"] == [
        ("evil.exe", FILE),
        ("second.exe", FILE),
    ]
    assert found[1] == ("a b.exe", "yenc", FILE)


@pytest.mark.parametrize(
    "nothing", [b"\r\n", b"`\r\n", b" \r\n", b"`junk\r\n", b" a line that begins with a blank\r\n"]
)
def test_lines_that_hold_nothing_are_passed_over(nothing: bytes) -> None:
    """However many: decoders take them for lines of no octets."""
    assert _found(UU.replace(b"evil.exe\r\n", b"evil.exe\r\n" + nothing * 60_000)) == [("evil.exe", "uuencode", FILE)]


@pytest.mark.parametrize(("encoded", "name"), [(UU, b"evil"), (YENC, b"a b"), (RADIX64, b"b")])
@pytest.mark.parametrize("length", [300, 5000])
def test_the_ending_of_a_long_name_is_kept(encoded: bytes, name: bytes, length: int) -> None:
    """Programs shorten it, and keep that."""
    ((found, _, content),) = _found(encoded.replace(name + b".exe", b"a" * length + b".exe"))
    assert found.endswith("a.exe")
    assert len(found) <= 500
    assert content == FILE


def test_only_so_many_are_told() -> None:
    """The first ones; the last of them ends where the next begins."""
    found = embedded(UU * 5, 0, 5 * len(UU), at_most=2)
    assert [(file.start, file.end) for file in found] == [(0, len(UU)), (len(UU), 2 * len(UU))]


@pytest.mark.parametrize(
    "text",
    [
        b"begin 644 and no file\r\nfollows here, only prose\r\n",
        b"We begin 644 things\r\n",
        b" =ybegin line=1 name=x\r\n",
        b"\r\n:-) says nothing\r\n",
        b"",
    ],
)
def test_prose_is_no_file(text: bytes) -> None:
    """Nor is a line that only nearly announces one."""
    assert embedded(text, 0, len(text)) == ()


def test_octets_outside_of_the_range_are_not_looked_at() -> None:
    """A line begins where the range does."""
    text = b"x" + UU + UU
    assert [file.start for file in embedded(text, 1, 1 + len(UU))] == [1]
