# SPDX-License-Identifier: GPL-3.0-or-later
"""Files laid over each other, and what an operator is told about a slip."""

from pathlib import Path

import pytest

from milterguard.config.load import DEFAULT_PATH, Loaded, find_config, load
from milterguard.config.on_failure import OnFailure
from milterguard.config.schema import entries, value_of
from milterguard.config.settings import LogFormat, Settings
from milterguard.core.destiny import Destiny, Mixed
from milterguard.core.finding import Category
from milterguard.errors import ConfigError


def _write(directory: Path, text: str) -> Path:
    file = directory / "milterguard.toml"
    file.write_text(text, encoding="utf-8")
    return file


def _load(directory: Path, text: str) -> Loaded:
    return load(_write(directory, text), environ={})


def test_nothing_given_is_the_defaults() -> None:
    """Without file and environment every setting has its default and says so."""
    loaded = load(None, environ={})
    assert loaded.settings == Settings()
    assert set(loaded.origins.values()) == {"default"}


def test_every_type_is_read(tmp_path: Path) -> None:
    """Booleans, numbers, octal, words, lists, categories and levels arrive as the settings' types."""
    settings = _load(
        tmp_path,
        """
        [server]
        listen = ["unix:/run/a.sock", "inet6:8899@::1"]
        socket_mode = 0o600
        deadline_seconds = 20
        [local]
        domains = ["example.com", ".example.net"]
        [checks.clamd]
        enabled = false
        [log]
        format = "json"
        [policy]
        virus_destiny = "discard"
        spam_tag3_level = 12
        spam_kill_level = "unset"
        store_on_reject = ["bad_header", "virus"]
        mixed_recipients = "strictest"
        """,
    ).settings
    assert settings.server.listen == ("unix:/run/a.sock", "inet6:8899@::1")
    assert settings.server.socket_mode == 0o600
    assert isinstance(settings.server.deadline_seconds, float)
    assert settings.local.domains == ("example.com", ".example.net")
    assert not settings.checks.clamd.enabled
    assert settings.checks.spamd.enabled
    assert settings.log.format is LogFormat.JSON
    assert settings.policy.virus_destiny is Destiny.DISCARD
    assert settings.policy.spam_tag3_level == 12.0
    assert settings.policy.spam_kill_level is None
    assert settings.policy.store_on_reject == (Category.BAD_HEADER, Category.VIRUS)
    assert settings.policy.mixed_recipients is Mixed.STRICTEST


@pytest.mark.parametrize(
    ("check", "text", "expected"),
    [
        ("clamd", '"pass"', OnFailure(Destiny.PASS, Destiny.PASS, Destiny.PASS)),
        ("clamd", '"tempfail"', OnFailure(Destiny.TEMPFAIL, Destiny.TEMPFAIL, Destiny.PASS)),
        ("clamd", '{ inbound = "pass" }', OnFailure(Destiny.PASS, Destiny.TEMPFAIL, Destiny.PASS)),
        ("clamd", '{ local = "tempfail" }', OnFailure(Destiny.TEMPFAIL, Destiny.TEMPFAIL, Destiny.TEMPFAIL)),
        ("spamd", '"tempfail"', OnFailure(Destiny.TEMPFAIL, Destiny.TEMPFAIL, Destiny.PASS)),
        ("spamd", '{ inbound = "tempfail" }', OnFailure(Destiny.TEMPFAIL, Destiny.PASS, Destiny.PASS)),
        ("spamd", "{}", OnFailure(Destiny.PASS, Destiny.PASS, Destiny.PASS)),
    ],
)
def test_on_failure_is_a_word_or_a_table(tmp_path: Path, check: str, text: str, expected: OnFailure) -> None:
    """What a table leaves out, and local mail with the word tempfail, stays as that check has it."""
    settings = _load(tmp_path, f"[checks.{check}]\non_failure = {text}\n").settings
    assert value_of(settings, entries()[f"checks.{check}.on_failure"]) == expected


def test_conf_d_is_laid_over_in_lexical_order(tmp_path: Path) -> None:
    """conf.d/*.toml overrides the file key by key, in lexical order; other names are not read."""
    parts = tmp_path / "conf.d"
    parts.mkdir()
    (parts / "10-a.toml").write_text("[server]\nworkers = 1\nmax_messages = 5\n")
    (parts / "20-b.toml").write_text("[server]\nworkers = 2\n")
    (parts / ".30-c.toml").write_text("[server]\nworkers = 3\n")
    (parts / "40-d.toml.bak").write_text("broken")
    loaded = _load(tmp_path, "[server]\nworkers = 9\nmax_messages = 9\nuser = 'filter'\n")
    server = loaded.settings.server
    assert (server.workers, server.max_messages, server.user) == (2, 5, "filter")
    assert loaded.origins["server.workers"] == str(parts / "20-b.toml")
    assert loaded.origins["server.max_messages"] == str(parts / "10-a.toml")
    assert loaded.origins["server.user"] == str(tmp_path / "milterguard.toml")
    assert loaded.origins["server.group"] == "default"


