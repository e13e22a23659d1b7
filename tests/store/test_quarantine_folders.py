# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies in folders of their own: found, released and deleted like all others, and nothing leads out."""

from dataclasses import replace
from pathlib import Path

import pytest

from milterguard.core.finding import Category
from milterguard.core.verdict import Keep
from milterguard.errors import NotFoundError, StoreError
from milterguard.store.location import folders_in, location_of, locations_of, mail_id_at
from milterguard.store.quarantine import FileQuarantine
from tests.core.build import message
from tests.store.build import VIRUS, drafts, octets_of, original

DEEP = replace(VIRUS, folder="customer.example/virus")


def test_a_copy_in_a_folder_is_found_by_its_id(tmp_path: Path) -> None:
    """Listed, opened, released, deleted."""
    quarantine = FileQuarantine(tmp_path)
    stored = quarantine.store(message(), DEEP)
    assert stored.location == "customer.example/virus/A/virus-Abcdefghij12"
    assert drafts(tmp_path) == []
    again = FileQuarantine(tmp_path)
    entry = again.find("Abcdefghij12")
    assert [each.location for each in again.entries()] == [entry.location] == [stored.location]
    assert original(again, entry) == octets_of(message())
    with again.begin_release("Abcdefghij12") as release:
        release.write_intent("digest")
        release.write_receipt(["250 ok"])
    assert again.find("Abcdefghij12").status == "released"
    again.delete("Abcdefghij12")
    with pytest.raises(NotFoundError):
        again.find("Abcdefghij12")
    assert list((tmp_path / "customer.example/virus/A").iterdir()) == []


def test_one_message_is_kept_once_in_each_folder(tmp_path: Path) -> None:
    """A retry finds its copy there and in no other."""
    quarantine = FileQuarantine(tmp_path)
    stored = [
        quarantine.store(replace(message(), mail_id=mail_id), keep)
        for mail_id in ("Abcdefghij12", "Zyxwvutsrq98")
        for keep in (VIRUS, replace(VIRUS, folder="one"), replace(VIRUS, folder="two"))
    ]
    assert [each.is_new for each in stored] == [True] * 3 + [False] * 3
    assert [each.location for each in stored[:3]] == [each.location for each in stored[3:]]


def test_folders_are_listed_after_the_root_each_before_what_is_in_it(tmp_path: Path) -> None:
    """Neither hidden ones nor those that hold mail, nor what is too deep."""
    for name in ("A", "bb/A", "bb/cc/dd/ee/ff", ".index/aa", "zz zz"):
        (tmp_path / name).mkdir(parents=True)
    assert list(folders_in(tmp_path)) == ["", "bb", "bb/cc", "bb/cc/dd", "bb/cc/dd/ee"]
    assert list(folders_in(tmp_path / "missing")) == [""]


def test_a_link_leads_nowhere(tmp_path: Path) -> None:
    """Neither when a copy is written nor when it is looked for."""
    root, outside = tmp_path / "quarantine", tmp_path / "outside"
    outside.mkdir()
    FileQuarantine(outside).store(message(), VIRUS)
    root.mkdir()
    (root / "customer.example").symlink_to(outside)
    quarantine = FileQuarantine(root)
    with pytest.raises(StoreError, match="symbolic link"):
        quarantine.store(message(), DEEP)
    assert not (outside / "virus").exists()
    assert list(quarantine.entries()) == []
    with pytest.raises(NotFoundError):
        quarantine.find("Abcdefghij12")


@pytest.mark.parametrize("folder", ["..", "a", "/etc", "aa/../..", ".incoming"])
def test_no_other_folder_is_made(tmp_path: Path, folder: str) -> None:
    """Whatever the policy came from."""
    with pytest.raises(StoreError):
        FileQuarantine(tmp_path / "q").store(message(), Keep(Category.VIRUS, ("a@b.example",), folder))
    assert not (tmp_path / "q").exists()


@pytest.mark.parametrize(
    ("location", "mail_id"),
    [
        (location_of(Category.SPAM, "Abcdefghij12", "aa/bb"), "Abcdefghij12"),
        ("aa/A/virus-Abcdefghij12", "Abcdefghij12"),
        ("../A/virus-Abcdefghij12", ""),
        ("aa/../A/virus-Abcdefghij12", ""),
        (".index/A/virus-Abcdefghij12", ""),
        ("/A/virus-Abcdefghij12", ""),
        ("aa/bb/cc/dd/ee/A/virus-Abcdefghij12", ""),
    ],
)
def test_a_location_is_one_of_ours_or_none(location: str, mail_id: str) -> None:
    """Only what matches is ever opened."""
    assert mail_id_at(location) == mail_id


def test_an_id_may_lie_in_every_folder() -> None:
    """Under the name of every category."""
    found = list(locations_of("Abcdefghij12", ("", "aa")))
    assert len(found) == 2 * len(Category)
    assert all(mail_id_at(each) == "Abcdefghij12" for each in found)
