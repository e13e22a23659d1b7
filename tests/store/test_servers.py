# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal in PostgreSQL and MariaDB: what holds for SQLite holds there too."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, text

from milterguard.core.envelope import Client, Envelope, Recipient, Traffic
from milterguard.core.evidence import evidence
from milterguard.core.policy import Policy
from milterguard.errors import NotFoundError, StoreError
from milterguard.store.engine import make_engine
from milterguard.store.journal import Journal
from milterguard.store.migrate import current, is_current, upgrade
from milterguard.store.schema import metadata
from tests.cli.conftest import Program
from tests.core.build import VIRUS, envelope, points
from tests.daemons import Mariadb, Postgresql
from tests.store.record import numbered, record

pytestmark = pytest.mark.daemons


@pytest.fixture(params=["postgresql", "mariadb"])
def server(request: pytest.FixtureRequest) -> Postgresql | Mariadb:
    """Each database server in its turn."""
    found: Postgresql | Mariadb = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def url(server: Postgresql | Mariadb) -> str:
    """A database that is up to date."""
    made = server.new_database()
    upgrade(made)
    return made


@pytest.fixture
def journal(url: str) -> Iterator[Journal]:
    journal = Journal(url)
    yield journal
    journal.close()


def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    engine = make_engine(url)
    with engine.connect() as connection:
        found = [tuple(row) for row in connection.execute(text(query))]
    engine.dispose()
    return found


def test_an_empty_database_is_brought_up_to_date(server: Postgresql | Mariadb) -> None:
    """Once and again, and then it has the tables that the code knows."""
    url = server.new_database()
    assert current(url) == ""
    upgrade(url)
    upgrade(url)
    assert is_current(url)
    engine = make_engine(url)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_the_command_line_brings_it_up_to_date(server: Postgresql | Mariadb, tmp_path: Path) -> None:
    """As for a file, and the state is told."""
    milterguard = Program(tmp_path)
    milterguard.configure({"store": {"url": server.new_database()}})
    assert milterguard("db", "status").exit_code == 1
    assert "none -> 0001" in milterguard("db", "upgrade").output
    assert milterguard("db", "status").exit_code == 0


def test_a_message_is_a_row_with_its_letters(journal: Journal, url: str) -> None:
    """msgs and msgrcpt are filled as amavis fills them."""
    spam = record(
        "Abcdefghij12",
        *(VIRUS, points(8.25)),
        of=envelope("a@x.example", "b@x.example"),
        policies=(Policy(virus_lover=True, spam_lover=True), Policy()),
        quarantined_as="A/virus-Abcdefghij12",
    )
    journal.write([spam])
    query = "SELECT time_num, size, content, quar_type, quar_loc, spam_level, subject, host FROM msgs"
    told = (1_800_000_000, 1234, "V", "F", "A/virus-Abcdefghij12", 8.25, "hello", "mail.example.com")
    assert rows(url, query) == [told]
    query = "SELECT rseqnum, email, content, ds FROM msgrcpt JOIN maddr ON id = msgrcpt.rid ORDER BY rseqnum"
    assert rows(url, query) == [(1, "a@x.example", "V", "P"), (2, "b@x.example", "V", "D")]
    assert journal.evidence("Abcdefghij12") == evidence(spam)


def test_ids_differ_in_the_case_of_a_letter(journal: Journal) -> None:
    """As they do in SQLite, whatever the database's own rules are."""
    first, second = record("Abcdefghij12"), replace(record("aBcdefghij12"), subject="other")
    journal.write([first])
    journal.write([second])
    assert journal.evidence("aBcdefghij12") == evidence(second)
    with pytest.raises(NotFoundError):
        journal.evidence("ABCDEFGHIJ12")


def test_addresses_differ_in_the_case_of_a_letter_and_in_an_accent(journal: Journal, url: str) -> None:
    """Each gets a number of its own; blanks at the end make no other address."""
    addresses = ("a@x.example", "A@x.example", "á@x.example", "a@x.example ")
    journal.write([record(of=envelope(*addresses))])
    assert rows(url, "SELECT count(*), count(DISTINCT rid) FROM msgrcpt") == [(4, 3)]


