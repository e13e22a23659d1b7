# SPDX-License-Identifier: GPL-3.0-or-later
"""What lookups in SQL cost: 10,000 users, and a message for five whom nobody has asked about before.

``python -m tests.lookup.cost`` prints it for SQLite, PostgreSQL and MariaDB; with the URL of a database
that was filled it prints JSON for that one.
"""

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from sqlalchemy import create_engine, insert

from milterguard.config.settings import Settings
from milterguard.core.envelope import Traffic
from milterguard.lookup.policies import Policies
from milterguard.store import schema
from tests.daemons import Mariadb, Postgresql, private_folder
from tests.lookup.database import LOCAL, Database, amavis_database

USERS = 10_000
MESSAGES = 200
RECIPIENTS = 5
_ROUND = 50
_POLICIES = 50
_SENDERS = 2000
_LISTS_PER_USER = 5
"""Every second user has a list of so many senders."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one message, over many."""

    most_statements: int
    warm_statements: int
    """Of all messages together, when they come again."""
    median_milliseconds: float
    best_median_milliseconds: float
    """Of the round of 50 messages in which the machine had least to do beside."""
    worst_milliseconds: float
    warm_median_milliseconds: float

    def __str__(self) -> str:
        return (
            f"cold: at most {self.most_statements} queries, median {self.median_milliseconds:.2f} ms "
            f"(best round {self.best_median_milliseconds:.2f} ms), worst {self.worst_milliseconds:.1f} ms; "
            f"warm: {self.warm_statements} queries, median {self.warm_median_milliseconds:.2f} ms"
        )


def filled(url: str) -> Database:
    """Return amavis' tables with 10,000 users, 10,000 passages of lists and a row for everybody."""
    made = amavis_database(url)
    engine = create_engine(url)
    with engine.begin() as connection:
        for table, rows in _rows():
            connection.execute(insert(schema.metadata.tables[table]), rows)
    engine.dispose()
    if url.startswith("postgresql"):
        made.execute("ANALYZE")  # as autovacuum does by itself after a minute
    return made


def measured(database: Database) -> Cost:
    """Return what each message costs the first time, and again; senders and recipients are new each time."""
    with database.source() as source:
        policies = Policies(Settings(local=LOCAL), (source,))
        _judge(policies, 0)  # connects
        cold, counts = [], []
        for number in range(1, MESSAGES + 1):
            before = len(database.statements)
            cold.append(_judge(policies, number))
            counts.append(len(database.statements) - before)
        before = len(database.statements)
        warm = [_judge(policies, number) for number in range(1, MESSAGES + 1)]
        asked = len(database.statements) - before
    rounds = [statistics.median(cold[start : start + _ROUND]) for start in range(0, MESSAGES, _ROUND)]
    return Cost(max(counts), asked, statistics.median(cold), min(rounds), max(cold), statistics.median(warm))


def _judge(policies: Policies, number: int) -> float:
    """Ask all that the guard asks about a message; return the milliseconds it took."""
    first = number * RECIPIENTS
    addresses = [f"user{each % USERS}@example.com" for each in range(first, first + RECIPIENTS)]
    sender, author = f"bounce{number}@sender{number}.example", f"author{number}@sender{number}.example"
    began = time.perf_counter()
    judged = [policies.judged(each, (), Traffic.INBOUND, sender=sender) for each in addresses]
    known = policies.with_authors(judged, sender=sender, authors=[author])
    took = (time.perf_counter() - began) * 1000
    assert all(each.policy.spam_kill_level != 6.9 for each in known)
    return took


def _rows() -> Iterator[tuple[str, list[dict[str, object]]]]:
    yield "policy", [{"id": each, "policy_name": f"p{each}", "spam_kill_level": each + 0.5} for each in range(1, 51)]
    users: list[dict[str, object]] = [
        {"id": each + 1, "policy_id": each % _POLICIES + 1, "email": f"user{each}@example.com", "priority": 9}
        for each in range(USERS)
    ]
    yield "users", [*users, {"id": USERS + 1, "policy_id": 1, "email": "@.", "priority": 0}]
    yield "mailaddr", [{"id": each + 1, "email": f"@sender{each}.example"} for each in range(_SENDERS)]
    yield (
        "wblist",
        [
            {"rid": user + 1, "sid": (user * 7 + each * 13) % _SENDERS + 1, "wb": "W"}
            for user in range(0, USERS, 2)
            for each in range(_LISTS_PER_USER)
        ],
    )


def main(arguments: Sequence[str]) -> None:
    for url in arguments:
        sys.stdout.write(json.dumps(asdict(measured(Database(url)))))
    if arguments:
        return
    with tempfile.TemporaryDirectory() as scratch, private_folder() as folder:
        _print("SQLite", f"sqlite:///{Path(scratch) / 'users.db'}")
        for make in (Postgresql, Mariadb):
            with make(folder / make.__name__.lower()) as server:
                _print(make.__name__, server.new_database())


def _print(name: str, url: str) -> None:
    sys.stdout.write(f"{name:<11}{measured(filled(url))}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
