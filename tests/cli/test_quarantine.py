# SPDX-License-Identifier: GPL-3.0-or-later
"""``quarantine``: what people and programs see of withheld mail, and what they can do to it."""

import json
import os
import pty
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from milterguard.core.finding import Category
from milterguard.core.verdict import Keep
from tests.cli.conftest import Program
from tests.core.build import message
from tests.effects.mta import Mta

SPAM_ID, VIRUS_ID = "Abcdefghij12", "Zbcdefghij34"
EVIL = "Subject: \x1b]0;owned\x07\x1b[31mred"


@pytest.fixture
def kept(milterguard: Program) -> Program:
    """A quarantine with a spam and a newer virus."""
    spam = message("From: a@sender.example", "Subject: cheap pills")
    virus = replace(
        message("From: b@other.example", EVIL, to=("second@example.com",), sender=""),
        mail_id=VIRUS_ID,
        received_at=spam.received_at + 86400,
    )
    milterguard.quarantine.store(spam, Keep(Category.SPAM, ("user@example.com",)))
    milterguard.quarantine.store(virus, Keep(Category.VIRUS, ("second@example.com",)))
    return milterguard


def test_the_list_is_for_people_and_for_programs(kept: Program) -> None:
    """A table, the newest last; JSON with the promised keys."""
    lines = kept("quarantine", "list").output.splitlines()
    assert [line.split()[0] for line in lines] == ["MAIL", SPAM_ID, VIRUS_ID]
    first = json.loads(kept("quarantine", "list", "--json").output)[0]
    assert first["mail_id"] == SPAM_ID
    assert first["category"] == "spam"
    assert (first["sender"], first["recipients"]) == ("sender@sender.example", ["user@example.com"])
    assert (first["subject"], first["status"], first["received_at"]) == ("cheap pills", "held", 1_800_000_000.0)
    assert first["size_bytes"] == len(b"From: a@sender.example\r\nSubject: cheap pills\r\n\r\nHello.\r\n")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], [SPAM_ID, VIRUS_ID]),
        (["--category", "virus"], [VIRUS_ID]),
        (["--sender", "SENDER.example"], [SPAM_ID]),
        (["--sender", "*@nowhere.example"], []),
        (["--recipient", "second@*"], [VIRUS_ID]),
        (["--since", "2027-01-15T20:00+00:00"], [VIRUS_ID]),
        (["--since", "1000w"], [SPAM_ID, VIRUS_ID]),
        (["--category", "virus", "--sender", "sender"], []),
    ],
)
def test_the_list_can_be_narrowed(kept: Program, options: list[str], expected: list[str]) -> None:
    """All conditions must hold."""
    listed = json.loads(kept("quarantine", "list", "--json", *options).output)
    assert [each["mail_id"] for each in listed] == expected


def test_a_time_nobody_understands_is_refused(kept: Program) -> None:
    """The message says what would be understood."""
    result = kept("quarantine", "list", "--since", "yesterday")
    assert (result.exit_code, "7d" in result.stderr) == (64, True)


def test_an_empty_quarantine_is_an_empty_list(milterguard: Program) -> None:
    """Not an error, even when the folder was never made."""
    result = milterguard("quarantine", "list", "--json")
    assert (result.exit_code, json.loads(result.output)) == (0, [])


@pytest.mark.parametrize("command", [["list"], ["show", VIRUS_ID], ["show", VIRUS_ID, "--header"], ["list", "--json"]])
def test_nothing_hostile_reaches_the_terminal(kept: Program, command: list[str]) -> None:
    """Escape sequences in a subject are shown, not obeyed."""
    output = kept("quarantine", *command).output
    assert "\x1b" not in output
    assert "\x07" not in output


def test_raw_writes_the_very_octets(kept: Program) -> None:
    """Into a pipe the message comes as it is."""
    octets = kept("quarantine", "show", VIRUS_ID, "--raw").stdout_bytes
    assert octets == b"From: b@other.example\r\n" + EVIL.encode() + b"\r\n\r\nHello.\r\n"


