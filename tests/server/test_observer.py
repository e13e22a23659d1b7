# SPDX-License-Identifier: GPL-3.0-or-later
"""A site's first week: everything is judged and recorded, and everything is accepted."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.mta import Ending, Mail, delivered
from tests.server.tree import Tree, running

FORGED = (("X-Spam-Flag", "NO"), ("From", "a@b.example"))


@pytest.fixture(scope="module")
def silent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tree]:
    folder = tmp_path_factory.mktemp("silent")
    with running(folder, observe="silent", deadline_seconds=1.0, max_body_bytes=1024) as tree:
        yield tree


@pytest.fixture(scope="module")
def marking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tree]:
    with running(tmp_path_factory.mktemp("marking"), observe="headers", deadline_seconds=1.0) as tree:
        yield tree


def mail(say: str, queue_id: str, **more: Any) -> Mail:
    return Mail(fields=(*FORGED, ("X-Say", say), ("Subject", "x")), queue_id=queue_id, **more)


def told(tree: Tree, sent: Mail) -> tuple[Ending, dict[str, Any]]:
    """Send it, and return how it ended and what is recorded of it."""
    before = len(tree.recorded())
    with tree.call().greet() as mta:
        ending = mta.message(sent)
    return ending, tree.await_record(before + 1)[-1]


@pytest.mark.parametrize(
    ("say", "decided"),
    [
        ("", "pass"),
        ("virus", "reject"),
        ("spam", "reject"),
        ("discard", "discard"),
        ("raise", "tempfail"),
        ("wait:5", "tempfail"),
    ],
)
def test_whatever_is_found_the_message_passes_unchanged(silent: Tree, say: str, decided: str) -> None:
    """The record says what would have become of it."""
    ending, record = told(silent, mail(say, f"4{decided}{say}"))
    assert ending.is_accepted
    assert ending.changes == ()
    assert (record["answer"], record["decided"], record["is_observed"], record["reply"]) == ("pass", decided, True, "")


def test_nobody_is_removed(silent: Tree) -> None:
    """A lover of viruses and somebody else both get it."""
    sent = mail("virus", "4mixed", recipients=("<lover@ours.example>", "<user@ours.example>"))
    ending, record = told(silent, sent)
    assert delivered(sent, ending).recipients == ["<lover@ours.example>", "<user@ours.example>"]
    assert record["recipients"] == ["lover@ours.example", "user@ours.example"]


def test_what_is_over_a_limit_passes(silent: Tree) -> None:
    """It could not be judged, and that is no reason either."""
    ending, record = told(silent, mail("", "4big", body=b"x" * 4096))
    assert ending.is_accepted
    assert record["answer"] == "pass"


@pytest.mark.parametrize("recipient", ["<a b@ours.example>", b"<\xe9@ours.example>", "<bug@ours.example>"])
def test_recipients_who_would_be_refused_are_taken(silent: Tree, recipient: str | bytes) -> None:
    """Bad syntax, octets that are no UTF-8, a lookup that fails: none of it is answered with more than yes."""
    with silent.call().greet() as mta:
        mta.mail("<s@sender.example>")
        answered = mta.rcpt(recipient)
        assert answered is not None
        assert answered.command == "c"
        mta.data("4odd")
        mta.field("X-Say", " virus")
        mta.end_of_header()
        mta.body(b"x")
        assert mta.end_of_message().is_accepted


def test_our_fields_are_written_where_they_are_asked_for(marking: Tree) -> None:
    """An infected message is marked, the forged field is gone, and it passes."""
    sent = mail("virus:Eicar", "4marked")
    ending, record = told(marking, sent)
    names = dict(delivered(sent, ending).fields)
    assert ending.is_accepted
    assert "Eicar" in names["X-Amavis-Alert"]
    assert "X-Spam-Flag" not in names
    assert record["decided"] == "reject"


def test_who_does_not_observe_refuses(tmp_path: Path) -> None:
    """The default."""
    with running(tmp_path) as tree:
        ending, record = told(tree, mail("virus", "4refused"))
        assert ending.line.startswith("554")
        assert (record["answer"], record["is_observed"]) == ("reject", False)
