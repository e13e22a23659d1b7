# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding, listing, opening and deleting: only what is ours, and what says that it is itself."""

import gzip
import os
from dataclasses import replace
from pathlib import Path

import pytest

from milterguard.errors import NotFoundError, StoreError
from milterguard.store.quarantine import FileQuarantine
from tests.core.build import message
from tests.store.build import SPAM, VIRUS, octets_of, original, visible


@pytest.mark.parametrize(
    "mail_id",
    ["", "x", "../../etc/passwd", "A/virus-Abcdef", "Abcdefghij1\n", "-bcdefghij12", "Abcdefghij1é", "*", "A" * 99],
)
def test_an_id_leads_nowhere_else(tmp_path: Path, mail_id: str) -> None:
    """What is not an id is not looked for, and not stored under either."""
    quarantine = FileQuarantine(tmp_path)
    with pytest.raises(NotFoundError):
        quarantine.find(mail_id)
    with pytest.raises(NotFoundError):
        quarantine.delete(mail_id)
    with pytest.raises(StoreError):
        quarantine.store(replace(message(), mail_id=mail_id), VIRUS)


def test_what_was_never_kept_is_not_found(tmp_path: Path) -> None:
    """An empty or missing quarantine is empty, not an error."""
    quarantine = FileQuarantine(tmp_path / "never")
    assert list(quarantine.entries()) == []
    with pytest.raises(NotFoundError):
        quarantine.find("Abcdefghij12")


def test_a_file_that_says_another_id_is_an_error(tmp_path: Path) -> None:
    """A renamed or exchanged file is never taken for the message that was asked for."""
    quarantine = FileQuarantine(tmp_path)
    entry = replace(quarantine.find(quarantine_with(tmp_path)), mail_id="Axxxxxxxxx12", location="A/virus-Axxxxxxxxx12")
    (tmp_path / "A/virus-Abcdefghij12").rename(tmp_path / entry.location)
    for ask in (quarantine.find, quarantine.delete):
        with pytest.raises(StoreError, match="another message"):
            ask("Axxxxxxxxx12")
    with pytest.raises(StoreError, match="another message"):
        quarantine.open(entry)
    assert list(quarantine.entries()) == []


def quarantine_with(root: Path) -> str:
    """Keep one message and return its id."""
    FileQuarantine(root).store(message(), VIRUS)
    return "Abcdefghij12"


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"Subject: not ours\r\n\r\nbody",
        b"X-Quarantine-ID: <Abcdefghij12>\r\nX-Envelope-Record: v=9; nonsense\r\n\r\n",
        b"Return-Path: <>\r\nX-Envelope-Record: v=1; received=1; size=1; category=virus; key="
        + b"0" * 64
        + b'; subject=""\r\n',
        b"A: \r\nX-Envelope-Record: v=1; received=1; size=1; category=nothing; key=" + b"0" * 64 + b'; subject=""\r\n',
    ],
)
def test_a_file_that_is_not_ours_is_an_error_and_left_out_of_the_list(tmp_path: Path, octets: bytes) -> None:
    """Damaged and foreign files are never shown as mail."""
    quarantine = FileQuarantine(tmp_path)
    (tmp_path / quarantine.store(message(), VIRUS).location).write_bytes(octets)
    with pytest.raises(StoreError):
        quarantine.find("Abcdefghij12")
    assert list(quarantine.entries()) == []


def test_a_damaged_packed_file_is_an_error(tmp_path: Path) -> None:
    """A truncated or overwritten gzip file is a StoreError, at the latest while reading."""
    quarantine = FileQuarantine(tmp_path)
    path = tmp_path / quarantine.store(message(body=os.urandom(200_000)), SPAM).location
    octets = path.read_bytes()
    path.write_bytes(octets[:100_000])
    with pytest.raises(StoreError):
        original(quarantine, quarantine.find("Abcdefghij12"))
    for damaged in (octets[:20], b"no gzip", octets[:12] + b"\xff" * 4000):
        path.write_bytes(damaged)
        with pytest.raises(StoreError):
            quarantine.find("Abcdefghij12")


def test_links_pipes_and_foreign_names_are_no_mail(tmp_path: Path) -> None:
    """Only regular files with our names are read; nothing blocks on a pipe."""
    quarantine = FileQuarantine(tmp_path)
    path = tmp_path / quarantine.store(message(), VIRUS).location
    path.with_name("virus-Alinklinkl12").symlink_to(path)
    os.mkfifo(path.with_name("virus-Apipepipep12"))
    path.with_name("notes.txt").write_text("mine")
    path.with_name("virus-Bcdefghijk12").write_bytes(path.read_bytes())
    assert [entry.mail_id for entry in quarantine.entries()] == ["Abcdefghij12"]
    for mail_id in ("Alinklinkl12", "Apipepipep12"):
        with pytest.raises(StoreError):
            quarantine.find(mail_id)


def test_packed_copies_unpack_with_gzip(tmp_path: Path) -> None:
    """Any tool can read what we have packed."""
    mail = message(body=b"Spam.\r\n" * 10_000)
    stored = FileQuarantine(tmp_path).store(mail, SPAM)
    assert gzip.decompress((tmp_path / stored.location).read_bytes()).endswith(octets_of(mail))
    assert (tmp_path / stored.location).stat().st_size < 2000


# --- deleting ----------------------------------------------------------------------------------------


def test_a_deleted_message_is_gone_with_its_receipt_and_can_come_again(tmp_path: Path) -> None:
    """Nothing of it stays, and the same message is kept anew."""
    quarantine, mail_id = FileQuarantine(tmp_path), quarantine_with(tmp_path)
    with quarantine.begin_release(mail_id) as release:
        release.write_intent("token")
        release.write_receipt(["250 ok"])
    quarantine.delete(mail_id)
    assert visible(tmp_path) == []
    assert list(tmp_path.glob(".index/??/*")) == []
    with pytest.raises(NotFoundError):
        quarantine.delete(mail_id)
    assert quarantine.store(message(), VIRUS).is_new
    assert quarantine.find(mail_id).status == "held"


def test_what_is_being_released_is_not_deleted(tmp_path: Path) -> None:
    """A release that has begun ends before the message can go."""
    quarantine, mail_id = FileQuarantine(tmp_path), quarantine_with(tmp_path)
    with quarantine.begin_release(mail_id), pytest.raises(StoreError, match="somebody else"):
        FileQuarantine(tmp_path).delete(mail_id)
    assert quarantine.find(mail_id).mail_id == mail_id
