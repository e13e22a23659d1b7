# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests and points are read from SpamAssassin's report, however it is folded."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milterguard.checks.spamd_report import MAX_TESTS, is_points, parse_report
from tests.fakes.spamd import header_section


def test_tests_with_points_come_from_the_field_made_for_it() -> None:
    """Folded as SpamAssassin folds it, names and points are read in their order."""
    report = parse_report(
        b"X-Spam-Tests-Scores: GTUBE=1000,NO_RELAYS=-0.001,\r\n\tT_SCC_BODY_TEXT_LINE=-0.01,ALL_TRUSTED=-1\r\n\r\n"
    )
    assert report.tests == (
        ("GTUBE", 1000.0),
        ("NO_RELAYS", -0.001),
        ("T_SCC_BODY_TEXT_LINE", -0.01),
        ("ALL_TRUSTED", -1.0),
    )


def test_names_come_from_the_status_otherwise() -> None:
    """Without points the names in X-Spam-Status are all there is."""
    report = parse_report(
        b"X-Spam-Status: Yes, score=7.5 required=5.0 tests=GTUBE,NO_RECEIVED,\r\n"
        b"\tNO_RELAYS autolearn=unavailable\r\n\tautolearn_force=no version=4.0.1\r\nSubject: x\r\n"
    )
    assert report.tests == (("GTUBE", None), ("NO_RECEIVED", None), ("NO_RELAYS", None))
    assert report.autolearn == "unavailable"


def test_no_tests_is_an_empty_list() -> None:
    """SpamAssassin's word none is not the name of a test."""
    assert parse_report(header_section()).tests == ()
    assert parse_report(b"X-Spam-Tests-Scores: none\n").tests == ()


def test_uppermost_field_counts() -> None:
    """A field of that name further down is the sender's."""
    report = parse_report(header_section(tests="REAL", autolearn="ham") + header_section(tests="FAKED"))
    assert (report.tests, report.autolearn) == ((("REAL", None),), "ham")


def test_other_fields_are_not_looked_at() -> None:
    """A sender's field that talks like SpamAssassin says nothing."""
    assert parse_report(b"Subject: X-Spam-Status: tests=FAKED autolearn=ham\r\n").tests == ()


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ("A=nan", ("A", None)),
        ("A=inf", ("A", None)),
        ("A=1e309", ("A", None)),
        ("A=999999999", ("A", None)),
        ("A=", ("A", None)),
        ("A=+.5", ("A", 0.5)),
        ("A=3.", ("A", 3.0)),
    ],
)
def test_points_that_are_none_are_left_out(item: str, expected: tuple[str, float | None]) -> None:
    """The test is kept, what is no number of points is not."""
    assert parse_report(f"X-Spam-Tests-Scores: {item}\n".encode()).tests == (expected,)


@pytest.mark.parametrize("name", ["<b>", "a b", "x" * 81, "", "\xff", "A;B", "%n"])
def test_names_that_are_none_are_left_out(name: str) -> None:
    """A name that SpamAssassin cannot have is dropped, its neighbours stay."""
    assert parse_report(f"X-Spam-Tests-Scores: ONE=1,{name}=1,TWO=2\n".encode()).tests == (("ONE", 1.0), ("TWO", 2.0))


def test_number_of_tests_is_bounded() -> None:
    """However many are claimed, only so many are kept."""
    many = ",".join(f"T{number}" for number in range(10_000))
    assert len(parse_report(header_section(tests=many)).tests) == MAX_TESTS
    scored = ",".join(f"T{number}=1" for number in range(10_000))
    assert len(parse_report(header_section(scored=scored)).tests) == MAX_TESTS


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf"), 1e300, -1e7])
def test_absurd_numbers_are_no_points(number: float) -> None:
    """Only what can be added up is a number of points."""
    assert not is_points(number)


@given(st.binary(max_size=500))
def test_anything_can_be_read(junk: bytes) -> None:
    """No octets make it raise, wherever they stand."""
    parse_report(junk)
    parse_report(b"X-Spam-Status: " + junk)
    parse_report(b"X-Spam-Status: tests=" + junk)
    for name, points in parse_report(b"X-Spam-Tests-Scores: " + junk).tests:
        assert name.isascii()
        assert points is None or is_points(points)


@pytest.mark.parametrize("pattern", [b"autolearn=", b"tests=", b",", b"\r\n\t", b"A=1,", b" a", b"X-Spam-Status:\n"])
def test_time_is_linear(pattern: bytes) -> None:
    """A megabyte of anything is read in no time."""
    octets = b"X-Spam-Status: " + pattern * (1_000_000 // len(pattern))
    began = time.process_time()
    parse_report(octets)
    parse_report(octets.replace(b"Status", b"Tests-Scores"))
    assert time.process_time() - began < 2
