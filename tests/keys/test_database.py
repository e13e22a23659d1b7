# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys in a table."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from milterguard.config.signing import Signing
from milterguard.dkim.compose import SigningKey
from milterguard.errors import SignError
from milterguard.keys.database import DatabaseKeys
from milterguard.keys.private import generated
from milterguard.keys.ring import NoKeys

KEY = generated("rsa", bits=1024)
SELECT = "SELECT domain, selector, private_key FROM dkim WHERE domain = %d"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    file = tmp_path / "keys.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE dkim (domain TEXT, selector TEXT, private_key TEXT)")
        rows = [("example.com", "S1", KEY.pem().decode()), ("broken.example", "s", "nonsense")]
        connection.executemany("INSERT INTO dkim VALUES (?, ?, ?)", rows)
        connection.commit()
    return file


@pytest.fixture
def keys(database: Path) -> Iterator[DatabaseKeys]:
    made = DatabaseKeys(NoKeys(), Signing(keys_urls=(f"sqlite:///{database}",), keys_select=SELECT, keys_seconds=60))
    yield made
    made.close()


def test_a_key_of_the_table_signs(keys: DatabaseKeys) -> None:
    """Found by domain."""
    (key,) = keys.keys("example.com")
    assert key == SigningKey("example.com", "s1", "rsa-sha256")
    assert keys.sign(key, bytes(32)) == KEY.sign(bytes(32))
    assert keys.keys("other.example") == ()
    assert keys.keys("x' OR '1'='1") == ()


def test_what_was_said_last_holds(keys: DatabaseKeys, database: Path) -> None:
    """While the table is gone."""
    (key,) = keys.keys("example.com")
    database.unlink()
    assert keys.sign(key, bytes(32)) == KEY.sign(bytes(32))


def test_slips_in_the_table(keys: DatabaseKeys, database: Path) -> None:
    """A key that is none is a failure; so is that of somebody else, and a SELECT of other columns."""
    with pytest.raises(SignError, match=r"key s of broken\.example: not a private key"):
        keys.keys("broken.example")
    for select, said in (
        ("SELECT domain, selector, private_key FROM dkim WHERE %d <> ''", "another domain"),
        ("SELECT domain FROM dkim WHERE domain = %d", "1 columns"),
    ):
        other = DatabaseKeys(NoKeys(), Signing(keys_urls=(f"sqlite:///{database}",), keys_select=select))
        with pytest.raises(SignError, match=said):
            other.keys("example.com" if "columns" in said else "x.example")
        other.close()
