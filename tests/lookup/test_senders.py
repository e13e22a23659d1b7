# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lists of one recipient come to for the senders of one message."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milterguard.core.listed import NOT_LISTED, Listed, Listing, SeenIn
from milterguard.lookup.layer import SenderEntry
from milterguard.lookup.senders import SenderLists, listed, senders_of
from milterguard.lookup.table import Table

A, B = "a@sender.example", "b@author.example"
ALLOWED, DENIED = Listing.ALLOWED, Listing.DENIED


def lists(
    *, deny: Sequence[str] = (), allow: Sequence[str] = (), score: dict[str, float] | None = None, origin: str = "x"
) -> SenderLists:
    return SenderLists(
        Table((each, None) for each in deny),
        Table((each, None) for each in allow),
        Table((score or {}).items()),
        origin,
    )


def said(*of: SenderLists, entries: Sequence[SenderEntry] = (), authors: Sequence[str] = (), sender: str = A) -> Listed:
    return listed(senders_of(sender, authors, delimiter="+"), of, entries)


def rows(*said_of: tuple[str, str], rid: int = 1) -> list[SenderEntry]:
    """Rows of wblist as the database gives them, the highest priority first."""
    return [SenderEntry(rid, key, 9, wb) for key, wb in said_of]


def test_without_lists_nothing_is_said() -> None:
    """Neither about the sender nor about points."""
    assert said() is NOT_LISTED
    assert said(lists(deny=("@other.example",))) is NOT_LISTED


@pytest.mark.parametrize(
    ("tables", "listing", "origin"),
    [
        ((lists(deny=(A,)),), DENIED, f"{A} in deny_senders, x"),
        ((lists(allow=("@.example",)),), ALLOWED, "@.example in allow_senders, x"),
        ((lists(deny=(A,), allow=(A,)),), DENIED, f"{A} in deny_senders, x"),
        ((lists(allow=("@.",), origin="near"), lists(deny=(A,), origin="far")), ALLOWED, "@. in allow_senders, near"),
        ((lists(deny=("@.",), origin="near"), lists(allow=(A,), origin="far")), DENIED, "@. in deny_senders, near"),
        ((lists(deny=("@.example", f"!{A}")), lists(allow=("@.",))), ALLOWED, "@. in allow_senders, x"),
    ],
)
def test_the_first_hard_answer_holds(tables: tuple[SenderLists, ...], listing: Listing, origin: str) -> None:
    """The closest entry's lists first, in each denied before allowed; exceptions say nothing."""
    found = said(*tables)
    assert (found.listing, found.seen_in, found.origins) == (listing, SeenIn.ENVELOPE, (origin,))


def test_the_envelope_is_asked_before_the_author() -> None:
    """What any list says of it outdoes what is said of From."""
    found = said(lists(deny=(B,)), lists(allow=(A,)), authors=(B,))
    assert (found.listing, found.seen_in) == (ALLOWED, SeenIn.ENVELOPE)
    found = said(lists(deny=(B,)), authors=(B,))
    assert (found.listing, found.seen_in) == (DENIED, SeenIn.FROM)


def test_one_of_several_authors_is_denied_and_never_allowed() -> None:
    """A mail program may show the other one."""
    assert said(lists(allow=(B,)), authors=(B,)).listing is ALLOWED
    assert said(lists(allow=(B,)), authors=(B, "c@x.example")) is NOT_LISTED
    assert said(lists(deny=(B,)), authors=("c@x.example", B)).listing is DENIED
    assert said(entries=rows((B, "W")), authors=(B, "c@x.example")) is NOT_LISTED


def test_the_null_sender_can_be_listed() -> None:
    """As ``<>``."""
    assert said(lists(deny=("<>",)), sender="").listing is DENIED
    assert said(lists(deny=("<>",))) is NOT_LISTED


@pytest.mark.parametrize(
    ("wb", "listing"),
    [("W", ALLOWED), ("y", ALLOWED), ("T", ALLOWED), ("B", DENIED), ("n", DENIED), ("F", DENIED), (" ", None)],
)
def test_letters_of_the_database(wb: str, listing: Listing | None) -> None:
    """They outdo the lists of the files; a blank ends the search without an answer."""
    found = said(lists(deny=(A,), allow=("@.",)), entries=rows((A, wb)))
    assert found.listing is listing


def test_rows_are_asked_in_their_order() -> None:
    """Numbers are added on the way to the first hard answer, and what stands behind it is not looked at."""
    found = said(entries=rows((A, "-2.5"), ("@.example", "1"), ("@sender.example", "W"), ("@.", "100")))
    assert (found.listing, found.points) == (ALLOWED, -1.5)
    assert found.origins[0] == "@sender.example in wblist of users.id 1"


def test_points_of_the_database_take_the_place_of_those_in_the_files() -> None:
    """amavis: score_sender_maps are used only if SQL gave none."""
    tables = (lists(score={"@.": 3.0}, origin="near"), lists(score={A: 2.0, "@.example": 50.0}, origin="far"))
    assert said(*tables).points == 5.0
    assert said(*tables, entries=rows((A, "1.5"))).points == 1.5


def test_each_table_counts_once_for_the_first_sender_it_knows() -> None:
    """The envelope's before the author's; a row of the database that fits both counts once as well."""
    assert said(lists(score={B: 7.0, A: 1.0}), authors=(B,)).points == 1.0
    assert said(lists(score={B: 7.0}), authors=(B,)).points == 7.0
    assert said(entries=rows(("@.example", "2")), authors=(B,)).points == 2.0


@pytest.mark.parametrize("wb", ["nan", "inf", "-inf", "1e999"])
def test_numbers_that_are_none_are_nothing(wb: str) -> None:
    """No score is ever infinite."""
    assert said(entries=rows((A, wb))).points is None


@given(st.text(), st.lists(st.text(), max_size=3), st.text())
def test_any_sender_is_compared(sender: str, authors: list[str], wb: str) -> None:
    """Never an exception."""
    found = said(lists(deny=("@.example",)), entries=rows(("@.", wb)), sender=sender, authors=authors)
    assert isinstance(found, Listed)
