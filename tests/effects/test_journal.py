# SPDX-License-Identifier: GPL-3.0-or-later
"""The writer takes records at once; the database may be away as long as it likes."""

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from milterguard.core.report import Record
from milterguard.effects.journal import Journal as AnyJournal
from milterguard.effects.journal import JournalWriter
from milterguard.errors import ConfigError, StoreError
from milterguard.store.journal import Journal
from milterguard.store.migrate import upgrade
from tests.store.record import numbered, record


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A database that is up to date."""
    url = f"sqlite:///{tmp_path}/x.db"
    upgrade(url)
    return url


class Recording:
    """A database's stand-in whose door can be shut; it keeps the batches."""

    def __init__(self) -> None:
        self.batches: list[list[Record]] = []
        self.is_open = threading.Event()
        self.tried = threading.Event()
        self.written = threading.Event()
        self.is_closed = False

    def write(self, records: Sequence[Record]) -> None:
        self.tried.set()
        self.is_open.wait()
        self.batches.append(list(records))
        self.written.set()

    def close(self) -> None:
        self.is_closed = True

    def ids(self) -> list[str]:
        return [each.mail_id for batch in self.batches for each in batch]


def known(url: str) -> set[str]:
    journal = Journal(url)
    try:
        return {each["mail_id"] for each in journal.recent(limit=10_000)}
    finally:
        journal.close()


def eventually(condition: Callable[[], bool]) -> None:
    """Wait for something that has no event of its own: a row in a database."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)


def test_what_was_taken_is_written_by_the_end(url: str) -> None:
    """Closing writes what waits."""
    writer = JournalWriter(lambda: Journal(url), queue_records=1000)
    for each in numbered(250):
        writer.submit(each)
    writer.close(10)
    assert len(known(url)) == 250


def test_the_journal_is_closed_at_the_end_and_not_before() -> None:
    """Its connections are given back once everything is written."""
    journal = Recording()
    writer = JournalWriter(lambda: journal, queue_records=10)
    writer.submit(record())
    assert journal.tried.wait(10)
    assert not journal.is_closed
    journal.is_open.set()
    writer.close(10)
    assert journal.batches
    assert journal.is_closed


def test_a_writer_without_records_is_closed_at_once() -> None:
    """No thread and no connection before the first record."""
    JournalWriter(lambda: pytest.fail("nobody asked"), queue_records=10).close(10)


def test_many_records_go_into_one_transaction() -> None:
    """Up to a hundred at a time."""
    journal = Recording()
    writer = JournalWriter(lambda: journal, queue_records=1000)
    writer.submit(record("First0000000"))
    assert journal.tried.wait(10)
    for each in numbered(150):
        writer.submit(each)
    journal.is_open.set()
    writer.close(10)
    assert [len(batch) for batch in journal.batches] == [1, 100, 50]


def test_nobody_waits_for_a_slow_database_and_the_oldest_are_dropped(caplog: pytest.LogCaptureFixture) -> None:
    """A full queue loses its oldest records, and says so once."""
    journal = Recording()
    writer = JournalWriter(lambda: journal, queue_records=3)
    writer.submit(record("First0000000"))
    assert journal.tried.wait(10)
    for each in numbered(10):
        writer.submit(each)
    journal.is_open.set()
    writer.close(10)
    assert journal.ids() == ["First0000000", "Mail00000007", "Mail00000008", "Mail00000009"]
    warnings = [each.getMessage() for each in caplog.records if "dropped" in each.getMessage()]
    assert warnings == ["journal: the database does not keep up, 1 records were dropped"]


def test_records_wait_for_a_locked_database(url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """They are written when the lock goes, and it is said when the trouble began and ended."""
    caplog.set_level(logging.INFO)
    holder = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    writer = JournalWriter(lambda: Journal(url, busy_seconds=0.01), queue_records=10)
    writer.submit(record())
    eventually(lambda: "records wait" in caplog.text)
    holder.execute("ROLLBACK")
    holder.close()
    eventually(lambda: known(url) == {"Abcdefghij12"})
    writer.close(10)
    assert caplog.text.count("records wait") == 1
    assert "written again" in caplog.text


def test_records_wait_for_a_missing_database(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Folder and tables may come later; until then the log says what to run."""
    url = f"sqlite:///{tmp_path}/later/x.db"
    writer = JournalWriter(lambda: Journal(url), queue_records=10)
    writer.submit(record())
    eventually(lambda: "records wait" in caplog.text)
    (tmp_path / "later").mkdir()
    upgrade(url)
    eventually(lambda: known(url) == {"Abcdefghij12"})
    writer.close(10)


def test_a_journal_that_cannot_be_made_is_tried_again(url: str) -> None:
    """Even a wrong address does not end the thread."""
    answers: list[Callable[[], AnyJournal]] = [refused, lambda: Journal(url)]
    writer = JournalWriter(lambda: answers.pop(0)(), queue_records=10)
    writer.submit(record())
    eventually(lambda: known(url) == {"Abcdefghij12"})
    writer.close(10)


def refused() -> AnyJournal:
    raise ConfigError("[store]", "url", expected="something", got="nothing")


def test_a_record_that_is_refused_is_dropped_alone(url: str, caplog: pytest.LogCaptureFixture) -> None:
    """The others of its batch are written."""
    records = numbered(5)
    records[2] = replace(records[2], size=2**80)
    records[4] = replace(records[4], received_at=1e300)
    journal = GatedJournal(url)
    writer = JournalWriter(lambda: journal, queue_records=10)
    for each in records:
        writer.submit(each)
    journal.gate.set()
    writer.close(10)
    assert known(url) == {"Mail00000000", "Mail00000001", "Mail00000003"}
    assert caplog.text.count("is refused and dropped") == 2
    assert "records wait" not in caplog.text


class GatedJournal:
    """The real journal behind a gate, so that all records come in one batch or two."""

    def __init__(self, url: str) -> None:
        self._journal, self.gate = Journal(url), threading.Event()

    def write(self, records: Sequence[Record]) -> None:
        self.gate.wait()
        self._journal.write(records)

    def close(self) -> None:
        self._journal.close()


class Away:
    """A database that never comes back."""

    def write(self, records: Sequence[Record]) -> None:
        raise StoreError("away")

    def close(self) -> None: ...


def test_closing_does_not_wait_for_ever(caplog: pytest.LogCaptureFixture) -> None:
    """What could not be written is counted."""
    writer = JournalWriter(Away, queue_records=10)
    for each in numbered(4):
        writer.submit(each)
    started = time.monotonic()
    writer.close(0.3)
    assert time.monotonic() - started < 5
    assert "4 records could not be written before the end" in caplog.text


def test_a_failing_database_keeps_the_newest(caplog: pytest.LogCaptureFixture) -> None:
    """Records that come back from a failed batch make room for younger ones."""
    writer = JournalWriter(Away, queue_records=4)
    for each in numbered(12):
        writer.submit(each)
    writer.close(0.3)
    assert "4 records could not be written before the end" in caplog.text


def test_a_forked_child_has_a_thread_of_its_own(url: str) -> None:
    """The first record starts it, so nothing of the parent's is used."""
    writer = JournalWriter(lambda: Journal(url), queue_records=10)
    child = os.fork()
    if child == 0:
        writer.submit(record())
        writer.close(10)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert known(url) == {"Abcdefghij12"}
