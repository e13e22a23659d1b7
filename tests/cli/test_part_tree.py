# SPDX-License-Identifier: GPL-3.0-or-later
"""The tree of parts: what stands in what, what was found about it, which rule said so and where it held."""

import io
import json
import zipfile
from email.message import EmailMessage

import pytest

from milterguard.cli import show
from milterguard.cli.part_tree import tell_parts
from tests.cli.conftest import Program


def zipped(**members: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, octets in members.items():
            archive.writestr(name.replace("_", "."), octets)
    return packed.getvalue()


def mail(*attached: tuple[str, bytes]) -> bytes:
    message = EmailMessage()
    message["From"], message["To"], message["Date"] = (
        "a@sender.example",
        "user@example.com",
        "1 Jan 2026 00:00:00 +0000",
    )
    message.set_content("See below.\n")
    for name, octets in attached:
        message.add_attachment(octets, maintype="application", subtype="octet-stream", filename=name)
    return message.as_bytes()


def tree(story: str) -> list[str]:
    """Return the lines of the tree, without digests."""
    lines = story.partition("What is in it")[2].partition("\n\n")[0].splitlines()[1:]
    return [line.partition(", sha256")[0] for line in lines if "· sha256" not in line]


def test_the_tree_shows_what_stands_in_what(milterguard: Program) -> None:
    """Lines lead down, and a rule stands below the part that it banned."""
    octets = mail(("papers.zip", zipped(inner_zip=zipped(run_js=b"1", a_txt=b"x"), b_txt=b"y")), ("c.txt", b"z"))
    assert tree(milterguard("scan", "-", stdin=octets).output) == [
        "  1 multipart/mixed",
        "  ├ 1/1 text/plain, .asc, 12 B",
        "  ├ 1/2 “papers.zip”, application/octet-stream, .zip, 401 B",
        "  │ ├ 1/2/1 “inner.zip”, .zip, 198 B",
        "  │ │ ├ 1/2/1/1 “run.js”, .asc, 1 B",
        "  │ │ │     ! BANNED by “script” of DEFAULT",
        "  │ │ └ 1/2/1/2 “a.txt”, .asc, 1 B",
        "  │ └ 1/2/2 “b.txt”, .asc, 1 B",
        "  └ 1/3 “c.txt”, application/octet-stream, .asc, 1 B",
    ]


def test_exceptions_are_told_with_those_for_whom_they_are(milterguard: Program) -> None:
    """What let a part through for one recipient stands beside what banned it for another."""
    text = '[[recipient]]\nmatch = ["dev@example.com"]\nbanned_rules = ["ALLOW_SCRIPTS"]\n'
    milterguard.configuration.write_text(milterguard.configuration.read_text() + text)
    whom = ["--to", "dev@example.com", "--to", "user@example.com"]
    lines = tree(milterguard("scan", *whom, "-", stdin=mail(("run.js", b"1"))).output)
    assert lines[-2:] == [
        "        + allowed by “scripts by name” of ALLOW_SCRIPTS, for <dev@example.com>",
        "        ! BANNED by “script” of DEFAULT, for <user@example.com>",
    ]


def test_a_rule_that_held_further_up_is_told_with_its_place(milterguard: Program) -> None:
    """A harmless file in an archive with the name of a program is banned for the archive's name."""
    octets = mail(("setup.exe", zipped(a_txt=b"x")))
    assert tree(milterguard("scan", "-", stdin=octets).output)[-1] == (
        "          ! BANNED by “executable by name” of DEFAULT, because it is in 1/2 “setup.exe”"
    )
    (document,) = json.loads(milterguard("scan", "--json", "-", stdin=octets).output)
    assert document["rulings"] == [
        {
            "part": "1/2/1",
            "matched": "1/2",
            "set": "DEFAULT",
            "rule": "executable by name",
            "action": "ban",
            "destiny": None,
            "detail": "executable by name: .asc,a.txt in setup.exe",
            "recipients": ["user@example.com"],
        }
    ]


def test_without_rules_there_are_no_rulings(milterguard: Program) -> None:
    """Null is not the same as none that holds."""
    milterguard.configure({"checks": {"banned": {"enabled": False}}})
    (document,) = json.loads(milterguard("scan", "--json", "-", stdin=mail(("run.js", b"1"))).output)
    assert document["rulings"] is None


def test_a_digest_can_be_copied_into_a_rule(milterguard: Program) -> None:
    """That of a banned part stands there whole."""
    output = milterguard("scan", "-", stdin=mail(("run.js", b"1"))).output
    assert "· sha256 6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b\n" in output


def test_what_is_banned_is_shown_however_many_parts_there_are(milterguard: Program) -> None:
    """The evidence has 300 parts: those that something was found about, then the first."""
    attached = [(f"{number}.txt", b"%d" % number) for number in range(310)]
    lines = tree(milterguard("scan", "-", stdin=mail(*attached, ("run.js", b"1"))).output)
    assert any(line.startswith("  └ 1/312 “run.js”") for line in lines)
    assert any("BANNED by “script” of DEFAULT" in line for line in lines)
    assert lines[-1].startswith("  and ")


def test_evidence_without_rulings_tells_the_findings(capsys: pytest.CaptureFixture[str]) -> None:
    """As the journal has it: the rule is named once, and what the line says already is not repeated."""
    part = {"placement": "1", "names": ["a.zip", "b.zip"], "flags": ["encrypted"], "detail": "encrypted"}
    findings = [
        {"check": "parts", "category": "unchecked", "minor": "encrypted", "detail": "a.zip: encrypted", "part": "1"},
        {"check": "banned", "category": "banned", "detail": "locked: .zip,a.zip", "rule": "locked", "part": "1"},
        {"check": "clamd", "category": "virus", "detail": "Eicar", "part": "1"},
        {"check": "clamd", "category": "clean", "part": "1"},
    ]
    tell_parts({"parts": [part], "findings": findings})
    assert capsys.readouterr().out.splitlines()[2:] == [
        "  1 “a.zip”, ENCRYPTED",
        "      ! UNCHECKED, encrypted",
        "      ! BANNED: locked: .zip,a.zip",
        "      ! clamd: VIRUS: Eicar",
        "      · also “b.zip”",
    ]


def test_a_detail_that_is_no_finding_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """Macros alone make nothing unchecked."""
    tell_parts({"parts": [{"placement": "1", "flags": ["macro"], "detail": "macros"}]})
    assert capsys.readouterr().out.splitlines()[2:] == ["  1 MACRO", "      · macros"]


def test_the_deepest_part_fits_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Of the lines that lead to it only the last are drawn."""
    parts = [{"placement": "/".join("1" * depth)} for depth in range(1, 55)]
    tell_parts({"parts": parts})
    assert capsys.readouterr().out.splitlines()[-1].startswith("  … ")


def test_on_a_terminal_text_is_wrapped_under_its_part(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What follows begins further in; control characters are shown as text."""
    monkeypatch.setattr(show, "is_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    show.hanging("  ├ 1/1 ", "one two three four five six \x1b[2J seven eight", rest="  │ ")
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["  ├ 1/1 one two three four five six", "  │   \\x{1B}[2J seven eight"]


def test_parts_that_lack_everything_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    """Evidence of other versions is no reason to fail."""
    tell_parts({"parts": [{}, "x", {"placement": "1/2"}], "rulings": [{}], "findings": [{}, "x"], "parts_left_out": 1})
    assert "and 1 more" in capsys.readouterr().out
