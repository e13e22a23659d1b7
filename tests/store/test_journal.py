# SPDX-License-Identifier: GPL-3.0-or-later
"""What happened to a message stands in amavis' tables, and beside them why."""

import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from milterguard.core.destiny import Destiny
from milterguard.core.envelope import Client, Envelope, Recipient, Traffic
from milterguard.core.evidence import evidence
from milterguard.core.finding import Category, Finding
from milterguard.core.policy import Policy
from milterguard.core.report import Record
from milterguard.errors import NotFoundError, StoreError
from milterguard.store.journal import Journal
from milterguard.store.migrate import upgrade
from tests.core.build import VIRUS, envelope, points
from tests.store.record import numbered, record


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A database that is up to date."""
    upgrade(f"sqlite:///{tmp_path}/x.db")
    return tmp_path / "x.db"


@pytest.fixture
def journal(file: Path) -> Iterator[Journal]:
    journal = Journal(f"sqlite:///{file}")
    yield journal
    journal.close()


def rows(file: Path, query: str) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(file)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def test_a_message_is_a_row_with_its_letters(journal: Journal, file: Path) -> None:
    """msgs is filled as amavis fills it."""
    journal.write([record("Abcdefghij12", VIRUS, quarantined_as="A/virus-Abcdefghij12")])
    columns = (
        "am_id, time_num, time_iso, policy, client_addr, size, originating, content, quar_type, quar_loc, dsn_sent, "
        "spam_level, message_id, from_addr, subject, host"
    )
    assert rows(file, f"SELECT {columns} FROM msgs") == [
        (
            "00042-01", 1_800_000_000, "20270115T080000Z", "", "192.0.2.7", 1234, "N", "V", "F", "A/virus-Abcdefghij12",
            "N", None, "<1@sender.example>", "A <a@sender.example>", "hello", "mail.example.com",
        )
    ]  # fmt: skip


def test_the_secret_is_no_secret_of_ours(journal: Journal, file: Path) -> None:
    """It is random and new each time, so it opens nothing."""
    journal.write(numbered(2))
    (first,), (second,) = rows(file, "SELECT secret_id FROM msgs")
    assert first != second
    assert len(first) == 12


def test_addresses_are_written_once_with_their_domains_reversed(journal: Journal, file: Path) -> None:
    """maddr has one row for each address, however often it comes; the null sender is empty."""
    journal.write([record("Mail00000001"), record("Mail00000002", of=envelope(sender=""))])
    journal.write([record("Mail00000003")])
    assert set(rows(file, "SELECT email, domain FROM maddr")) == {
        ("sender@sender.example", "example.sender"),
        ("user@example.com", "com.example"),
        ("", ""),
    }
    joined = "SELECT email FROM msgs JOIN maddr ON maddr.id = msgs.sid ORDER BY mail_id"
    assert rows(file, joined) == [("sender@sender.example",), ("",), ("sender@sender.example",)]


def test_each_recipient_has_what_became_of_his_copy(journal: Journal, file: Path) -> None:
    """ds says P for who got it and D for who was removed; numbers begin with 1."""
    spam = record(
        "Abcdefghij12",
        points(8.0),
        of=envelope("a@x.example", "b@x.example"),
        policies=(Policy(spam_lover=True), Policy()),
    )
    journal.write([spam])
    query = (
        "SELECT rseqnum, email, is_local, content, ds, rs, bspam_level FROM msgrcpt JOIN maddr ON id = rid ORDER BY 1"
    )
    assert rows(file, query) == [
        (1, "a@x.example", "Y", "S", "P", " ", 8.0),
        (2, "b@x.example", "Y", "S", "D", " ", 8.0),
    ]
    assert rows(file, "SELECT spam_level, content FROM msgs") == [(8.0, "S")]


@pytest.mark.parametrize(
    ("answer", "letter", "content"),
    [(Destiny.PASS, "P", "C"), (Destiny.REJECT, "R", "C"), (Destiny.DISCARD, "D", "C"), (Destiny.TEMPFAIL, "T", "T")],
)
def test_ds_is_what_was_really_answered(
    journal: Journal, file: Path, *, answer: Destiny, letter: str, content: str
) -> None:
    """A verdict that came too late counts as the 451 it became."""
    journal.write([record(answer=answer)])
    assert rows(file, "SELECT ds, msgrcpt.content, msgs.content FROM msgrcpt JOIN msgs USING (mail_id)") == [
        (letter, content, content)
    ]


@pytest.mark.parametrize(("minors", "content"), [(("mime",), "M"), (("long", "mime"), "H"), (("missing",), "H")])
def test_a_broken_header_section_has_amavis_letter(
    journal: Journal, file: Path, *, minors: tuple[str, ...], content: str
) -> None:
    """M when only the MIME structure is broken, else H."""
    journal.write([record("Abcdefghij12", *(Finding("h", Category.BAD_HEADER, minor) for minor in minors))])
    assert rows(file, "SELECT msgrcpt.content, msgs.content FROM msgrcpt JOIN msgs USING (mail_id)") == [
        (content, content)
    ]


def test_a_recipient_named_twice_has_two_rows(journal: Journal, file: Path) -> None:
    """A client may repeat itself."""
    journal.write([record(of=envelope("a@x.example", "a@x.example"))])
    assert rows(file, "SELECT count(*), count(DISTINCT rid) FROM msgrcpt") == [(2, 1)]


def test_writing_again_changes_nothing(journal: Journal, file: Path) -> None:
    """Who does not know how a transaction ended may repeat it."""
    journal.write(numbered(3))
    before = rows(file, "SELECT * FROM msgs")
    journal.write([*numbered(4), *numbered(2)])
    assert rows(file, "SELECT * FROM msgs")[:3] == before
    for table in ("msgs", "msgrcpt", "evidence"):
        assert rows(file, f"SELECT count(*) FROM {table}") == [(4,)]
    journal.write([])


def test_the_evidence_is_given_back(journal: Journal) -> None:
    """Everything that explains the answer, as it was."""
    written = record("Abcdefghij12", VIRUS, points(3.5, ("A", 1.0), ("B", None)))
    journal.write([written])
    assert journal.evidence("Abcdefghij12") == evidence(written)


@pytest.mark.parametrize("mail_id", ["Zyxwvutsrq98", "", "'; DROP TABLE msgs; --", "x\0y", "\udc80", "é" * 5000])
def test_nothing_is_known_about_an_unknown_id(journal: Journal, mail_id: str) -> None:
    """An id that is none is an error, and no more."""
    with pytest.raises(NotFoundError):
        journal.evidence(mail_id)


def test_the_last_messages_come_newest_first(journal: Journal) -> None:
    """As many as are wanted, and none older than asked for."""
    journal.write([replace(each, received_at=1000.0 + number) for number, each in enumerate(numbered(5))])
    assert [each["mail_id"] for each in journal.recent(limit=2)] == ["Mail00000004", "Mail00000003"]
    assert len(journal.recent(since=1003.0)) == 2


hostile = st.text(max_size=300)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(texts=st.lists(hostile, min_size=9, max_size=9), addresses=st.lists(hostile, min_size=1, max_size=4))
def test_whatever_a_message_holds_can_be_written(
    journal: Journal, file: Path, *, texts: list[str], addresses: list[str]
) -> None:
    """NUL, surrogates and endless text neither raise nor spoil the evidence."""
    mail = Envelope(
        sender=texts[0],
        recipients=tuple(map(Recipient, addresses)),
        client=Client(address=texts[1], name=texts[2], helo=texts[3]),
        traffic=Traffic.ORIGINATING,
        mta=texts[4],
        queue_id=texts[5],
    )
    written = replace(record(of=mail), message_id=texts[6], subject=texts[7], from_address=texts[8])
    journal.write([written])
    try:
        assert journal.evidence("Abcdefghij12") == evidence(written)
    finally:
        connection = sqlite3.connect(file)
        connection.executescript("DELETE FROM msgrcpt; DELETE FROM msgs; DELETE FROM evidence")
        connection.close()


def test_a_thousand_recipients_are_written(journal: Journal, file: Path) -> None:
    """More addresses than one query takes."""
    journal.write([record(of=envelope(*(f"user{number}@x.example" for number in range(1000))))])
    assert rows(file, "SELECT count(*) FROM maddr") == [(1001,)]
    assert rows(file, "SELECT count(*), count(DISTINCT rid), max(rseqnum) FROM msgrcpt") == [(1000, 1000, 1000)]


def test_two_writers_do_not_hinder_each_other(file: Path) -> None:
    """Workers write the same addresses at the same time."""
    journals = [Journal(f"sqlite:///{file}") for _ in range(3)]
    batches = [[replace(each, mail_id=f"W{number}{each.mail_id[2:]}") for each in numbered(50)] for number in range(3)]
    threads = [
        threading.Thread(target=lambda pair: [pair[0].write([each]) for each in pair[1]], args=(pair,))
        for pair in zip(journals, batches, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for journal in journals:
        journal.close()
    assert rows(file, "SELECT count(*) FROM msgs") == [(150,)]
    assert rows(file, "SELECT count(*) FROM maddr") == [(2,)]


def fails(journal: Journal, *records: Record, match: str) -> None:
    with pytest.raises(StoreError, match=match):
        journal.write(list(records) or [record()])


def test_missing_tables_are_a_store_error(tmp_path: Path) -> None:
    """With the command that makes them."""
    journal = Journal(f"sqlite:///{tmp_path}/new.db")
    fails(journal, match="milterguard db upgrade")
    with pytest.raises(StoreError, match="milterguard db upgrade"):
        journal.evidence("Abcdefghij12")
    journal.close()


def test_a_missing_folder_is_a_store_error(tmp_path: Path) -> None:
    """A journal can be made before its disk is there."""
    fails(Journal(f"sqlite:///{tmp_path}/missing/x.db"), match="does its folder exist")


def test_a_full_or_read_only_disk_is_a_store_error(small_disk: Path) -> None:
    """Nothing of a transaction that failed is there, and writing works again afterwards."""
    upgrade(f"sqlite:///{small_disk}/x.db")
    journal = Journal(f"sqlite:///{small_disk}/x.db")
    many = [replace(each, subject="x" * 200) for each in numbered(1000)]
    fails(journal, *many, match="full|I/O")
    assert journal.recent() == []
    journal.write(many[:5])
    journal.close()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    late = Journal(f"sqlite:///{small_disk}/x.db")
    fails(late, match="read")
    late.close()


def test_a_damaged_file_is_a_store_error(tmp_path: Path) -> None:
    """What is no database is not written over."""
    (tmp_path / "x.db").write_bytes(b"no database at all" * 100)
    fails(Journal(f"sqlite:///{tmp_path}/x.db"), match="not a database")


def test_damaged_evidence_is_a_store_error(journal: Journal, file: Path) -> None:
    """It is not shown as if it were true."""
    journal.write([record()])
    connection = sqlite3.connect(file)
    connection.execute("UPDATE evidence SET document = '{'")
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match="damaged"):
        journal.evidence("Abcdefghij12")
