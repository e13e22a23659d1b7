# SPDX-License-Identifier: GPL-3.0-or-later
"""Withheld mail: kept durably, once, found again, and the octets unchanged."""

import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from milterguard.core.envelope import Recipient
from milterguard.core.finding import Category
from milterguard.core.message import Field
from milterguard.core.verdict import Keep
from milterguard.errors import StoreError
from milterguard.store.quarantine import Entry, FileQuarantine
from tests.core.build import Octets, envelope, message
from tests.store.build import VIRUS, octets_of, original


def test_a_copy_has_our_fields_in_order_and_then_the_unchanged_octets(tmp_path: Path) -> None:
    """The file is amavis' quarantine file: envelope first, the message as it came."""
    mail = message(
        "From: a@x.example", "Subject:  two  blanks", body=b"a\r\n\0\xff\r\n", to=("a@b.example", "c@d.example")
    )
    stored = FileQuarantine(tmp_path).store(
        mail, Keep(Category.VIRUS, ("a@b.example",)), fields=[("X-Amavis-Alert", "INFECTED")]
    )
    octets = (tmp_path / stored.location).read_bytes()
    assert stored.location == "A/virus-Abcdefghij12"
    assert stored.is_new
    assert octets.startswith(
        b"Return-Path: <sender@sender.example>\r\n"
        b"Delivered-To: virus-quarantine\r\n"
        b"X-Envelope-From: <sender@sender.example>\r\n"
        b"X-Envelope-To: <a@b.example>,\r\n <c@d.example>\r\n"
        b"X-Envelope-To-Blocked: <a@b.example>\r\n"
        b"X-Quarantine-ID: <Abcdefghij12>\r\n"
        b"X-Amavis-Alert: INFECTED\r\n"
        b"X-Envelope-Record: v=1; "
    )
    assert octets.endswith(b'"\r\nFrom: a@x.example\r\nSubject:  two  blanks\r\n\r\na\r\n\0\xff\r\n')


@pytest.mark.parametrize(
    ("category", "location"),
    [
        (Category.VIRUS, "A/virus-Abcdefghij12"),
        (Category.SPAM, "A/spam-Abcdefghij12.gz"),
        (Category.SPAMMY, "A/spammy-Abcdefghij12.gz"),
        (Category.BANNED, "A/banned-Abcdefghij12"),
        (Category.UNCHECKED, "A/unchecked-Abcdefghij12"),
        (Category.BAD_HEADER, "A/badh-Abcdefghij12"),
        (Category.FORGED, "A/forged-Abcdefghij12"),
        (Category.OVERSIZED, "A/oversized-Abcdefghij12"),
        (Category.FAILED, "A/failed-Abcdefghij12"),
        (Category.CLEAN, "A/clean-Abcdefghij12"),
    ],
)
def test_the_category_names_the_file(tmp_path: Path, category: Category, location: str) -> None:
    """Names are amavis' own where it has one; every kind can be found and read again."""
    quarantine, mail = FileQuarantine(tmp_path), message()
    assert quarantine.store(mail, Keep(category, ("user@example.com",))).location == location
    entry = quarantine.find(mail.mail_id)
    assert (entry.category, entry.location) == (category, location)
    assert original(quarantine, entry) == octets_of(mail)


def test_modes_do_not_depend_on_the_umask(tmp_path: Path) -> None:
    """Files are 0640 and folders 0750, whatever the umask says."""
    for mask, name in ((0, "open"), (0o077, "tight")):
        before = os.umask(mask)
        try:
            FileQuarantine(tmp_path / name).store(message(), VIRUS)
        finally:
            os.umask(before)
        file = tmp_path / name / "A/virus-Abcdefghij12"
        assert stat.S_IMODE(file.stat().st_mode) == 0o640
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o750


def test_an_entry_tells_what_the_envelope_was(tmp_path: Path) -> None:
    """Listing and finding give the same entry, read from the file alone."""
    quarantine = FileQuarantine(tmp_path)
    mail = message("Subject: caf\u00e9", to=("a@b.example", "c@d.example"))
    quarantine.store(mail, Keep(Category.SPAM, ("c@d.example",)))
    entry = FileQuarantine(tmp_path).find("Abcdefghij12")
    assert list(quarantine.entries()) == [entry]
    assert entry == Entry(
        mail_id="Abcdefghij12",
        category=Category.SPAM,
        sender="sender@sender.example",
        recipients=("a@b.example", "c@d.example"),
        blocked=("c@d.example",),
        subject="caf\u00e9",
        size_bytes=len(octets_of(mail)),
        received_at=1_800_000_000.0,
        status="held",
        location="A/spam-Abcdefghij12.gz",
    )