def test_raw_on_a_terminal_is_made_harmless(kept: Program) -> None:
    """The same option on a terminal shows escapes as text."""
    shown = on_terminal(kept, "quarantine", "show", VIRUS_ID, "--raw")
    assert "Hello." in shown
    assert "\x1b" not in shown


def test_show_tells_the_releases(kept: Program, mta: Mta) -> None:
    """With time, recipient and the MTA's reply."""
    kept("quarantine", "release", SPAM_ID)
    assert "<user@example.com>: 250 2.0.0 Ok: queued as Q1" in kept("quarantine", "show", SPAM_ID).output
    shown = json.loads(kept("quarantine", "show", SPAM_ID, "--json").output)
    assert (shown["status"], len(shown["releases"])) == ("released", 1)


def test_release_says_what_the_mta_said_and_twice_delivers_once(kept: Program, mta: Mta) -> None:
    """Both calls succeed, the second says when it happened and sends nothing."""
    first, second = (kept("quarantine", "release", SPAM_ID) for _ in range(2))
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert "250 2.0.0 Ok: queued as Q1" in first.output
    assert "was released before" in second.output
    assert len(mta.delivered) == 1
    again = json.loads(kept("quarantine", "release", SPAM_ID, "--again", "--json").output)
    assert (again["is_new"], len(again["receipt"]), len(mta.delivered)) == (True, 2, 2)


def test_release_can_go_to_somebody_else(kept: Program, mta: Mta) -> None:
    """``--to`` may be repeated, and duplicates are one."""
    to = ["--to", "x@example.com", "--to", "y@example.com", "--to", "x@example.com"]
    assert kept("quarantine", "release", SPAM_ID, *to).exit_code == 0
    assert mta.delivered[0].recipients == ("x@example.com", "y@example.com")


@pytest.mark.parametrize(
    ("command", "reply", "status"),
    [
        (".", "451 4.3.0 later", 75),
        (".", "554 5.7.1 no", 69),
        ("RCPT", "550 5.1.1 unknown", 69),
        ("RCPT", "450 4.2.0", 75),
    ],
)
def test_a_refused_release_is_an_error(kept: Program, mta: Mta, command: str, reply: str, status: int) -> None:
    """The reply is shown, and the status tells whether trying again helps."""
    mta.replies[command] = reply
    result = kept("quarantine", "release", SPAM_ID)
    assert (result.exit_code, reply in result.stderr) == (status, True)
    assert json.loads(kept("quarantine", "show", SPAM_ID, "--json").output)["status"] == "held"


def test_a_release_for_some_is_told(kept: Program, mta: Mta) -> None:
    """Those who were refused make the status."""
    mta.replies["RCPT TO:<x@example.com>"] = "550 5.1.1 unknown"
    result = kept("quarantine", "release", SPAM_ID, "--to", "x@example.com", "--to", "y@example.com")
    assert (result.exit_code, "<x@example.com>: 550 5.1.1 unknown" in result.stderr) == (69, True)
    assert mta.delivered[0].recipients == ("y@example.com",)


@pytest.mark.parametrize("verb", ["show", "release", "delete"])
@pytest.mark.parametrize("mail_id", ["Nothere00000", "../../etc/passwd", "Abcdefghij12/../x", "x" * 5000])
def test_an_id_that_is_none_ends_with_66(kept: Program, verb: str, mail_id: str) -> None:
    """Missing, malicious or endless: never a success."""
    result = kept("quarantine", verb, mail_id, *(["--yes"] if verb == "delete" else []))
    assert result.exit_code == 66
    assert result.output.count("\n") == 1


@pytest.mark.parametrize("text", [f"554 5.7.0 Rejected, id={SPAM_ID} - SPAM", f"{SPAM_ID[0]}/spam-{SPAM_ID}.gz"])
def test_a_reply_or_a_files_name_will_do(kept: Program, text: str) -> None:
    """Users forward the reply that they got; the log has the file's name."""
    assert SPAM_ID in kept("quarantine", "show", text).output
    assert kept("quarantine", "delete", "--yes", text, SPAM_ID).output == f"deleted {SPAM_ID}\n"


def test_an_address_that_is_none_is_refused(kept: Program, mta: Mta) -> None:
    """Nothing that could become another command leaves."""
    assert kept("quarantine", "release", SPAM_ID, "--to", "a@b.example>\r\nRSET").exit_code == 64
    assert not mta.commands


