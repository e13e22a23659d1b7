# SPDX-License-Identifier: GPL-3.0-or-later
"""``policy show``: what holds for whom, and whose word it is."""

import json

import pytest

from tests.cli.conftest import Program
from tests.daemons import toml

ENTRIES: list[toml.Table] = [
    {"match": ["@example.com"], "spam_tag2_level": 5.0, "banned_rules": ["NO_MACROS"]},
    {"match": ["user@example.com"], "spam_lover": True, "banned_rules": ["ALLOW_SCRIPTS"]},
]


@pytest.fixture
def configured(milterguard: Program) -> Program:
    milterguard.configure({"policy": {"spam_kill_level": 8.0}, "recipient": ENTRIES})
    return milterguard


def shown(program: Program, *arguments: str) -> dict[str, tuple[str, str]]:
    """Return value and origin of each setting."""
    rows = json.loads(program("policy", "show", "--json", *arguments).output)
    return {row["key"]: (row["value"], row["origin"]) for row in rows}


def test_each_setting_has_value_and_origin(configured: Program) -> None:
    """The closest entry decides, sets of rules add up, the rest is [policy]'s or the default's."""
    file = str(configured.configuration)
    found = shown(configured, "User+Lists@Example.COM")
    assert found["spam_lover"] == ("true", f"user@example.com, {file}: [[recipient]] 2")
    assert found["spam_tag2_level"] == ("5.0", f"@example.com, {file}: [[recipient]] 1")
    assert found["spam_kill_level"] == ("8.0", file)
    assert found["virus_destiny"] == ('"reject"', "default")
    value, origin = found["banned_rules"]
    assert json.loads(value) == ["ALLOW_SCRIPTS", "NO_MACROS", "DEFAULT"]
    assert origin.index("[[recipient]] 2") < origin.index("[[recipient]] 1")


def test_what_is_at_its_default_can_be_left_out(configured: Program) -> None:
    """Only words of the operator stay."""
    assert set(shown(configured, "user@example.com", "--changed")) == {
        "spam_lover",
        "spam_tag2_level",
        "spam_kill_level",
        "banned_rules",
    }
    assert set(shown(configured, "user@example.org", "--changed")) == {"spam_kill_level"}


@pytest.mark.parametrize(
    ("options", "direction"),
    [
        ((), "inbound"),
        (("--client", "127.0.0.1"), "originating"),
        (("--login", "user"), "originating"),
        (("--auth", "user"), "originating"),
        (("--sendmail",), "local; bank NON_SMTPD"),
    ],
)
def test_the_direction_is_told(configured: Program, options: tuple[str, ...], direction: str) -> None:
    """And whether the recipient is ours."""
    configured.configure({"local": {"domains": ["example.com"], "networks": ["127.0.0.0/8"]}})
    assert (
        f"user@example.com: ours; mail is {direction}\n"
        in configured("policy", "show", "user@example.com", *options).output
    )
    assert "elsewhere, by local.domains" in configured("policy", "show", "user@example.org", *options).output


def test_mail_that_did_not_come_by_smtp_is_not_refused(configured: Program) -> None:
    """What would be refused by SMTP is told as what it becomes."""
    value, origin = shown(configured, "user@example.com", "--sendmail")["virus_destiny"]
    assert value == '"discard"'
    assert origin == 'mail that did not come by SMTP is never refused; by SMTP "reject", default'


@pytest.mark.parametrize(
    ("arguments", "named"),
    [(("a b",), "RECIPIENT"), (("",), "RECIPIENT"), (("user@example.com", "--client", "x"), "--client")],
)
def test_what_is_no_address_is_refused(configured: Program, arguments: tuple[str, ...], named: str) -> None:
    """The command line was not understood."""
    result = configured("policy", "show", *arguments)
    assert result.exit_code == 64
    assert named in result.stderr