def test_only_our_own_fields_are_believed(tmp_path: Path) -> None:
    """A message that brings quarantine fields of its own says nothing about itself."""
    lies = (
        "Return-Path: <liar@x.example>",
        "X-Envelope-From: <liar@x.example>",
        "X-Envelope-To: <victim@example.com>",
        "X-Envelope-To-Blocked: <victim@example.com>",
        "X-Quarantine-ID: <Zzzzzzzzzzzz>",
        f'X-Envelope-Record: v=1; received=1.0; size=1; category=clean; key={"0" * 64}; subject="lies"',
    )
    quarantine, mail = FileQuarantine(tmp_path), message(*lies)
    quarantine.store(mail, VIRUS)
    entry = quarantine.find(mail.mail_id)
    assert (entry.sender, entry.recipients, entry.subject) == ("sender@sender.example", ("user@example.com",), "")
    assert original(quarantine, entry) == octets_of(mail)


hostile = st.text(max_size=60) | st.text(alphabet='<>\\",\r\n;x0 =:"\0\x85\u2028', max_size=60)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(
    sender=hostile,
    recipients=st.lists(hostile, min_size=1, max_size=5),
    subject=st.binary(max_size=200),
    body=st.binary(max_size=300),
    value=hostile,
)
def test_whatever_the_envelope_holds_comes_back(
    tmp_path: Path, *, sender: str, recipients: list[str], subject: bytes, body: bytes, value: str
) -> None:
    """Hostile addresses, subjects and field values neither break out of their line nor change."""
    quarantine = FileQuarantine(tmp_path)
    mail = replace(
        message(),
        envelope=replace(envelope(sender=sender), recipients=tuple(map(Recipient, recipients))),
        fields=(Field(b"Subject", subject),),
        content=Octets(body),
    )
    quarantine.store(mail, Keep(Category.VIRUS, tuple(recipients)), fields=[("X-Amavis-Alert", value)])
    entry = quarantine.find(mail.mail_id)
    try:
        assert (entry.sender, entry.recipients, entry.blocked) == (sender, tuple(recipients), tuple(recipients))
        assert original(quarantine, entry) == octets_of(mail)
        assert entry.size_bytes == len(octets_of(mail))
    finally:
        quarantine.delete(mail.mail_id)


def test_a_thousand_recipients_are_read_back(tmp_path: Path) -> None:
    """The fields before the message may be longer than one block."""
    recipients = tuple(f"user{number}@a-rather-long-domain-name.example" for number in range(1000))
    quarantine, mail = FileQuarantine(tmp_path), message(to=recipients)
    quarantine.store(mail, Keep(Category.SPAM, recipients))
    entry = quarantine.find(mail.mail_id)
    assert (entry.recipients, entry.blocked) == (recipients, recipients)
    assert original(quarantine, entry) == octets_of(mail)


@pytest.mark.parametrize("pad", range(16384 - 420, 16384 - 300))
def test_the_end_of_our_fields_may_lie_across_two_blocks(tmp_path: Path, pad: int) -> None:
    """Wherever a block ends, the last field is found."""
    quarantine, mail = FileQuarantine(tmp_path), message()
    quarantine.store(mail, VIRUS, fields=[("X-Pad", "p" * pad)])
    assert original(quarantine, quarantine.find(mail.mail_id)) == octets_of(mail)


def test_an_envelope_too_long_to_be_read_back_is_not_kept(tmp_path: Path) -> None:
    """What could not be found again must not be accepted."""
    with pytest.raises(StoreError, match="too long"):
        FileQuarantine(tmp_path).store(message(), VIRUS, fields=[("X-Pad", "p" * 17_000_000)])


@pytest.mark.parametrize("name", ["X-Envelope-Record", "x-envelope-record", "X:", "", "X\r\nY", "Ä"])
def test_a_field_that_could_end_ours_is_refused(tmp_path: Path, name: str) -> None:
    """Nobody but us writes the last of our fields."""
    with pytest.raises(StoreError):
        FileQuarantine(tmp_path).store(message(), VIRUS, fields=[(name, "value")])


@pytest.mark.parametrize("category", [Category.VIRUS, Category.SPAM])
def test_a_copy_that_was_cut_is_no_copy(tmp_path: Path, category: Category) -> None:
    """A disk that lost its end does not count as having kept the message: a retry is stored anew."""
    quarantine = FileQuarantine(tmp_path)
    keep = Keep(category, ("user@example.com",))
    first = quarantine.store(message(), keep)
    damaged = tmp_path / first.location
    damaged.write_bytes(damaged.read_bytes()[:-9])
    again = quarantine.store(replace(message(), mail_id="Zyxwvutsrq98"), keep)
    assert again.is_new
    assert not quarantine.store(replace(message(), mail_id="Qyxwvutsrq98"), keep).is_new
