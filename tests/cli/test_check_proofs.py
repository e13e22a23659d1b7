# SPDX-License-Identifier: GPL-3.0-or-later
"""``check`` about name servers, keys, seals, and banks by author that cannot hold."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from milterguard.cli.probe_proofs import proof_rows
from milterguard.config.load import load
from milterguard.keys.private import generated
from tests.cli.conftest import Program
from tests.daemons.toml import Table
from tests.fakes.dns import DnsServer

KEY = generated("rsa", bits=1024)
SMALL = generated("ed25519")
SELECT = "SELECT domain, selector, private_key FROM dkim WHERE domain = %d"


@pytest.fixture
def dns(milterguard: Program) -> Iterator[DnsServer]:
    with DnsServer() as server:
        limits = {"timeout_seconds": 0.3, "dns_budget_seconds": 0.6}
        milterguard.configure({"dns": {"servers": [server.address], **limits}})
        yield server


def rows(program: Program, settings: Table) -> dict[str, tuple[str, str]]:
    """Return state and text of each row, by its subject."""
    program.configure(settings)
    found = proof_rows(load(program.configuration, environ={}).settings)
    return {row.subject: (row.state.value, row.text) for row in found}


def entry(folder: Path, *, selector: str = "s1", octets: bytes = KEY.pem(), mode: int = 0o600) -> dict[str, str]:
    file = folder / f"{selector}.pem"
    file.write_bytes(octets)
    file.chmod(mode)
    return {"domain": "example.com", "selector": selector, "file": str(file)}


def test_the_name_servers_are_asked(milterguard: Program, dns: DnsServer) -> None:
    """Whether there is an answer; not while nobody would ask them."""
    assert rows(milterguard, {})["dns"] == ("ok", dns.address)
    dns.fault = "SERVFAIL"
    assert rows(milterguard, {})["dns"][0] == "error"
    assert "dns" not in rows(milterguard, {"checks": {"authentication": {"enabled": False}}})


def test_keys_are_compared_with_the_dns(milterguard: Program, dns: DnsServer, tmp_path: Path) -> None:
    """Those that are not published are a warning; those that cannot be used are an error."""
    name, other = "s1._domainkey.example.com", "s2._domainkey.example.com"
    dns.serve({name: [{"TXT": KEY.record}]})
    keys = [entry(tmp_path), entry(tmp_path, selector="s2", octets=SMALL.pem())]
    found = rows(milterguard, {"dkim_key": keys})
    assert (found[name], found[other]) == (("ok", "published"), ("warning", "no TXT record"))
    dns.fault = "SERVFAIL"
    assert rows(milterguard, {})[name][0] == "warning"
    for broken, said in (
        (entry(tmp_path, octets=b"nonsense"), "not a private key"),
        (entry(tmp_path, selector="s3", mode=0o644), "mode 0644: others may read or change it; chmod 0600, or 0640"),
    ):
        state, text = rows(milterguard, {"dkim_key": [broken]})["example.com"]
        assert (state, said in text) == ("error", True)


def test_keys_in_a_table(milterguard: Program, dns: DnsServer, tmp_path: Path) -> None:
    """The table is asked for a domain of ours; ``dkim test`` compares what it has."""
    file = tmp_path / "keys.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE dkim (domain TEXT, selector TEXT, private_key TEXT)")
        connection.execute("INSERT INTO dkim VALUES ('example.com', 's1', ?)", (KEY.pem().decode(),))
        connection.commit()
    signing: Table = {"signing": {"keys_urls": [f"sqlite:///{file}"], "keys_select": SELECT}}
    assert rows(milterguard, signing)["signing.keys_select"] == ("ok", "1 keys for example.com")
    dns.serve({"s1._domainkey.example.com": [{"TXT": KEY.record}]})
    assert milterguard("dkim", "test", "example.com").exit_code == 0
    assert "asks signing.keys_select" in milterguard("dkim", "test").output
    file.unlink()
    assert rows(milterguard, signing)["signing.keys_select"][0] == "error"


def test_what_keeps_mail_from_being_sealed(milterguard: Program, dns: DnsServer, tmp_path: Path) -> None:
    """Seals are wanted and no domain is named; or it has no RSA key."""
    del dns
    recipient: list[Table] = [{"match": ["a@example.com"], "arc_seal": True}]
    found = rows(milterguard, {"recipient": recipient})
    assert found["signing.arc_domain"][0] == "warning"
    keys = [entry(tmp_path, octets=SMALL.pem())]
    found = rows(milterguard, {"dkim_key": keys, "signing": {"arc_domain": "example.com"}})
    assert found["signing.arc_domain"] == ("error", "no RSA key of example.com: seals are made with RSA alone")
    keys = [entry(tmp_path)]
    assert "signing.arc_domain" not in rows(milterguard, {"dkim_key": keys})


def test_the_process_with_the_keys(milterguard: Program, dns: DnsServer, tmp_path: Path) -> None:
    """Nobody listens; and there is no such group."""
    del dns
    found = rows(milterguard, {"signing": {"signer": f"unix:{tmp_path}/s", "signer_group": "no-such-group"}})
    assert found["signing.signer"] == ("error", f"nobody listens at {tmp_path}/s")
    assert found["signing.signer_group"] == ("error", "there is no group no-such-group")


def test_banks_by_author_that_cannot_hold(milterguard: Program, dns: DnsServer) -> None:
    """What is settled at RCPT comes too early for them; and nobody asks who the author is."""
    del dns
    bank: Table = {"when": {"aligned_author": "@x.example"}, "refuse_mail": True, "spam_kill_level": 9.0}
    state, text = rows(milterguard, {"bank": {"X": bank}})["bank.X"]
    assert (state, text) == ("warning", "refuse_mail: settled at RCPT, when no author is known")
    bank = {"when": {"dkim_signer": "x.example"}, "spam_kill_level": 9.0}
    off: Table = {"bank": {"Y": bank}, "checks": {"authentication": {"enabled": False}}}
    assert rows(milterguard, off)["bank.Y"] == ("warning", "nobody asks who the author is: it holds for nobody")
