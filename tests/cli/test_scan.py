# SPDX-License-Identifier: GPL-3.0-or-later
"""``scan``: what would become of a message in a file, with the real scanners and without."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Program
from tests.daemons import Clamd, Spamd, toml
from tests.daemons.folder import free_port
from tests.daemons.sample import EICAR, GTUBE

PLAIN = b"From: a@sender.example\nTo: User <user@example.com>\nCc: second@example.com\nSubject: hello\n\nHello.\n"


@pytest.fixture
def scanners(milterguard: Program, clamd: Clamd, spamd: Spamd) -> Program:
    """A configuration that asks both scanners."""
    checks: toml.Table = {
        "clamd": {"enabled": True, "sockets": [clamd.socket]},
        "spamd": {"enabled": True, "sockets": [spamd.socket]},
    }
    milterguard.configure({"checks": checks})
    return milterguard


def scanned(program: Program, octets: bytes, *options: str) -> dict[str, Any]:
    """Return what ``scan --json`` says of a message on standard input."""
    documents = json.loads(program("scan", "--json", *options, "-", stdin=octets).output)
    assert isinstance(documents, list)
    return dict(documents[0])


def test_eicar_would_be_refused(scanners: Program) -> None:
    """Exit status 1, the finding and the reply; nothing is kept or written down."""
    octets = PLAIN.replace(b"Hello.", EICAR)
    result = scanners("scan", "-", stdin=octets)
    assert result.exit_code == 1
    assert "was refused, because of clamd: virus Eicar-Test-Signature" in result.output
    assert "554 5.7.0 Rejected, id=" in result.output
    assert not (scanners.folder / "quarantine").exists()
    assert not (scanners.folder / "milterguard.db").exists()


def test_gtube_is_spam_for_whom_it_is_spam(scanners: Program) -> None:
    """One recipient loves spam: the other would be removed, and that is a block."""
    scanners.configuration.write_text(
        scanners.configuration.read_text() + '\n[[recipient]]\nmatch = ["second@example.com"]\nspam_lover = true\n'
    )
    result = scanners("scan", "--json", "-", stdin=PLAIN.replace(b"Hello.", GTUBE))
    (document,) = json.loads(result.output)
    assert result.exit_code == 1
    assert document["removed"] == ["user@example.com"]
    assert [each["destiny"] for each in document["outcomes"]] == ["reject", "pass"]
    assert any(edit.startswith("change Subject: ***SPAM***") for edit in document["edits"])


def test_a_scanner_that_is_down_is_75(milterguard: Program) -> None:
    """What could not be checked is not called clean."""
    milterguard.configure({"checks": {"clamd": {"enabled": True, "sockets": [f"inet:{free_port()}@127.0.0.1"]}}})
    result = milterguard("scan", "-", stdin=PLAIN)
    assert (result.exit_code, "on_failure for this traffic: tempfail" in result.output) == (75, True)


@pytest.mark.parametrize(
    "octets",
    [PLAIN, PLAIN.replace(b"\n", b"\r\n"), b"From a@sender.example Fri Nov 20 2026\n" + PLAIN],
    ids=["LF", "CRLF", "mbox"],
)
def test_line_ends_and_mbox_do_not_matter(milterguard: Program, octets: bytes) -> None:
    """The message is the same, octet by octet."""
    document = scanned(milterguard, octets)
    assert document["size_bytes"] == len(PLAIN.replace(b"\n", b"\r\n"))
    assert document["subject"] == "hello"
    assert document["sender"] == "a@sender.example"
    assert document["recipients"] == ["user@example.com", "second@example.com"]


def test_the_envelope_can_be_given(milterguard: Program) -> None:
    """Sender, recipients, client, HELO and login are those of the options."""
    options = ["--from", "", "--to", "x@example.com", "--client", "[2001:db8::1]", "--helo", "mx", "--login", "joe"]
    document = scanned(milterguard, PLAIN, *options)
    assert (document["sender"], document["recipients"]) == ("", ["x@example.com"])
    assert (document["client_address"], document["helo"], document["login"]) == ("2001:db8::1", "mx", "joe")
    assert document["traffic"] == "originating"


@pytest.mark.parametrize(
    "octets",
    [b"", b"\n", b"no field\n", b" folded\n\n", b":\n\n", b"\0\xff\n" * 50, b"To: <<<>>>,,,@\n\n"],
)
def test_whatever_the_file_is_it_is_judged(milterguard: Program, octets: bytes) -> None:
    """Files that are no mail do not break anything."""
    assert scanned(milterguard, octets)["recipients"]


def test_a_client_that_is_no_address_is_refused(milterguard: Program) -> None:
    """A slip would be judged as some stranger."""
    result = milterguard("scan", "--client", "198.51.100", "-", stdin=PLAIN)
    assert (result.exit_code, "no IP address" in result.stderr) == (64, True)


def test_several_files_make_one_status(milterguard: Program, tmp_path: Path) -> None:
    """JSON is a list in the order of the files."""
    names = [str(tmp_path / name) for name in ("a.eml", "b.eml")]
    for name in names:
        Path(name).write_bytes(PLAIN)
    result = milterguard("scan", "--json", *names)
    assert (result.exit_code, [each["file"] for each in json.loads(result.output)]) == (0, names)


def test_what_cannot_be_read_is_told(milterguard: Program, tmp_path: Path) -> None:
    """A missing file or a folder is 66, a header section without end 65."""
    assert milterguard("scan", str(tmp_path / "none.eml")).exit_code == 66
    assert milterguard("scan", str(tmp_path)).exit_code == 66
    milterguard.configure({"server": {"max_header_bytes": 1024}})
    assert milterguard("scan", "-", stdin=b"X: " + b"x" * 2000).exit_code == 65


def test_a_body_over_the_limit_would_be_refused(milterguard: Program) -> None:
    """As in the session, with 552."""
    milterguard.configure({"server": {"max_body_bytes": 1024, "max_memory_bytes": 100}})
    result = milterguard("scan", "-", stdin=PLAIN + b"x" * 2000)
    assert (result.exit_code, "552 5.3.4" in result.stderr) == (1, True)


def test_a_file_that_cannot_be_read_costs_no_other(milterguard: Program, tmp_path: Path) -> None:
    """The others are told of, the bad ones on standard error; the status is that of the first of them."""
    good, long = tmp_path / "good.eml", tmp_path / "long.eml"
    good.write_bytes(PLAIN)
    long.write_bytes(b"Subject: " + b"x" * 2_000_000 + b"\n\n")
    result = milterguard("scan", str(good), str(long), str(tmp_path / "none.eml"), str(good))
    assert result.exit_code == 65
    assert result.output.count(f"== {good}") == 2
    said = result.stderr.splitlines()
    assert said[0].startswith(f"milterguard: {long}: header section over server.max_header_bytes (1048576); ")
    assert said[1] == f"milterguard: {tmp_path}/none.eml: No such file or directory"


@pytest.mark.parametrize("address", ["", "Dev <dev@example.com>", "a b@example.com", "dev@"])
def test_who_is_no_recipient_is_refused(milterguard: Program, address: str) -> None:
    """Another policy than the one that is meant would be tested."""
    result = milterguard("scan", "--to", address, "-", stdin=PLAIN)
    assert result.exit_code == 64
    assert "is no address such as user@example.com" in result.stderr
