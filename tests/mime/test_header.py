# SPDX-License-Identifier: GPL-3.0-or-later
"""Octets split into fields as different programs split them."""

import pytest

from milterguard.mime.ambiguity import Construct
from milterguard.mime.header import Field, has_fields, read

_TYPE = Field(b"content-type", b"a/b")


def test_a_regular_header_has_one_reading() -> None:
    """The fields that say what a body is are told, unfolded, and where the body begins."""
    octets = b"Subject: x\r\nContent-Type: a/b;\r\n\tc=d\r\nX: y\r\n\r\nbody"
    found = read(octets)
    assert found.fields == (Field(b"content-type", b"a/b;\tc=d"),)
    assert octets[found.end :] == b"body"
    assert (found.oddities, found.other_end) == ((), -1)


def test_bare_line_feeds_are_regular() -> None:
    """Mail that never saw SMTP has lines that end with LF."""
    found = read(b"Content-Type: a/b\n\nbody")
    assert (found.fields, found.end, found.oddities) == ((_TYPE,), 19, ())


def test_an_empty_first_line_means_no_header() -> None:
    """A part may begin with its body."""
    found = read(b"\r\nContent-Type: a/b\r\n\r\n")
    assert (found.fields, found.end) == ((), 2)


@pytest.mark.parametrize(
    ("line", "construct"),
    [
        (b"Content-Type : a/b", Construct.BLANK_IN_NAME),
        (b"Content-Type\t: a/b", Construct.BLANK_IN_NAME),
        (b"Content-Type(x): a/b", Construct.COMMENT_IN_NAME),
        (b"(x)Con(y)tent-Type: a/b", Construct.COMMENT_IN_NAME),
        (b"Content-\0Type: a/b", Construct.NUL_IN_NAME),
        (b"Content-Type\xa0: a/b", Construct.EIGHT_BIT_IN_NAME),
        (b'"Content-Type": a/b', Construct.JUNK_IN_NAME),
        (b"Content_Type: a/b", Construct.JUNK_IN_NAME),
        (b"=?us-ascii?q?Content-Type?=: a/b", Construct.JUNK_IN_NAME),
        (b"Content-Type a/b", Construct.NO_COLON),
        (b"Content-Type; a/b", Construct.NO_COLON),
        (b" Content-Type: a/b", Construct.FIELD_IN_FOLD),
        (b"Content-\r\n Type: a/b", Construct.FIELD_IN_FOLD),
        (b"Content-Type: a/b\0", Construct.NUL_IN_FIELD),
        (b"x: y\rContent-Type: a/b", Construct.BARE_CR_IN_HEADER),
    ],
)
def test_a_disguised_field_is_taken_and_named(line: bytes, construct: Construct) -> None:
    """A field that only some programs know is taken for one, and what hides it is told."""
    found = read(b"Subject: x\r\n" + line + b"\r\n\r\nbody")
    assert b"a/b" in [field.value.replace(b"\0", b"") for field in found.fields if field.name == b"content-type"]
    assert construct in found.oddities


@pytest.mark.parametrize("name", [b"X-Content-Type", b"Content-Types", b"Content-Class"])
def test_other_names_are_other_fields(name: bytes) -> None:
    """What no program takes for Content-Type is none."""
    found = read(name + b": a/b\r\n\r\n")
    assert (found.fields, found.oddities) == ((), ())


@pytest.mark.parametrize("line", [b"junk", b" ", b"\0"])
def test_a_header_cut_short_has_two_ends(line: bytes) -> None:
    """Where fields follow a line that ends the header for some, both ends are told."""
    octets = b"Subject: x\r\n" + line + b"\r\nContent-Type: a/b\r\n\r\nbody"
    found = read(octets)
    assert octets[found.end :] == b"body"
    assert octets[found.other_end :].removeprefix(b"junk\r\n").startswith(b"Content-Type")
    assert found.fields == (_TYPE,)
    assert Construct.CUT_SHORT in found.oddities


def test_a_part_without_header_begins_at_its_first_line() -> None:
    """Nothing of a text is lost when the empty line before it is missing."""
    found = read(b"Just a text.\r\n\r\nAnd more.\r\n")
    assert (found.fields, found.end) == ((), 0)


def test_a_missing_empty_line_is_told() -> None:
    """The body begins where the fields end."""
    octets = b"Content-Type: a/b\r\nQUJD\r\n\r\n"
    found = read(octets)
    assert octets[found.end :] == b"QUJD\r\n\r\n"
    assert found.oddities == (Construct.NO_HEADER_END,)


def test_a_whole_header_needs_no_end() -> None:
    """The MTA hands the header of the message without the empty line."""
    found = read(b"Content-Type: a/b\r\n", is_whole=True)
    assert (found.fields, found.is_ended, found.oddities) == ((_TYPE,), True, ())


def test_carriage_returns_alone_end_lines_for_some() -> None:
    """A header of bare carriage returns is read, and named."""
    found = read(b"Content-Type: a/b\r\rbody")
    assert found.fields == (_TYPE,)
    assert found.end == 19
    assert Construct.BARE_CR_IN_HEADER in found.oddities


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (b"Content-Type: a/b\r\n\r\n", True),
        (b"\r\n\r\nX: y\r\nContent-Transfer-Encoding: base64\r\n", True),
        (b"junk\r\nContent-Type; multipart/mixed\r\n", True),
        (b"Content-\r\n Type: a/b\r\n", True),
        (b"Hello.\r\n\r\nContent-Type: a/b\r\n", False),
        (b"> Content-Type: a/b\r\n", False),
        (b"--foo\r\nContent-Type: a/b\r\n", False),
        (b"The content type is what I meant.\r\n", False),
    ],
)
def test_a_body_may_begin_with_fields(*, octets: bytes, expected: bool) -> None:
    """Fields in the first paragraph are such for a program that lets the header go on; quoted ones are not."""
    assert has_fields(octets) is expected