def test_delete_asks_or_wants_yes(kept: Program) -> None:
    """Without a terminal only ``--yes`` deletes, and deletes what it says."""
    assert kept("quarantine", "delete", SPAM_ID).exit_code == 64
    assert kept("quarantine", "delete", SPAM_ID, "Nothere00000", "--yes").exit_code == 66
    assert len(list(kept.quarantine.entries())) == 2
    assert kept("quarantine", "delete", SPAM_ID, "--yes").output == f"deleted {SPAM_ID}\n"
    assert [entry.mail_id for entry in kept.quarantine.entries()] == [VIRUS_ID]


def test_no_example_deletes_what_is_newest(kept: Program) -> None:
    """``--since`` names the newer ones: who copies an example to clean up must not lose those."""
    assert "--since" not in kept("quarantine", "delete", "--help").output


def test_an_unreadable_quarantine_ends_with_74(milterguard: Program, tmp_path: Path) -> None:
    """A file in the place of the folder is told as such."""
    (tmp_path / "quarantine").write_text("no folder")
    assert milterguard("quarantine", "list").exit_code == 74


def test_on_a_terminal_the_list_is_a_drawn_table(kept: Program) -> None:
    """With lines, and without colours when NO_COLOR says so; escapes of strangers never get through."""
    drawn = on_terminal(kept, "quarantine", "list", NO_COLOR="1", COLUMNS="200")
    assert "─" in drawn
    assert SPAM_ID in drawn
    assert "\x1b]0" not in drawn
    assert "\x1b[3" not in drawn


@pytest.mark.parametrize("columns", [80, 100, 150])
def test_an_id_can_be_copied_from_any_terminal(kept: Program, columns: int) -> None:
    """It stands on one line, and no line is longer than the terminal."""
    drawn = on_terminal(kept, "quarantine", "list", NO_COLOR="1", COLUMNS=str(columns))
    assert SPAM_ID in drawn
    assert "Subj" in drawn
    assert max(len(line) for line in re.sub(r"\x1b\[[0-9;]*m", "", drawn).splitlines()) <= columns


def test_delete_asks_on_a_terminal(kept: Program) -> None:
    """Who says no keeps everything."""
    assert "nothing was done" in on_terminal(kept, "quarantine", "delete", SPAM_ID, answer=b"n\n")
    assert len(list(kept.quarantine.entries())) == 2
    on_terminal(kept, "quarantine", "delete", SPAM_ID, answer=b"y\n")
    assert len(list(kept.quarantine.entries())) == 1


def on_terminal(milterguard: Program, *arguments: str, answer: bytes = b"", **environment: str) -> str:
    """Run a command on a pseudo-terminal and return what it showed."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "milterguard", *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", "MILTERGUARD_CONFIG": str(milterguard.configuration), **environment},
    ) as process:
        os.close(theirs)
        os.write(ours, answer)
        octets = b""
        try:
            while block := os.read(ours, 4096):
                octets += block
        except OSError:
            pass  # the terminal is gone with the program
        os.close(ours)
        process.wait(30)
    return octets.decode()


def test_a_release_that_broke_off_is_told(kept: Program, mta: Mta) -> None:
    """``show`` says perhaps, ``release`` refuses with 69 until ``--again``."""
    mta.hangs_up = "after milter"
    assert kept("quarantine", "release", SPAM_ID).exit_code == 69
    assert "perhaps, at " in kept("quarantine", "show", SPAM_ID).output
    assert kept("quarantine", "release", SPAM_ID).exit_code == 69
    mta.hangs_up = ""
    assert kept("quarantine", "release", SPAM_ID, "--again").exit_code == 0


def test_a_port_without_our_milter_is_warned_of(kept: Program) -> None:
    """The release is a success, but something is set up wrongly."""
    with Mta(None) as door:
        kept.configure({"release": {"smtp": f"inet:{door.port}@127.0.0.1"}})
        result = kept("quarantine", "release", SPAM_ID)
    assert (result.exit_code, "our milter did not see" in result.stderr) == (0, True)
