# SPDX-License-Identifier: GPL-3.0-or-later
"""Every name that a part may be shown or saved under is found, whoever tries to hide it."""

import re
from collections.abc import Callable
from time import perf_counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milterguard.mime.names import MAX_NAMES, candidates
from milterguard.mime.variant import MAX_CHARACTERS
from tests.data import oddities
from tests.mime.spellings import ALL, EXTENDED, HIDDEN, PLAIN, QUOTED, WORDS

_FIELD = re.compile(rb"^(content-(?:type|disposition)):([^\n]*\n(?:[ \t][^\n]*\n)*)", re.IGNORECASE | re.MULTILINE)
_SURROGATE = re.compile("[\ud800-\udfff]")
_PIECES = [
    *(b'"', b"\\", b"(", b")", b";", b"=", b"*", b"*0=", b"*1*=", b"filename", b"name", b"'", b"''", b"utf-8"),
    *(b"=?utf-8?Q?", b"=?utf-7?B?", b"?=", b"%41", b"%", b"\0", b"\r\n ", b"\r", b"\n", b" ", b",", b".exe", b"\xc3"),
    *(b"\xe2\x80\xae", b"+2AA-", b"/", b"a", b"attachment"),
]


def small(value: bytes) -> tuple[str, ...]:
    return candidates([value], [])


@pytest.mark.parametrize("spelling", ALL, ids=[repr(each)[:60] for each in ALL])
def test_the_hidden_name_is_found(spelling: bytes) -> None:
    """Whatever a mail program reads as the name, as disposition, as type, or with blanks and junk about it."""
    assert HIDDEN in candidates([b"attachment" + spelling], [])
    assert HIDDEN in candidates([], [b"application/octet-stream" + spelling])
    assert HIDDEN in candidates([b"attachment; filename=a.png"], [b"image/png; name=a.png", b"image/png" + spelling])


def test_there_are_many_spellings() -> None:
    """The list covers plain, quoted, encoded and extended names."""
    assert min(map(len, (PLAIN, QUOTED, WORDS, EXTENDED))) >= 35
    assert len(ALL) >= 180


@pytest.mark.parametrize("name", sorted(oddities("hide-filename")))
def test_the_name_that_the_sample_hides_is_found(name: str) -> None:
    """Of mail that nobody here wrote: the second part is a zip, whatever else it pretends to be."""
    mail = oddities("hide-filename")[name]
    fields = [(kind.lower(), value) for kind, value in _FIELD.findall(mail)]
    found = candidates(
        [value for kind, value in fields if b"disposition" in kind],
        [value for kind, value in fields if b"type" in kind],
    )
    assert ("file.png" if b".png valid" in mail else "file.zip") in found


def test_ordinary_names_have_one_reading() -> None:
    """Where nobody disagrees there is one candidate, and two fields that agree are one."""
    assert candidates([b' attachment; filename="report 2.pdf"'], [b'application/pdf; name="report 2.pdf"']) == (
        "report 2.pdf",
    )
    assert candidates([b"inline"], [b"text/plain; charset=utf-8"]) == ()
    assert candidates([], []) == ()


def test_the_decoded_name_comes_first() -> None:
    """What most programs show is the first candidate; the raw one is among the others."""
    found = small(b'attachment; filename="=?utf-8?Q?r=C3=A9sum=C3=A9.pdf?="')
    assert found[0] == "résumé.pdf"
    assert "=?utf-8?Q?r=C3=A9sum=C3=A9.pdf?=" in found
    assert small(b'attachment; filename="r\xc3\xa9sum\xc3\xa9.pdf"')[0] == "résumé.pdf"
    assert small(b"attachment; filename*=koi8-r''%C1%C2.doc")[0] == "аб.doc"


def test_an_unquoted_name_is_read_whole_and_cut() -> None:
    """Programs disagree about blanks in a name without quotes."""
    assert {"my evil.exe", "my"} <= set(small(b"attachment; filename=my evil.exe"))


def test_whole_fields_are_names_too() -> None:
    """A description is a name as a whole, raw and decoded."""
    assert candidates([], [], [b" =?utf-8?Q?evil=2Eexe?="])[0] == HIDDEN


def test_a_right_to_left_override_is_kept_and_removed() -> None:
    """One program obeys the override, another drops it."""
    found = small(b'attachment; filename="ann\xe2\x80\xaegpj.exe"')
    assert {"ann\u202egpj.exe", "anngpj.exe"} <= set(found)


def test_an_ending_is_not_crowded_out() -> None:
    """Where there are too many names, one with a new ending goes before the hundredth with a known one."""
    decoys = b"".join(b'; filename="%d (x) y.png"' % number for number in range(90))
    found = small(b"attachment" + decoys + b"; filename=evil.exe")
    assert len(found) == MAX_NAMES
    assert HIDDEN in found


def test_a_long_name_keeps_its_end() -> None:
    """Padding does not push the ending out of sight."""
    found = small(b'attachment; filename="' + b"a b " * 50_000 + b'.exe"')
    assert any(name.endswith(".exe") for name in found)
    assert max(map(len, found)) <= MAX_CHARACTERS


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.lists(st.one_of(st.sampled_from(_PIECES), st.binary(max_size=4)), max_size=30).map(b"".join), max_size=3
    )
)
def test_names_are_bounded_text(fields: list[bytes]) -> None:
    """Any octets give at most 64 different names of at most 1,000 characters that UTF-8 can hold."""
    found = candidates(fields, fields, fields[:1])
    assert len(found) <= MAX_NAMES
    assert len(set(found)) == len(found)
    for name in found:
        assert 0 < len(name) <= MAX_CHARACTERS
        assert not _SURROGATE.search(name)


@pytest.mark.parametrize("start", [b"attachment; filename=", b'attachment; filename="', b""])
@pytest.mark.parametrize(
    "unit",
    [
        *(b"(", b'"', b"\\", b"=?", b"=?utf-8?q?a?= ", b"*0*=", b"; filename=a", b"; filename*0*=%41", b"'", b";"),
        *(b"\r\n ", b"name ", b'name="', b"%41", b"\xcc\x81", b". ", b"/", b'; filename="a\\"b(c"', b"\0"),
    ],
)
def test_a_megabyte_takes_no_time(start: bytes, unit: bytes) -> None:
    """A field of 1 MB of the same is read in a fraction of a second."""
    value = start + unit * (1_000_000 // len(unit))
    assert _seconds(lambda: small(value)) < 2


def _seconds(run: Callable[[], object]) -> float:
    begin = perf_counter()
    run()
    return perf_counter() - begin
