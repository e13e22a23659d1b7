# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings from the environment, as container platforms write them."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milterguard.config.load import load
from milterguard.config.on_failure import OnFailure
from milterguard.config.schema import entries, value_of
from milterguard.config.settings import LogTarget, Settings
from milterguard.core.destiny import Destiny
from milterguard.core.finding import Category
from milterguard.errors import ConfigError


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("SERVER_WORKERS", "3", 3),
        ("SERVER_WORKERS", " 3 ", 3),
        ("SERVER_SOCKET_MODE", "0o600", 0o600),
        ("SERVER_DEADLINE_SECONDS", "20", 20.0),
        ("SERVER_USER", "filter", "filter"),
        ("SERVER_USER", '"filter"', "filter"),
        ("SERVER_USER", "", ""),
        ("CHECKS_CLAMD_ENABLED", "false", False),
        ("CHECKS_CLAMD_SOCKETS", "unix:/a", ("unix:/a",)),
        ("CHECKS_CLAMD_SOCKETS", "unix:/a, inet:3310@clamd ,", ("unix:/a", "inet:3310@clamd")),
        ("CHECKS_CLAMD_SOCKETS", '["unix:/a", "unix:/b"]', ("unix:/a", "unix:/b")),
        ("CHECKS_CLAMD_ON_FAILURE", "pass", OnFailure(Destiny.PASS, Destiny.PASS, Destiny.PASS)),
        (
            "CHECKS_CLAMD_ON_FAILURE",
            '{ inbound = "pass" }',
            OnFailure(Destiny.PASS, Destiny.TEMPFAIL, Destiny.PASS),
        ),
        ("LOCAL_DOMAINS", "", ()),
        ("LOG_TARGET", "syslog", LogTarget.SYSLOG),
        ("POLICY_SPAM_KILL_LEVEL", "unset", None),
        ("POLICY_SPAM_KILL_LEVEL", "-5.5", -5.5),
        ("POLICY_SPAM_SUBJECT_TAG", "[SPAM] ", "[SPAM] "),
        ("POLICY_SPAM_SUBJECT_TAG", "{a} # b", "{a} # b"),
        ("POLICY_SPAM_SUBJECT_TAG", '"a" b', '"a" b'),
        ("POLICY_STORE_ON_PASS", "spam,bad_header", (Category.SPAM, Category.BAD_HEADER)),
    ],
)
def test_variables_are_read(variable: str, text: str, value: Any) -> None:
    """A variable holds a TOML value, a bare word or text, or a list with commas."""
    loaded = load(None, environ={f"MILTERGUARD_{variable}": text})
    [name] = [name for name, entry in entries().items() if entry.variable == f"MILTERGUARD_{variable}"]
    assert value_of(loaded.settings, entries()[name]) == value
    assert loaded.origins[name] == f"environment MILTERGUARD_{variable}"


@pytest.mark.parametrize(
    ("variable", "text", "message"),
    [
        ("SERVER_WORKERS", "many", 'server.workers: expected a whole number, found "many"'),
        ("SERVER_WORKERS", "1\nb = 2", 'expected a whole number, found "1'),
        ("SERVER_WORKERS", "", "expected a whole number"),
        ("CHECKS_CLAMD_ENABLED", "yes", 'expected true or false, found "yes"'),
        ("SERVER_WORKER", "1", 'did you mean "MILTERGUARD_SERVER_WORKERS"'),
        ("CLAMD_SOCKETS", "1", 'did you mean "MILTERGUARD_CHECKS_CLAMD_SOCKETS"'),
        ("FOO", "1", "expected the name of a setting, found an unknown one"),
        ("POLICY_STORE_ON_PASS", "spam;virus", 'found "spam;virus"'),
        ("CHECKS_CLAMD_ON_FAILURE", '{ local = "x" }', "checks.clamd.on_failure.local: expected"),
    ],
)
def test_wrong_variables_are_named(variable: str, text: str, message: str) -> None:
    """A wrong value or name in the environment is an error that names the variable."""
    with pytest.raises(ConfigError) as error:
        load(None, environ={f"MILTERGUARD_{variable}": text})
    assert str(error.value).startswith(f"environment MILTERGUARD_{variable}: ")
    assert message in str(error.value)


def test_what_kubernetes_sets_is_left_alone() -> None:
    """Variables that a platform makes for a service called milterguard are no settings."""
    environ = {
        "MILTERGUARD_SERVICE_HOST": "10.0.0.1",
        "MILTERGUARD_SERVICE_PORT_MILTER": "8899",
        "MILTERGUARD_PORT": "tcp://10.0.0.1:8899",
        "MILTERGUARD_PORT_8899_TCP_ADDR": "10.0.0.1",
    }
    assert load(None, environ=environ).settings == Settings()


def test_a_secret_comes_from_a_file(tmp_path: Path) -> None:
    """With _FILE the content of the file is the value, without its last line end."""
    secret = tmp_path / "url"
    secret.write_text("postgresql://filter:hunter2@db/mail\n")
    loaded = load(None, environ={"MILTERGUARD_STORE_URL_FILE": str(secret)})
    assert loaded.settings.store.url == "postgresql://filter:hunter2@db/mail"
    assert loaded.origins["store.url"] == "environment MILTERGUARD_STORE_URL_FILE"


def test_a_key_that_ends_in_file_is_a_key() -> None:
    """tls_ca_file is a setting of its own and not the content of a file."""
    loaded = load(None, environ={"MILTERGUARD_CHECKS_SPAMD_TLS_CA_FILE": "/etc/ca.pem"})
    assert loaded.settings.checks.spamd.tls_ca_file == "/etc/ca.pem"


def test_value_and_file_exclude_each_other(tmp_path: Path) -> None:
    """A variable and its _FILE together are a contradiction."""
    with pytest.raises(ConfigError, match="expected no MILTERGUARD_STORE_URL beside it, found both"):
        load(None, environ={"MILTERGUARD_STORE_URL": "", "MILTERGUARD_STORE_URL_FILE": str(tmp_path / "x")})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "expected the name of a readable file, found No such file"),
        (b"\xff", "expected UTF-8 in the file"),
        (b"x" * 70000, "expected at most 65536 octets in the file"),
        (b"hunter2", "expected a whole number, found something else in that file (not shown)"),
    ],
)
def test_what_is_in_the_file_is_never_shown(tmp_path: Path, content: bytes | None, message: str) -> None:
    """Whatever is wrong with the file of a _FILE variable, its content stays out of the message."""
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError) as error:
        load(None, environ={"MILTERGUARD_SERVER_WORKERS_FILE": str(file)})
    assert message in str(error.value)
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize(
    "text", ["hunter2", "mysql:/u:hunter2@h", "sqlite:///hunter2", "x\ny://u:hunter2@h", "1://hunter2"]
)
def test_secrets_stay_out_of_errors(text: str) -> None:
    """A database URL that is wrong is not repeated."""
    with pytest.raises(ConfigError) as error:
        load(None, environ={"MILTERGUARD_STORE_URL": text})
    assert "hunter2" not in str(error.value)


@given(name=st.sampled_from(sorted(entry.variable for entry in entries().values())), text=st.text(max_size=60))
def test_any_text_is_a_value_or_an_error(name: str, text: str) -> None:
    """Whatever a variable holds: settings, or ConfigError that names the variable."""
    try:
        load(None, environ={name: text})
    except ConfigError as error:
        named = error.file
    else:
        return
    assert named == f"environment {name}"
