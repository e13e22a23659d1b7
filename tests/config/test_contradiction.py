# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings that are of the right type and yet cannot hold."""

from pathlib import Path

import pytest

from milterguard.config.load import load
from milterguard.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "key", "message"),
    [
        ("[server]\nlisten = []", "server.listen", "one socket at least"),
        ("[server]\nlisten = ['inet:127.0.0.1:8899']", "server.listen", "inet:8899@127.0.0.1 (the port comes first"),
        ("[server]\nlisten = ['tls:8899@127.0.0.1']", "server.listen", "one of inet:, inet6:, unix:"),
        ("[server]\nlisten = ['inet6:1@::1', 'inet6:1@[::1]']", "server.listen", '"inet6:1@::1" twice'),
        ("[server]\nlisten = ['unix:a']", "server.listen", "an absolute path"),
        (
            '[store]\nurl = "postgres://u:secret@h/d"',
            "store.url",
            'postgresql+psycopg or mysql+pymysql before ://, found "',
        ),
        ("[server]\nsocket_mode = 0o7777", "server.socket_mode", "at most 0o777, octal, found 0o7777"),
        ("[server]\nsocket_mode = 660", "server.socket_mode", 'at most 0o777, octal, found 660; did you mean "0o660"?'),
        ("[server]\nmax_messages = 500", "server.max_messages", "not below max_messages (500), found 400"),
        ("[server]\nmax_messages_total = 50", "server.max_messages_total", "not below max_messages (100), found 50"),
        ("[server]\nprogress_seconds = 25", "server.progress_seconds", "below deadline_seconds (25), found 25"),
        ("[server]\ndeadline_seconds = 4", "server.deadline_seconds", "below deadline_seconds (4), found 5"),
        ("[server]\nspool_directory = 'tmp'", "server.spool_directory", "an absolute path, or nothing"),
        ("[server]\nstate_directory = ''", "server.state_directory", "an absolute path"),
        ("[local]\ndomains = ['user@example.com']", "local.domains", 'did you mean "example.com"'),
        ("[local]\ndomains = ['*.example.com']", "local.domains", 'did you mean ".example.com"'),
        ("[local]\ndomains = ['example com']", "local.domains", "example.com, .example.com"),
        ("[local]\ndomains = ['']", "local.domains", "example.com, .example.com"),
        ("[local]\nnetworks = ['192.0.2.1/24']", "local.networks", 'did you mean "192.0.2.0/24"'),
        ("[local]\nnetworks = ['localhost']", "local.networks", "a network such as"),
        ("[local]\nrecipient_delimiter = 'x'", "local.recipient_delimiter", '"+", "-" or the like'),
        ("[local]\nrecipient_delimiter = '@'", "local.recipient_delimiter", '"+", "-" or the like'),
        ("[checks.clamd]\nsockets = []", "checks.clamd.sockets", "one socket at least"),
        ("[checks.clamd]\nsockets = ['tls:1@h']", "checks.clamd.sockets", "one of inet:, inet6:, unix:"),
        ("[checks.spamd]\nsockets = ['unix:/a', 'unix:/a']", "checks.spamd.sockets", '"unix:/a" twice'),
        ("[checks.spamd]\ntls_ca_file = 'ca.pem'", "checks.spamd.tls_ca_file", "an absolute path, or nothing"),
        ("[headers]\nalert_name = 'X Alert:'", "headers.alert_name", "begins with X-"),
        (
            "[headers]\nalert_name = 'Subject'",
            "headers.alert_name",
            "begins with X-, such as X-Amavis-Alert, or nothing",
        ),
        ("[headers]\nalert_name = 'X-'", "headers.alert_name", "begins with X-"),
        ("[headers]\nalert_name = 'X-spam-flag'", "headers.alert_name", "a name of its own"),
        ("[headers]\nalert_name = 'X-Virus-Scanned'", "headers.alert_name", "a name of its own"),
        ("[headers]\nalert_name = 'x-quarantine-id'", "headers.alert_name", "a name of its own"),
        ("[headers]\nhostname = 'a b'", "headers.hostname", "a host name"),
        ("[headers]\nhostname = '-mail.example.com'", "headers.hostname", "a host name"),
        ("[headers]\nhostname = 'mail..example.com'", "headers.hostname", "a host name"),
        ("[headers]\nspam_level_char = '**'", "headers.spam_level_char", "one printable ASCII character"),
        ("[headers]\nspam_level_char = 'ü'", "headers.spam_level_char", "one printable ASCII character"),
        ("[store]\nurl = 'sqlite:///a.db'", "store.url", "four slashes, found a relative one"),
        ("[store]\nurl = '/var/lib/x'", "store.url", "found something else (not shown)"),
        ("[quarantine]\nstore = '/var/quarantine'", "quarantine.store", "file: with an absolute path"),
        ("[quarantine]\nstore = 'file:quarantine'", "quarantine.store", "file: with an absolute path"),
        ("[release]\nsmtp = '127.0.0.1:25'", "release.smtp", "inet:PORT@HOST"),
        ("[release]\nsmtp = 'tls:465@h'", "release.smtp", "one of inet:, inet6:, unix:"),
        ("[log]\nlevel = 'warn'", "log.level", 'did you mean "warning"'),
        ("[log]\nfacility = 'mali'", "log.facility", 'did you mean "mail"'),
        (
            "[[recipient]]\nmatch = ['a@b']\nspam_lover = true\n[[recipient]]\nmatch = ['A@B']\nspam_lover = false",
            "recipient[2].spam_lover",
            "one value for A@B, found two that differ",
        ),
        (
            "[checks.parts]\nenabled = false\n[checks.banned]\nenabled = false\n[checks.clamd]\nscan_parts = 'always'",
            "checks.clamd.scan_parts",
            "nothing is taken apart",
        ),
        ("[checks.parts]\npasswords = ['hush']", "checks.parts.passwords", "none of the passwords would be tried"),
    ],
)
def test_contradictions_are_refused(tmp_path: Path, text: str, key: str, message: str) -> None:
    """Each contradiction names the file and the key that is not a default."""
    file = tmp_path / "milterguard.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as error:
        load(file, environ={})
    assert (error.value.file, error.value.key) == (str(file), key)
    assert message in str(error.value)


