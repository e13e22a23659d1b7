# SPDX-License-Identifier: GPL-3.0-or-later
"""``check`` reads Postfix' lists of milters: who signs before us signs what we change."""

import json
from pathlib import Path

import pytest

from milterguard.cli.probe import Row, State
from milterguard.cli.probe_postfix import is_signer, milters, postfix_rows, signed_changes
from milterguard.config.settings import RecipientRule, Server, Settings
from milterguard.core.by_category import by_category
from milterguard.core.custom import Action, FieldRule
from milterguard.core.envelope import Traffic
from milterguard.core.finding import Category
from milterguard.core.policy import OnTrial, Policy
from tests.cli.conftest import Program

NO_TAGS = Policy(spam_subject_tag="")
TO = FieldRule(Action.REPLACE, "Reply-To", "x@example.com")


def configured(folder: Path, main: str = "", master: str = "") -> str:
    """Return a folder with these lines for the real postconf."""
    (folder / "main.cf").write_text(main)
    (folder / "master.cf").write_text(master)
    return str(folder)


def rows(folder: Path, main: str = "", master: str = "", *, settings: Settings | None = None) -> list[Row]:
    return list(postfix_rows(settings or Settings(), configured(folder, main, master)))


SIGNER_FIRST = "smtpd_milters = inet:localhost:8891,\n  { inet:127.0.0.1:8899, default_action=tempfail }\n"


def test_a_signer_before_us_is_told_of(tmp_path: Path) -> None:
    """With what breaks its signatures, and what to do; a list that names the other is read as what it means."""
    found = rows(tmp_path, SIGNER_FIRST + "non_smtpd_milters = $smtpd_milters\n")
    assert [(each.subject, each.state) for each in found] == [
        ("Postfix smtpd_milters", State.WARNING),
        ("Postfix non_smtpd_milters", State.WARNING),
    ]
    assert found[0].text == "inet:localhost:8891 signs before us, and then we change Subject"
    assert found[0].advice.startswith("put milterguard first")


def test_a_signer_behind_us_is_where_it_belongs(tmp_path: Path) -> None:
    """It signs what is delivered."""
    (row,) = rows(tmp_path, "smtpd_milters = inet:127.0.0.1:8899, inet:localhost:8891\n")
    assert (row.state, row.advice) == (State.OK, "")


def test_where_nothing_is_changed_nothing_breaks(tmp_path: Path) -> None:
    """No tag, no field that signers sign."""
    (row,) = rows(tmp_path, SIGNER_FIRST, settings=Settings(policy=NO_TAGS))
    assert row.state is State.OK


def test_services_with_lists_of_their_own_are_read(tmp_path: Path) -> None:
    """In either way of writing, and unix sockets as the MTA sees them."""
    master = (
        "submission inet n - y - - smtpd\n"
        "  -o { smtpd_milters = unix:opendkim/opendkim.sock, unix:milterguard/milter.sock }\n"
    )
    server = Server(listen=("unix:/var/spool/postfix/milterguard/milter.sock",))
    (row,) = rows(tmp_path, "", master, settings=Settings(server=server))
    assert row.subject == "Postfix submission/inet/smtpd_milters"
    assert row.text.startswith("unix:opendkim/opendkim.sock signs before us")


def test_a_postfix_that_does_not_know_us_is_none_of_our_business(tmp_path: Path) -> None:
    """Nor one that is not there, or is broken."""
    assert rows(tmp_path, "smtpd_milters = inet:localhost:8891\n") == []
    assert rows(tmp_path) == []
    assert list(postfix_rows(Settings(), str(tmp_path / "missing"))) == []


def test_without_postconf_nothing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host where the MTA is another one; a program that cannot be run."""
    folder = configured(tmp_path, SIGNER_FIRST)
    monkeypatch.setattr("milterguard.cli.probe_postfix._PLACES", "/nonexistent")
    monkeypatch.setenv("PATH", "/nonexistent")
    assert list(postfix_rows(Settings(), folder)) == []
    broken = tmp_path / "postconf"
    broken.write_text("not a program")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert list(postfix_rows(Settings(), folder)) == []


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("inet:a:1, inet:b:2\n unix:c", ["inet:a:1", "inet:b:2", "unix:c"]),
        ("{ inet:a:1, command_timeout=5s } { unix:b }{}", ["inet:a:1", "unix:b"]),
        (" ", []),
        ("{ inet:a:1, inet:b:2", ["inet:a:1", "inet:b:2"]),
    ],
)
def test_lists_are_taken_apart_as_postfix_does_it(value: str, found: list[str]) -> None:
    """Commas and blanks between, braces round one with its options."""
    assert milters(value) == found


@pytest.mark.parametrize(
    ("milter", "signs"),
    [
        ("inet:localhost:8891", True),
        ("inet:localhost:12301", True),
        ("inet:[::1]:11332", True),
        ("unix:/run/opendkim/opendkim.sock", True),
        ("local:run/dkimpy-milter/dkimpy-milter.sock", True),
        ("inet:rspamd:9900", True),
        ("inet:localhost:8893", False),
        ("unix:/run/clamav/8891", False),
    ],
)
def test_signers_are_known_by_name_path_or_port(milter: str, signs: bool) -> None:
    """OpenDKIM, dkimpy-milter, rspamd."""
    assert is_signer(milter) is signs


@pytest.mark.parametrize(
    ("settings", "changed"),
    [
        (Settings(), ["Subject"]),
        (Settings(policy=NO_TAGS), []),
        (Settings(policy=Policy(spam_subject_tag="", subject_tag=by_category([(Category.VIRUS, "V ")]))), ["Subject"]),
        (
            Settings(policy=NO_TAGS, recipients=(RecipientRule(("@.",), (("spam_subject_tag1", "x "),)),)),
            ["Subject"],
        ),
        (Settings(policy=NO_TAGS, recipients=(RecipientRule(("@.",), (("spam_subject_tag", OnTrial("x ")),)),)), []),
        (Settings(policy=NO_TAGS, fields=(TO, FieldRule(Action.ADD, "X-New", "x"))), ["Reply-To"]),
        (
            Settings(policy=NO_TAGS, fields=(FieldRule(Action.REPLACE, "Reply-To", "x", traffics=(Traffic.INBOUND,)),)),
            [],
        ),
    ],
)
def test_what_breaks_a_signature(settings: Settings, changed: list[str]) -> None:
    """Tags of the Subject wherever they stand, and signed fields in mail that is not a stranger's."""
    assert signed_changes(settings) == changed


def test_the_command_says_it(milterguard: Program, tmp_path: Path) -> None:
    """For the Postfix of another folder too."""
    (tmp_path / "postfix").mkdir()
    folder = configured(tmp_path / "postfix", SIGNER_FIRST)
    result = milterguard("check", "--json", "--postfix-config", folder)
    (row,) = [each for each in json.loads(result.output) if each["subject"] == "Postfix smtpd_milters"]
    assert row["state"] == "warning"
