# SPDX-License-Identifier: GPL-3.0-or-later
"""Policy banks as an operator writes them."""

from pathlib import Path

import pytest

from milterguard.config.load import load
from milterguard.core.bank import Bank, When
from milterguard.core.destiny import Destiny, Mixed
from milterguard.core.envelope import Traffic
from milterguard.errors import ConfigError


def banks(directory: Path, text: str) -> tuple[Bank, ...]:
    file = directory / "milterguard.toml"
    file.write_text(text, encoding="utf-8")
    return load(file, environ={}).settings.banks


def test_every_key_is_read(tmp_path: Path) -> None:
    """One value or several; settings of recipients and those of whole messages."""
    [bank] = banks(
        tmp_path,
        """
        [bank.ALL]
        when.network = ["192.0.2.0/24", "2001:db8::/32"]
        when.authenticated = false
        when.tls = true
        when.daemon = "in"
        when.helo = ".example.com"
        when.sender = ["<>", "@example.org"]
        when.traffic = "inbound"
        spam_destiny = "discard"
        mixed_recipients = "split"
        """,
    )
    assert bank.when == When(
        networks=("192.0.2.0/24", "2001:db8::/32"),
        is_authenticated=False,
        is_encrypted=True,
        daemons=("in",),
        helos=(".example.com",),
        senders=("<>", "@example.org"),
        traffics=(Traffic.INBOUND,),
    )
    assert bank.settings == (("spam_destiny", Destiny.DISCARD), ("mixed_recipients", Mixed.SPLIT))
    assert bank.origin.endswith("milterguard.toml: [bank.ALL]")


def test_they_keep_their_order_and_a_later_file_replaces_one(tmp_path: Path) -> None:
    """In the place of the one that is replaced."""
    (tmp_path / "conf.d").mkdir()
    later = "[bank.A]\nwhen = { tls = false }\n[bank.C]\nwhen = { tls = true }\n"
    (tmp_path / "conf.d" / "a.toml").write_text(later)
    found = banks(tmp_path, "[bank.A]\nwhen = { tls = true }\n[bank.B]\nwhen = { tls = true }\n")
    assert [(each.name, each.when.is_encrypted) for each in found] == [("A", False), ("B", True), ("C", True)]


@pytest.mark.parametrize(
    ("text", "key", "expected", "got"),
    [
        ("spam_destiny = 'pass'", "bank.A.when", "when = {", "none"),
        ("when = {}", "bank.A.when", "a table with one of network", "table"),
        ("when = { networks = '10.0.0.0/8' }", "bank.A.when.networks", "one of network", 'did you mean "network"'),
        ("when = { network = '10.0.0.1/8' }", "bank.A.when.network", "192.0.2.0/24", "10.0.0.1/8"),
        ("when = { network = [] }", "bank.A.when.network", "a string, or an array", "array"),
        ("when = { tls = 'yes' }", "bank.A.when.tls", "true or false", "yes"),
        ("when = { sender = 'example.com' }", "bank.A.when.sender", "user@example.com", 'did you mean "@example.com"'),
        ("when = { helo = '*.example.com' }", "bank.A.when.helo", "example.com", 'did you mean ".example.com"'),
        ("when = { traffic = 'inbond' }", "bank.A.when.traffic", "inbound", 'did you mean "inbound"'),
        ("when = { tls = true }\nspam_destny = 'pass'", "bank.A.spam_destny", "a policy key", '"spam_destiny"'),
        ("when = { tls = true }\nspam_destiny = 'no'", "bank.A.spam_destiny", "pass", "no"),
    ],
)
def test_a_slip_is_named(tmp_path: Path, text: str, key: str, expected: str, got: str) -> None:
    """With file, key, what was expected and what was found."""
    with pytest.raises(ConfigError) as error:
        banks(tmp_path, f"[bank.A]\n{text}\n")
    assert error.value.file == str(tmp_path / "milterguard.toml")
    assert error.value.key == key
    assert expected in error.value.expected
    assert got in error.value.got


@pytest.mark.parametrize("text", ["[bank.'A/B']\nwhen = { tls = true }", "[bank]\nA = 1"])
def test_a_bank_is_a_table_with_a_name(tmp_path: Path, text: str) -> None:
    """Of letters and digits, for it stands in the log."""
    with pytest.raises(ConfigError, match=r"a name of letters|a table"):
        banks(tmp_path, text)