def test_writing_again_changes_nothing(journal: Journal, url: str) -> None:
    """Who does not know how a transaction ended may repeat it."""
    journal.write(numbered(3))
    before = rows(url, "SELECT * FROM msgs ORDER BY mail_id")
    journal.write([*numbered(4), *numbered(2)])
    assert rows(url, "SELECT * FROM msgs ORDER BY mail_id")[:3] == before
    for table in ("msgs", "msgrcpt", "evidence"):
        assert rows(url, f"SELECT count(*) FROM {table}") == [(4,)]


def test_long_evidence_is_kept_whole(journal: Journal) -> None:
    """MariaDB's TEXT would end at 64 KiB."""
    long = record("Abcdefghij12", points(1.0, *((f"TEST_{number}", 0.1) for number in range(5000))))
    journal.write([long])
    assert journal.evidence("Abcdefghij12") == evidence(long)


def test_the_last_messages_come_newest_first(journal: Journal) -> None:
    """As many as are wanted, and none older than asked for."""
    journal.write([replace(each, received_at=1000.0 + number) for number, each in enumerate(numbered(5))])
    assert [each["mail_id"] for each in journal.recent(limit=2)] == ["Mail00000004", "Mail00000003"]
    assert len(journal.recent(since=1003.0)) == 2


hostile = st.text(max_size=300)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=20)
@given(texts=st.lists(hostile, min_size=9, max_size=9), addresses=st.lists(hostile, min_size=1, max_size=4))
def test_whatever_a_message_holds_can_be_written(
    journal: Journal, url: str, *, texts: list[str], addresses: list[str]
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
        count = rows(url, "SELECT count(*) FROM msgrcpt WHERE mail_id = 'Abcdefghij12'")
        assert count == [(len(addresses),)]
    finally:
        engine = make_engine(url)
        with engine.begin() as connection:
            for table in ("msgrcpt", "msgs", "evidence"):
                connection.execute(text(f"DELETE FROM {table}"))
        engine.dispose()


def test_writers_do_not_hinder_each_other(url: str) -> None:
    """Workers write the same new addresses at the same time, and nothing is lost or written twice."""
    journals = [Journal(url) for _ in range(3)]
    batches = [[replace(each, mail_id=f"W{number}{each.mail_id[2:]}") for each in numbered(50)] for number in range(3)]
    errors: list[StoreError] = []

    def write(journal: Journal, batch: list[Any]) -> None:
        try:
            for each in batch:
                journal.write([each])
        except StoreError as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=pair) for pair in zip(journals, batches, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for journal in journals:
        journal.close()
    assert errors == []
    assert rows(url, "SELECT count(*) FROM msgs") == [(150,)]
    assert rows(url, "SELECT count(*) FROM maddr") == [(2,)]


def test_an_address_that_another_writer_adds_meanwhile_is_seen(url: str) -> None:
    """Between the look at what is there and the adding: MariaDB's own level of isolation hides it."""
    journal, other = Journal(url), Journal(url)
    first, second = numbered(2)
    is_first = True

    def look(connection: Any, cursor: Any, statement: str, *_: object) -> None:
        nonlocal is_first
        del connection, cursor
        if is_first and "maddr" in statement and statement.lstrip().upper().startswith("SELECT"):
            is_first = False
            other.write([second])

    event.listen(journal._engine, "after_cursor_execute", look)
    journal.write([first])
    journal.close()
    other.close()
    assert not is_first
    assert rows(url, "SELECT count(*) FROM msgs") == [(2,)]


def test_missing_tables_name_the_command(server: Postgresql | Mariadb) -> None:
    """An operator is told what to run."""
    journal = Journal(server.new_database())
    with pytest.raises(StoreError, match="milterguard db upgrade"):
        journal.write([record()])
    with pytest.raises(StoreError, match="milterguard db upgrade"):
        journal.evidence("Abcdefghij12")
    journal.close()


def test_writing_goes_on_after_a_restart(server: Postgresql | Mariadb, journal: Journal, url: str) -> None:
    """Old connections are not used again."""
    journal.write(numbered(1))
    server.kill()
    with pytest.raises(StoreError):
        journal.write(numbered(2))
    server.start()
    journal.write(numbered(3))
    assert rows(url, "SELECT count(*) FROM msgs") == [(3,)]