def test_the_environment_has_the_last_word(tmp_path: Path) -> None:
    """A variable overrides file and conf.d."""
    file = _write(tmp_path, "[server]\nworkers = 9\n")
    loaded = load(file, environ={"MILTERGUARD_SERVER_WORKERS": "3", "PATH": "/bin"})
    assert loaded.settings.server.workers == 3
    assert loaded.origins["server.workers"] == "environment MILTERGUARD_SERVER_WORKERS"


def test_recipients_add_up_over_files(tmp_path: Path) -> None:
    """Entries of [[recipient]] come in the order of the files, typed, with their origin."""
    (tmp_path / "conf.d").mkdir()
    other = tmp_path / "conf.d" / "a.toml"
    other.write_text('[[recipient]]\nmatch = ["@.example.net"]\nspam_kill_level = "unset"\n')
    loaded = _load(
        tmp_path,
        """
        [[recipient]]
        match = ["lover@example.com", "info@"]
        spam_lover = true
        [[recipient]]
        match = ["@."]
        virus_destiny = "discard"
        store_on_pass = ["spam"]
        """,
    )
    first, second, third = loaded.settings.recipients
    assert (first.match, first.settings) == (("lover@example.com", "info@"), (("spam_lover", True),))
    assert dict(second.settings) == {"virus_destiny": Destiny.DISCARD, "store_on_pass": (Category.SPAM,)}
    assert third.settings == (("spam_kill_level", None),)
    assert second.origin == f"{tmp_path / 'milterguard.toml'}: [[recipient]] 2"
    assert third.origin == f"{other}: [[recipient]] 1"
    assert loaded.origins["recipient[3].spam_kill_level"] == str(other)


