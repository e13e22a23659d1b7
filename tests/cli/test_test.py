# SPDX-License-Identifier: GPL-3.0-or-later
"""``milterguard test``: what a postmaster's cases may say, and what he is told of them."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Program

PASSES = '[[case]]\nname = "clean mail passes"\nexpect = { answer = "pass", code = 250, category = "clean" }\n'
FAILS = """
[[case]]
name = "spam is welcome"
recipients = ["user@example.com"]
findings = [{ check = "spamd", score = 12.0, tests = { GTUBE = 12.0 } }]
expect = { answer = "pass", recipients = { "user@example.com" = { answer = "pass" } } }
"""
VIRUS = 'findings = [{ check = "clamd", category = "virus", detail = "Eicar" }]\n'


def cases(program: Program, text: str) -> str:
    file = program.folder / "cases.toml"
    file.write_text(text)
    return str(file)


def test_each_case_is_told_with_what_decided(milterguard: Program) -> None:
    """Exit status 1 when one fails; it names the settings and whose word they are."""
    result = milterguard("test", cases(milterguard, PASSES + FAILS))
    assert result.exit_code == 1
    lines = result.output.splitlines()
    assert lines[0].startswith("pass  clean mail passes")
    assert lines[1].startswith("FAIL  spam is welcome")
    assert "      answer: expected pass, found reject" in lines
    assert "      recipients.user@example.com.answer: expected pass, found reject" in lines
    assert "spam_kill_level 6.9 (default)" in result.output
    assert lines[-1] == "2 cases, 1 failed"


def test_programs_get_json(milterguard: Program) -> None:
    """A list of cases with what was missed."""
    told = json.loads(milterguard("test", "--json", cases(milterguard, PASSES + FAILS)).output)
    assert [each["passed"] for each in told] == [True, False]
    assert told[1]["misses"][0] == {"key": "answer", "expected": "pass", "found": "reject"}


def test_a_folder_is_all_its_files(milterguard: Program) -> None:
    """In lexical order; nothing but TOML."""
    folder = milterguard.folder / "cases"
    folder.mkdir()
    (folder / "b.toml").write_text(PASSES)
    (folder / "a.toml").write_text(PASSES.replace("clean mail passes", "first"))
    (folder / "notes.txt").write_text("none")
    result = milterguard("test", str(folder))
    assert result.exit_code == 0
    assert [line.split("  ")[1] for line in result.output.splitlines()[:2]] == ["first", "clean mail passes"]
    assert result.output.endswith("2 cases, all pass\n")


@pytest.mark.parametrize(
    "case",
    [
        'recipients = ["a@example.com"]\nannounced_size = 2000\nexpect = { answer = "refused_at_rcpt", code = 552 }',
        (
            'recipients = ["a@example.com", "big@example.com"]\nannounced_size = 2000\n'
            'expect = { answer = "pass", recipients = { "a@example.com" = { answer = "refused_at_rcpt" } } }'
        ),
        VIRUS + 'sendmail = true\nexpect = { answer = "discard", bank = "NON_SMTPD", quarantined = true }',
        VIRUS + 'login = "u"\nexpect = { answer = "reject", bank = "USERS", reply_contains = "INFECTED: Eicar" }',
        VIRUS + 'recipients = ["lover@example.com"]\n'
        'expect = { answer = "pass", fields = { X-Amavis-Alert = "Eicar" }, category = "virus" }',
        VIRUS + 'recipients = ["lover@example.com", "big@example.com"]\n'
        'expect = { recipients = { "big@example.com" = { answer = "removed", category = "virus" } } }',
        'findings = [{ check = "spamd", score = 4.0 }]\nexpect = { answer = "pass", shadow = "reject" }',
        'findings = [{ check = "clamd", category = "failed" }]\nexpect = { code = 451, status = "4.7.1" }',
        (
            'raw = """From: a@b.example\nSubject: hello\n\nx\n"""\nfindings = [{ check = "spamd", score = 6.5 }]\n'
            'expect = { subject = "***SPAM*** hello" }'
        ),
        (
            'raw = """From: a@b.example\nContent-Type: text/plain; name=a.exe\n\nx\n"""\nchecks = "local"\n'
            'expect = { answer = "reject", category = "banned" }'
        ),
        (
            'findings = [{ check = "banned", category = "banned", rule = "x", destiny = "discard" }]\n'
            'expect = { answer = "discard" }'
        ),
    ],
)
def test_what_a_case_may_say(milterguard: Program, case: str) -> None:
    """Envelope, sizes, made-up findings, really taken apart, on trial."""
    milterguard.configure(
        {
            "policy": {"spam_kill_level": {"value": 3.0, "shadow": True}},
            "bank": {"USERS": {"when": {"authenticated": True}}},
            "recipient": [
                {"match": ["a@example.com"], "message_size_limit": 1000},
                {"match": ["lover@example.com"], "virus_lover": True},
            ],
        }
    )
    result = milterguard("test", cases(milterguard, f'[[case]]\nname = "x"\n{case}\n'))
    assert result.exit_code == 0, result.output


def test_a_message_stands_beside_its_case(milterguard: Program) -> None:
    """And one that is not there is told by its name."""
    (milterguard.folder / "a.eml").write_text("From: a@b.example\nSubject: hello\n\nx\n")
    text = '[[case]]\nname = "x"\nmessage = "a.eml"\nexpect = { subject = "hello" }\n'
    assert milterguard("test", cases(milterguard, text)).exit_code == 0
    missing = milterguard("test", cases(milterguard, text.replace("a.eml", "b.eml")))
    assert missing.exit_code == 66
    assert "b.eml: No such file" in missing.output


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "expected [[case]] and nothing else, found none"),
        ("[policy]\nx = 1", "found policy"),
        ('[[case]]\nexpect = { answer = "pass" }', "case[1].name: expected a name, found none"),
        ('[[case]]\nname = "x"', "case[1].expect: expected a table with what is expected, found none"),
        ('[[case]]\nname = "x"\nexpct = 1', "case[1].expct: expected one of name, sender"),
        ('[[case]]\nname = "x"\nexpct = 1', 'did you mean "expect"?'),
        (
            PASSES + '[[case]]\nname = "x"\nexpect = { answer = "bounce" }',
            "case[2].expect.answer: expected one of pass",
        ),
        (
            '[[case]]\nname = "x"\nrecipients = ["a b"]\nexpect = { code = 1 }',
            "case[1].recipients: expected an array of addresses",
        ),
        (
            '[[case]]\nname = "x"\nexpect = { code = "554" }',
            'case[1].expect.code: expected a whole number, found "554"',
        ),
        (
            '[[case]]\nname = "x"\nfindings = [{ category = "virus" }]\nexpect = { answer = "pass" }',
            "case[1].findings[1].check: expected a check such as clamd, found none",
        ),
        (
            '[[case]]\nname = "x"\nfindings = [{ check = "spamd" }]\nexpect = { answer = "pass" }',
            "case[1].findings[1].category: expected a category, a score or a result, found none",
        ),
        (
            '[[case]]\nname = "x"\nfindings = [{ check = "clamd", category = "viros" }]\nexpect = { answer = "pass" }',
            "case[1].findings[1].category: expected one of clean",
        ),
        (
            '[[case]]\nname = "x"\nfindings = [7]\nexpect = { answer = "pass" }',
            "case[1].findings[1]: expected a table, found 7",
        ),
        (
            '[[case]]\nname = "x"\nexpect = { recipients = { "a@example.com" = { answer = "pass" } } }',
            'case[1].expect.recipients: expected recipients of the case, found "a@example.com"',
        ),
        (
            '[[case]]\nname = "x"\nfindings = [{ check = "spf", result = "passed" }]\nexpect = { answer = "pass" }',
            "case[1].findings[1].result: expected one of pass, fail,",
        ),
        (
            '[[case]]\nname = "x"\nfindings = [{ check = "dmarc", category = "forged" }]\nexpect = { answer = "pass" }',
            "case[1].findings[1].minor: expected one of quarantine, reject",
        ),
        (
            '[[case]]\nname = "x"\nmessage = "a"\nraw = "b"\nexpect = { answer = "pass" }',
            "case[1].raw: expected message or raw, found both",
        ),
    ],
)
def test_slips_in_a_case_are_told(milterguard: Program, text: str, told: str) -> None:
    """With file and key; exit status 78, and no case is played."""
    file = cases(milterguard, text)
    result = milterguard("test", file)
    assert result.exit_code == 78
    assert file in result.output
    assert told in result.output
    assert "pass  " not in result.output


def test_an_empty_folder_is_told(milterguard: Program, tmp_path: Path) -> None:
    """Nobody means to run no case."""
    (tmp_path / "empty").mkdir()
    result = milterguard("test", str(tmp_path / "empty"))
    assert result.exit_code == 78
    assert "expected files that end in .toml, found none" in result.output
