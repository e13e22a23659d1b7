# SPDX-License-Identifier: GPL-3.0-or-later
"""VBA: what comes out of its compression, and which names start it, as oletools has both."""

import random
import struct
import warnings

import pytest

from milterguard.unpack.document.macro import decompressed, starts_itself
from tests.unpack.document.cfb import compound, squeezed, vba

with warnings.catch_warnings():
    # oletools 0.60.2 uses old names of pyparsing 3; can go with its next version.
    warnings.simplefilter("ignore")
    from oletools import olevba

BY_HAND = ("_click", "_change", "_mousehover", "_mousemove", "_mouseenter", "_mouseleave", "_followhyperlink")
TEXT = b'Attribute VB_Name = "ThisDocument"\r\n' + b"Sub Tidy()\r\n    Range.Text = 1\r\nEnd Sub\r\n" * 300


def packed(text: bytes) -> bytes:
    """Return a container with copies in it, of the last letters wherever they repeat."""
    found = b"\x01"
    for start in range(0, len(text), 4096):
        chunk, body = text[start : start + 4096], b""
        at = 0
        while at < len(chunk):
            flags, tokens = 0, b""
            for bit in range(8):
                if at >= len(chunk):
                    break
                bits = max((at - 1).bit_length(), 4) if at else 4
                most = min((0xFFFF >> bits) + 3, len(chunk) - at)
                back = chunk.rfind(chunk[at : at + 3], max(0, at - 300), at + 2) if most >= 3 else -1
                if back < 0 or back >= at:
                    tokens += chunk[at : at + 1]
                    at += 1
                    continue
                length = 3
                while length < most and chunk[back + length] == chunk[at + length]:
                    length += 1
                tokens += struct.pack("<H", (at - back - 1) << (16 - bits) | (length - 3))
                flags |= 1 << bit
                at += length
            body += bytes([flags]) + tokens
        found += struct.pack("<H", 0xB000 | (len(body) - 1)) + body
    return found


@pytest.mark.parametrize("pack", [packed, squeezed])
def test_source_is_decompressed(pack: object) -> None:
    """As it was, and as oletools has it."""
    container = packed(TEXT) if pack is packed else squeezed(TEXT)
    assert decompressed(container) == TEXT == olevba.decompress_stream(bytearray(container))


@pytest.mark.parametrize("seed", range(20))
def test_what_is_broken_gives_no_exception(seed: int) -> None:
    """And no more than 16 MiB."""
    chance = random.Random(seed)
    container = bytearray(packed(TEXT))
    for _ in range(20):
        container[chance.randrange(1, len(container))] = chance.randrange(256)
    assert len(decompressed(bytes(container))) <= 17 << 20


def test_a_bomb_stays_small() -> None:
    """Six octets give 4096, up to a limit."""
    chunk = struct.pack("<H", 0xB003) + b"\x02a" + struct.pack("<H", 0x0FFF)
    assert len(decompressed(b"\x01" + chunk * 10_000)) <= (16 << 20) + 4096


@pytest.mark.parametrize("keywords", list(olevba.AUTOEXEC_KEYWORDS.values()))
def test_every_name_of_oletools_starts_a_macro(keywords: tuple[str, ...]) -> None:
    """In any case of letters."""
    assert all(starts_itself(b"sub " + word.swapcase().encode() + b"()") for word in keywords)


def test_events_of_oletools_start_a_macro_unless_they_need_a_hand() -> None:
    """A click is somebody's doing."""
    for words in olevba.AUTOEXEC_KEYWORDS_REGEX.values():
        for word in words:
            text = b"sub thing" + word.removeprefix(r"\w+").encode() + b"()"
            assert starts_itself(text) is not word.lower().endswith(BY_HAND)


def test_a_name_within_another_starts_nothing() -> None:
    """Whole words count."""
    assert not starts_itself(b"Sub MyAutoOpenHelper()\r\nAutoOpener = 1")


def test_oletools_sees_the_project_of_these_tests() -> None:
    """So that they do not test a format of their own."""
    parser = olevba.VBA_Parser("a.doc", data=compound({"Macros": vba(b"Sub AutoOpen()\r\nEnd Sub\r\n")}))
    try:
        assert parser.detect_vba_macros()
        assert ("AutoExec", "AutoOpen") in [found[:2] for found in parser.analyze_macros()]
    finally:
        parser.close()