def test_banks_that_hold_are_told(configured: Program) -> None:
    """With the options that choose them; recipients' entries are laid over them."""
    configured.configure(
        {
            "bank": {
                "OWN": {"when": {"authenticated": True}, "spam_destiny": "pass", "spam_tag2_level": 9.0},
                "LISTS": {
                    "when": {"sender": "@lists.example", "daemon": "in", "helo": "mx.example", "tls": True},
                    "contact": "x",
                },
            }
        }
    )
    file = str(configured.configuration)
    found = shown(configured, "user@example.com", "--login", "user")
    assert found["spam_destiny"] == ('"pass"', f"{file}: [bank.OWN]")
    assert found["spam_tag2_level"] == ("5.0", f"@example.com, {file}: [[recipient]] 1")
    options = ["--login", "u", "--from", "a@lists.example", "--daemon", "in", "--helo", "mx.example", "--tls"]
    assert "; bank OWN/LISTS\n" in configured("policy", "show", "user@example.com", *options).output
    assert shown(configured, "user@example.com", *options)["contact"] == ('"x"', f"{file}: [bank.LISTS]")
    rows = json.loads(configured("config", "show", "--json").output)
    assert {"key": "bank.LISTS.contact", "value": '"x"', "origin": f"{file}: [bank.LISTS]"} in rows


def test_what_is_on_trial_is_shown_beside_what_holds(milterguard: Program) -> None:
    """With the origin of each; a value on trial changes nothing."""
    trial: toml.Table = {"value": 4.0, "shadow": True}
    entry: toml.Table = {"match": ["@example.com"], "spam_destiny": {"value": "discard", "shadow": True}}
    milterguard.configure({"policy": {"spam_kill_level": trial}, "recipient": [entry]})
    rows = {
        row["key"]: row
        for row in json.loads(milterguard("policy", "show", "user@example.com", "--json", "--changed").output)
    }
    file = str(milterguard.configuration)
    assert rows["spam_kill_level"] == {
        "key": "spam_kill_level",
        "value": "6.9",
        "origin": "default",
        "shadow": "4.0",
        "shadow_origin": file,
    }
    assert rows["spam_destiny"]["value"] == '"reject"'
    assert rows["spam_destiny"]["shadow"] == '"discard"'
    assert rows["spam_destiny"]["shadow_origin"] == f"@example.com, {file}: [[recipient]] 1"
    assert "6.9 (on trial: 4.0" in milterguard("policy", "show", "user@example.com").output


def test_banks_by_our_socket_and_by_certificate(milterguard: Program) -> None:
    """What the MTA would tell of the connection is told on the command line."""
    banks: toml.Table = {
        "INNER": {"when": {"socket": "unix:/run/inner.sock"}, "originating": True},
        "PARTNER": {"when": {"certificate": "relay.example.net", "certificate_issuer": "Some CA"}},
    }
    milterguard.configure({"bank": banks})
    first = milterguard("policy", "show", "user@example.com", "--socket", "unix:/run/inner.sock").output
    assert "mail is originating; bank INNER" in first
    options = ("--certificate", "relay.example.net", "--issuer", "Some CA")
    assert "mail is inbound; bank PARTNER" in milterguard("policy", "show", "user@example.com", *options).output
    assert "bank" not in milterguard("policy", "show", "user@example.com", *options[:2]).output.splitlines()[0]


def test_the_line_of_a_table_or_file_is_told(configured: Program) -> None:
    """With the key that matched."""
    levels, vips = configured.configuration.with_name("levels"), configured.configuration.with_name("vips")
    levels.write_text("@example.com 5\n")
    vips.write_text("user@example.org\n")
    file = configured.configuration
    configured.configure(
        {
            "table": [{"setting": "spam_kill_level", "file": str(levels)}],
            "recipient": [{"match": [f"file:{vips}"], "spam_lover": True}],
        }
    )
    assert shown(configured, "a@example.com")["spam_kill_level"] == (
        "5.0",
        f"@example.com in {levels}, {file}: [[table]] 1",
    )
    assert shown(configured, "user@example.org")["spam_lover"] == (
        "true",
        f"user@example.org in {vips}, {file}: [[recipient]] 1",
    )
