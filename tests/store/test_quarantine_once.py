# SPDX-License-Identifier: GPL-3.0-or-later
"""The same message is kept once, another one too."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from milterguard.core.finding import Category
from milterguard.core.message import Message
from milterguard.core.verdict import Keep
from milterguard.errors import StoreError
from milterguard.store.quarantine import FileQuarantine
from tests.core.build import message
from tests.store.build import VIRUS, drafts, octets_of, original, visible


def test_a_retry_is_kept_once(tmp_path: Path) -> None:
    """The same message for the same recipients has one copy, though its id is another."""
    quarantine = FileQuarantine(tmp_path)
    first = quarantine.store(message(), VIRUS)
    again = FileQuarantine(tmp_path).store(replace(message(), mail_id="Zyxwvutsrq98"), VIRUS)
    assert (again.location, again.is_new) == (first.location, False)
    assert visible(tmp_path) == [first.location]
    assert drafts(tmp_path) == []


@pytest.mark.parametrize(
    ("mail", "keep"),
    [
        (message(sender="other@sender.example"), VIRUS),
        (message(body=b"Other.\r\n"), VIRUS),
        (message("Subject: other"), VIRUS),
        (message(), Keep(Category.BANNED, ("user@example.com",))),
        (message(), Keep(Category.VIRUS, ("user@example.com", "b@example.com"))),
    ],
)
def test_another_message_is_kept_too(tmp_path: Path, mail: Message, keep: Keep) -> None:
    """Another sender, content, category or recipient makes another copy."""
    quarantine = FileQuarantine(tmp_path)
    quarantine.store(message(), VIRUS)
    assert quarantine.store(replace(mail, mail_id="Zyxwvutsrq98"), keep).is_new
    assert len(visible(tmp_path)) == 2


def test_the_order_of_recipients_makes_no_other_message(tmp_path: Path) -> None:
    """A client may name the same recipients in any order."""
    quarantine = FileQuarantine(tmp_path)
    quarantine.store(message(to=("a@x", "b@x")), Keep(Category.VIRUS, ("a@x", "b@x")))
    mail = replace(message(to=("b@x", "a@x")), mail_id="Zyxwvutsrq98")
    assert not quarantine.store(mail, Keep(Category.VIRUS, ("b@x", "a@x"))).is_new


def test_a_vanished_copy_is_made_again(tmp_path: Path) -> None:
    """An index that points to nothing does not count as a copy."""
    quarantine = FileQuarantine(tmp_path)
    (tmp_path / quarantine.store(message(), VIRUS).location).unlink()
    again = quarantine.store(replace(message(), mail_id="Zyxwvutsrq98"), VIRUS)
    assert again.is_new
    assert quarantine.store(message(), VIRUS).location == again.location


def test_an_index_that_points_to_another_message_does_not_count(tmp_path: Path) -> None:
    """A copy is only trusted when it says itself that it is this message."""
    quarantine = FileQuarantine(tmp_path)
    quarantine.store(message(), VIRUS)
    other = quarantine.store(replace(message(body=b"Other.\r\n"), mail_id="Zyxwvutsrq98"), VIRUS)
    for link in tmp_path.glob(".index/??/*"):
        link.unlink()
        link.symlink_to(other.location)
    assert quarantine.store(replace(message(), mail_id="Mnopqrstuv34"), VIRUS).is_new


def test_many_at_once_end_with_one_copy(tmp_path: Path) -> None:
    """However many keep the same message at the same time, one copy is made and all name it."""
    mails = [replace(message(body=b"x" * 300_000), mail_id=f"Abcdefgh{number:04}") for number in range(16)]
    with ThreadPoolExecutor(8) as pool:
        stored = list(pool.map(lambda mail: FileQuarantine(tmp_path).store(mail, VIRUS), mails))
    assert sum(each.is_new for each in stored) == 1
    assert visible(tmp_path) == [stored[0].location]
    assert {each.location for each in stored} == {stored[0].location}


def test_a_broken_index_costs_no_message(tmp_path: Path) -> None:
    """Without an index copies are kept twice, never not at all."""
    (tmp_path / ".index").write_text("in the way")
    quarantine = FileQuarantine(tmp_path)
    assert quarantine.store(message(), VIRUS).is_new
    assert quarantine.store(replace(message(), mail_id="Zyxwvutsrq98"), VIRUS).is_new
    quarantine.delete("Zyxwvutsrq98")
    assert len(visible(tmp_path)) == 1


def test_an_id_is_used_for_one_message_only(tmp_path: Path) -> None:
    """Nothing that is kept is ever overwritten."""
    quarantine = FileQuarantine(tmp_path)
    quarantine.store(message(), VIRUS)
    with pytest.raises(StoreError):
        quarantine.store(message(body=b"Other.\r\n"), VIRUS)
    assert original(quarantine, quarantine.find("Abcdefghij12")) == octets_of(message())