@pytest.mark.parametrize(
    ("text", "key", "expected", "got"),
    [
        ("workers = 1", "workers", "one of the sections", 'did you mean "server.workers"'),
        ("[sever]", "sever", "one of the sections", 'did you mean "server"'),
        ("[bank.x]", "bank.x.when", "when = {", "none"),
        ("bank = 1", "bank", "[bank.NAME]", "1"),
        ("[server]\nworker = 1", "server.worker", "a key of [server]", 'did you mean "workers"'),
        ("[checks.clam]", "checks.clam", "a key of [checks]", 'did you mean "clamd"'),
        ("[checks.clamd]\nsocket = []", "checks.clamd.socket", "a key of [checks.clamd]", 'did you mean "sockets"'),
        ("[policy]\nsa_kill_level_deflt = 5", "policy.sa_kill_level_deflt", "a key", 'mean "policy.spam_kill_level"'),
        ('[policy]\n"$final_virus_destiny" = 5', "policy.$final_virus_destiny", "a key", 'mean "policy.virus_destiny"'),
        ("[checks.parts]\nmax_levels = 5", "checks.parts.max_levels", "a key", 'mean "checks.parts.max_archive_depth"'),
        ("[checks.parts]\nscan_parts = 'always'", "checks.parts.scan_parts", "a key", 'mean "checks.clamd.scan_parts"'),
        ("[checks.bad_header]\n8bit = false", "checks.bad_header.8bit", "a key", 'mean "checks.bad_header.non_ascii"'),
        ("[checks.banned]\nrules = []", "checks.banned.rules", "a key", 'mean "policy.banned_rules"'),
        ("[checks.parts]\ndestiny = 'pass'", "checks.parts.destiny", "a key", "an unknown key"),
        ("[server]\nzzz = 1", "server.zzz", "a key of [server]", "an unknown key"),
        ("server = 1", "server", "a table", "1"),
        ("[server]\nworkers = true", "server.workers", "a whole number", "true"),
        ("[server]\nworkers = 1.0", "server.workers", "a whole number", "1"),
        ("[server]\nworkers = -1", "server.workers", "at least 0", "-1"),
        ("[server]\nworkers = 257", "server.workers", "at most 256", "257"),
        ("[server]\ndeadline_seconds = 3600.5", "server.deadline_seconds", "at most 3600", "3600.5"),
        ("[server]\nmax_messages = 10001", "server.max_messages", "at most 10000", "10001"),
        ("[release]\ntoken_seconds = 604801", "release.token_seconds", "at most 604800", "604801"),
        ("[checks.clamd]\ntimeout_seconds = 1e12", "checks.clamd.timeout_seconds", "at most 3600", "1e+12"),
        ("[server]\nworkers = '1'", "server.workers", "a whole number", '"1"'),
        ("[server]\nworkers = 99999999999999999999", "server.workers", "a whole number", "more than 18 digits"),
        ("[server]\ndeadline_seconds = nan", "server.deadline_seconds", "(finite)", "nan"),
        ("[server]\ndeadline_seconds = inf", "server.deadline_seconds", "(finite)", "inf"),
        ("[server]\ndeadline_seconds = 0.5", "server.deadline_seconds", "at least 1", "0.5"),
        ("[server]\ndeadline_seconds = true", "server.deadline_seconds", "a number", "true"),
        ("[server]\nuser = 3", "server.user", "a string", "3"),
        ('[server]\nuser = "a\\nb"', "server.user", "one line", '"a\\x{A}b"'),
        (
            '[server]\nlisten = "inet:1@h"',
            "server.listen",
            "an array of strings",
            '"inet:1@h"; did you mean ["inet:1@h"]?',
        ),
        ("[server]\nlisten = [1]", "server.listen", "a string", "1"),
        ("[checks.clamd]\nenabled = 1", "checks.clamd.enabled", "true or false", "1"),
        ('[checks.clamd]\non_failure = "reject"', "checks.clamd.on_failure", '"tempfail" or "pass"', '"reject"'),
        ("[checks.clamd]\non_failure = {inbuond = 'pass'}", "checks.clamd.on_failure", '"inbound"', '"inbound"'),
        (
            "[checks.clamd]\non_failure = {local = 'reject'}",
            "checks.clamd.on_failure.local",
            '"tempfail" or "pass"',
            '"reject"',
        ),
        ("[log]\nformat = 'jsn'", "log.format", '"text" or "json"', 'did you mean "json"'),
        ("[policy]\nvirus_destiny = 'Reject'", "policy.virus_destiny", '"pass"', 'did you mean "reject"'),
        ("[policy]\nvirus_destiny = 'bounce'", "policy.virus_destiny", '"discard" or "reject"', '"bounce"'),
        ("[policy]\nspam_kill_level = 'never'", "policy.spam_kill_level", 'a number or "unset"', '"never"'),
        ("[policy]\nstore_on_pass = ['spamm']", "policy.store_on_pass", '"clean"', 'did you mean "spam'),
        ("[policy]\nstore_on_pass = 'spam'", "policy.store_on_pass", "an array of categories", '"spam"'),
        ("[server]\nworkers = 1979-05-27", "server.workers", "a whole number", "a value of type date"),
        ("[recipient]\nmatch = ['@.']", "recipient", "double brackets", "a table"),
        ("recipient = [1]", "recipient[1]", "a table", "1"),
        ("[[recipient]]\nspam_lover = true", "recipient[1].match", "an array of recipients", "none"),
        ("[[recipient]]\nmatch = []", "recipient[1].match", "an array of recipients", "none"),
        ("[[recipient]]\nmatch = '@.'", "recipient[1].match", "an array of recipients", '"@."; did you mean ["@."]?'),
        ("[[recipient]]\nmatch = [1]", "recipient[1].match", "an array of recipients", "an array"),
        ("[[recipient]]\nmatch = ['example.com']", "recipient[1].match", "@example.com", 'mean "@example.com"'),
        ("[[recipient]]\nmatch = ['@.']\nspam_lovr = true", "recipient[1].spam_lovr", "a policy key", '"spam_lover"'),
        ("[[recipient]]\nmatch = ['@.']\nenabled = false", "recipient[1].enabled", "a policy key", "an unknown key"),
        ("[[recipient]]\nmatch = ['@.']\ncontact = 'x'", "recipient[1].contact", "one recipient", "one for [policy]"),
        ("[[recipient]]\nmatch = ['@.']\nspam_lover = 1", "recipient[1].spam_lover", "true or false", "1"),
    ],
)
def test_a_slip_is_named(tmp_path: Path, text: str, key: str, expected: str, got: str) -> None:
    """An error names the file, the dotted key, what was expected and what was found."""
    with pytest.raises(ConfigError) as error:
        _load(tmp_path, text)
    assert error.value.file == str(tmp_path / "milterguard.toml")
    assert error.value.key == key
    assert expected in error.value.expected
    assert got in error.value.got