@pytest.mark.parametrize(
    "text",
    [
        "[checks.clamd]\nenabled = false\nsockets = []",
        "[checks.spamd]\nsockets = ['tls:783@spam.example.com', 'inet:783@spam.example.com']",
        "[checks.parts]\nenabled = false\n[checks.clamd]\nscan_parts = 'always'",
        "[checks.parts]\nenabled = false\n[checks.banned]\nenabled = false",
        "[checks.parts]\npassword_attempts = 20",
        "[store]\nurl = ''",
        "[store]\nurl = 'sqlite://'",
        "[store]\nurl = 'sqlite:////tmp/a.db?timeout=5'",
        "[store]\nurl = 'postgresql+psycopg://u:p@h/d'",
        "[local]\ndomains = ['.', 'bücher.example', '.xn--bcher-kva.example', '[192.0.2.1]']",
        "[local]\nnetworks = ['::1', '10.1.2.3', '2001:db8::/32']",
        "[local]\nrecipient_delimiter = ''",
        "[local]\nrecipient_delimiter = '+-'",
        "[[recipient]]\nmatch = ['a@b']\nspam_lover = true\n[[recipient]]\nmatch = ['a@b']\nspam_lover = true",
        "[[recipient]]\nmatch = ['a@b']\nspam_lover = true\n[[recipient]]\nmatch = ['a@b']\nvirus_lover = true",
        "[headers]\nalert_name = ''\nspam_level_char = ''\nhostname = 'mail-1.example.com'",
        "[headers]\nalert_name = 'X-Spamish-2'",
        "[server]\nworkers = 256\ndeadline_seconds = 3600",
        "[release]\ntoken_seconds = 604800",
        "[server]\nmax_messages = 7\nmax_messages_total = 7",
    ],
)
def test_what_may_stand_together(tmp_path: Path, text: str) -> None:
    """What only looks odd is accepted."""
    file = tmp_path / "milterguard.toml"
    file.write_text(text, encoding="utf-8")
    load(file, environ={})


def test_a_later_file_may_say_otherwise(tmp_path: Path) -> None:
    """Two files may give one recipient two values: the later one is meant to correct the earlier."""
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "a.toml").write_text("[[recipient]]\nmatch = ['a@b']\nspam_lover = false")
    file = tmp_path / "milterguard.toml"
    file.write_text("[[recipient]]\nmatch = ['a@b']\nspam_lover = true")
    assert len(load(file, environ={}).settings.recipients) == 2
