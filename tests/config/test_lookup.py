# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of the databases that know recipients."""

import sys
from pathlib import Path

import pytest

from milterguard.config.load import load
from milterguard.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "key", "message"),
    [
        ("urls = ['mysql://u:secret@h/d']", "urls", 'mysql+pymysql before ://, found "mysql"'),
        ("urls = ['postgres://u:secret@h/d']", "urls", 'found "postgres"'),
        ("urls = ['secret']", "urls", "DIALECT://…, found something else (not shown)"),
        ("urls = ['sqlite:///secret.db']", "urls", "four slashes"),
        ("urls = ['sqlite://']", "urls", "four slashes"),
        ("urls = 'sqlite:////secret.db'", "urls", "an array of strings, found a string (not shown)"),
        ("urls = ['sqlite:////secret.db', 'sqlite:////secret.db']", "urls", "each database once"),
        ("recipient_select = 'DELETE FROM x WHERE y IN (%k)'", "recipient_select", 'a SELECT, found "DELETE'),
        ("recipient_select = 'SELECT 1'", "recipient_select", "one of %k, %a, %l, %u, %e, %d in it"),
        ("recipient_select = 'SELECT x FROM y WHERE z = %x'", "recipient_select", 'for a percent sign, found "%x"'),
        ("recipient_select = \"SELECT x FROM y WHERE z LIKE '%a%%'\"", "recipient_select", "outside of them"),
        ("recipient_select = 'SELECT x WHERE y = %a %'", "recipient_select", 'found "%"'),
        ("local_select = 'SELECT 1 FROM x WHERE y IN (%r)'", "local_select", 'found "%r"'),
        ("sender_select = 'SELECT 1 FROM x WHERE y IN (%k)'", "sender_select", "recipient_select beside it"),
        ("timeout_seconds = 9", "timeout_seconds", "at most 8"),
    ],
)
def test_slips_name_key_and_remedy(tmp_path: Path, text: str, key: str, message: str) -> None:
    """And show no address: it may hold a password."""
    path = tmp_path / "milterguard.toml"
    path.write_text(f"[lookup.sql]\n{text}\n")
    with pytest.raises(ConfigError) as caught:
        load(path, environ={})
    assert caught.value.key == f"lookup.sql.{key}"
    assert message in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_select_may_stand_on_several_lines(tmp_path: Path) -> None:
    """As one writes it."""
    path = tmp_path / "milterguard.toml"
    path.write_text("[lookup.sql]\nrecipient_select = '''\nSELECT x\n\tFROM y\n WHERE z IN (%k)\n'''\n")
    select = load(path, environ={}).settings.lookup.sql.recipient_select
    assert " ".join(select.split()) == "SELECT x FROM y WHERE z IN (%k)"


def test_addresses_may_come_from_the_environment() -> None:
    """Separated by commas."""
    variables = {"MILTERGUARD_LOOKUP_SQL_URLS": "sqlite:////a.db,postgresql+psycopg://u:p@h/d"}
    assert load(None, environ=variables).settings.lookup.sql.urls == ("sqlite:////a.db", "postgresql+psycopg://u:p@h/d")


def test_a_driver_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before a worker needs it."""
    monkeypatch.setitem(sys.modules, "pymysql", None)
    with pytest.raises(ConfigError, match="the Python module pymysql to be installed"):
        load(None, environ={"MILTERGUARD_LOOKUP_SQL_URLS": "mysql+pymysql://u:p@h/d"})
