# SPDX-License-Identifier: GPL-3.0-or-later
"""Encoded words are decoded as mail programs do, and no other codec is ever reached."""

from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milterguard.mime import charset
from milterguard.mime.encoded_word import decoded_words


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"plain", "plain"),
        (b"caf\xc3\xa9 caf\xe9", "cafÃ© café"),
        (b"caf\xc3\xa9", "café"),
        (b"=?utf-8?Q?a_b=20c?=", "a b c"),
        (b"=?UTF-8?b?w6k=?=", "é"),
        (b"a =?utf-8?Q?b?= c", "a b c"),
        (b"=?utf-8?Q?a?= =?utf-8?Q?b?=", "ab"),
        (b"=?utf-8?Q?a?=\r\n =?koi8-r?Q?=C1?= c", "aа c"),
        (b"=?utf-8?Q?=C3?= =?utf-8?Q?=A9?=", "é"),
        (b"=?utf-8?Q?a=zz=?=", "a=zz="),
        (b"=?utf-8?Q?open", "open"),
        (b"=?iso-8859-1*fr?Q?=E9?=", "é"),
        (b"=?iso-2022-jp?B?GyRCJCIbKEI=?=", "あ"),
        (b"=?unknown-8bit?Q?=E9?=", "é"),
        (b"=?utf-8?X?a?=", "=?utf-8?X?a?="),
    ],
)
def test_a_value_is_decoded(value: bytes, text: str) -> None:
    """By the book, and where the book is not kept."""
    assert decoded_words(value) == text


def test_words_beyond_the_limit_stay() -> None:
    """A field of 20,000 words is not decoded to its end."""
    assert decoded_words(b"=?utf-8?Q?a?= " * 3, most=2) == "aa =?utf-8?Q?a?= "


@pytest.mark.parametrize("name", ["zlib", "hex", "rot13", "punycode", "idna", "unicode_escape", "undefined", "", "\0"])
def test_no_other_codec_is_reached(name: str) -> None:
    """Codecs that expand, or are slow, are no character sets."""
    assert charset.codec(name) == "latin-1"


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        *(("UTF-8", "utf-8"), ("utf8", "utf-8"), ("ISO-8859-15", "iso8859-15"), ("windows-1251", "cp1251")),
        *(("KOI8-R", "koi8-r"), ("GB2312", "gb18030"), ("ks_c_5601-1987", "cp949"), ("iso-8859-1", "cp1252")),
    ],
)
def test_a_character_set_is_known(name: str, codec: str) -> None:
    """Under the names that mailers write."""
    assert charset.codec(name) == codec


@given(
    st.binary(max_size=60), st.sampled_from(["utf-7", "utf-16", "iso-2022-jp", "hz", "gb2312", "big5", "johab", "x"])
)
def test_any_octets_are_text(octets: bytes, name: str) -> None:
    """In any character set, without lone surrogates."""
    assert charset.text(octets, name).encode("utf-8") is not None


@given(st.lists(st.sampled_from([b"=?", b"utf-8", b"?Q?", b"?b?", b"?=", b"=41", b" ", b"\xe9", b"A"])).map(b"".join))
def test_any_value_is_decoded(value: bytes) -> None:
    """Whatever the frame of the words."""
    assert decoded_words(value).encode("utf-8") is not None


@pytest.mark.parametrize("unit", [b"=?", b"=?a?q?", b"=?a?b?=", b"=?utf-8?q?a?= ", b"=", b"?="])
def test_a_megabyte_takes_no_time(unit: bytes) -> None:
    """Words that are never closed are looked through once."""
    begin = perf_counter()
    decoded_words(unit * (1_000_000 // len(unit)))
    assert perf_counter() - begin < 2