@pytest.mark.parametrize(
    ("octets", "got"),
    [
        (b"[server]\nworkers 1\n", "at line 2, column 9: "),
        (b"[server]\nlisten = [", "at line 2, column 11: "),
        (b"[server]\nworkers = 1\nworkers = 2\n", "at line 3, column "),
        (b'[server]\nuser = "\xff"\n', "other octets at line 2, column 9"),
        (b"a = " + b"[" * 100_000, "brackets nested too deep"),
        (b"a = " + b"9" * 5000, "at "),
    ],
)
def test_broken_toml_is_placed(tmp_path: Path, octets: bytes, got: str) -> None:
    """Text that is no TOML is refused with line and column."""
    file = tmp_path / "milterguard.toml"
    file.write_bytes(octets)
    with pytest.raises(ConfigError) as error:
        load(file, environ={})
    assert (error.value.file, error.value.key) == (str(file), "")
    assert error.value.got.startswith(got) or (got == "at " and error.value.got)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[local]\ndomains = [example.com]", "local.domains"),
        ("[log]\nlevel = 'info'\n[checks.clamd] # ours\nenabled = yes", "checks.clamd.enabled"),
        ("[server]\nmax_body_bytes = 10M\n", "server.max_body_bytes"),
        ("[server]\nsocket_mode = 0660\n", "server.socket_mode"),
        ("[[recipient]]\nmatch = ['@.']\nspam_lover = True\n", "recipient.spam_lover"),
        ("server.user = milterguard\n", "server.user"),
        ("[store]\nurl = postgresql://u:secret@h/d\n", "store.url"),
        ('[[banned.X]]\nname = "\\.exe$"\n', "banned.X.name"),
        ("[server\nworkers = 1", ""),
        ("[server]\nworkers 1", ""),
    ],
)
def test_a_value_that_is_no_toml_is_told_with_its_key(tmp_path: Path, text: str, key: str) -> None:
    """Missing quotes and units behind numbers are the slips of every day; what stands there is not repeated."""
    with pytest.raises(ConfigError) as error:
        _load(tmp_path, text)
    assert error.value.key == key
    assert ("in quotes" in error.value.expected) == bool(key)
    assert error.value.got.startswith("at line ")
    assert "secret" not in str(error.value)


def test_a_byte_order_mark_is_no_error(tmp_path: Path) -> None:
    """A file that an editor saved with a byte order mark is read all the same."""
    file = tmp_path / "milterguard.toml"
    file.write_bytes(b"\xef\xbb\xbf[server]\nworkers = 4\n")
    assert load(file, environ={}).settings.server.workers == 4


def test_a_named_file_must_be_there(tmp_path: Path) -> None:
    """A file that was named and is missing, or is a directory, is an error and not the defaults."""
    with pytest.raises(ConfigError, match="expected a readable file, found No such file"):
        load(tmp_path / "missing.toml", environ={})
    with pytest.raises(ConfigError, match="expected a readable file, found Is a directory"):
        load(tmp_path, environ={})
    with pytest.raises(ConfigError, match="expected a readable file"):
        load(Path("a\0b"), environ={})


def test_conf_d_must_be_a_directory(tmp_path: Path) -> None:
    """A conf.d that cannot be listed is an error: what stands in it would silently be missing."""
    (tmp_path / "conf.d").write_text("")
    with pytest.raises(ConfigError, match="expected a readable directory"):
        _load(tmp_path, "")


def test_a_dangling_file_in_conf_d_is_an_error(tmp_path: Path) -> None:
    """A broken symbolic link in conf.d is told."""
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "a.toml").symlink_to("nowhere")
    with pytest.raises(ConfigError, match="a readable file"):
        _load(tmp_path, "")


def test_option_then_variable_then_etc() -> None:
    """--config goes before MILTERGUARD_CONFIG, and that before the file in /etc; empty is not given."""
    environ = {"MILTERGUARD_CONFIG": "/b.toml"}
    assert find_config("/a.toml", environ) == Path("/a.toml")
    assert find_config(None, environ) == Path("/b.toml")
    assert find_config("", environ) == Path("/b.toml")
    assert find_config(None, {"MILTERGUARD_CONFIG": ""}) in (None, DEFAULT_PATH)
    assert Path("/etc/milterguard/milterguard.toml") == DEFAULT_PATH


def test_the_variable_that_names_the_file_is_no_setting() -> None:
    """MILTERGUARD_CONFIG itself is not taken for an unknown setting."""
    assert load(None, environ={"MILTERGUARD_CONFIG": "/x"}).settings == Settings()
