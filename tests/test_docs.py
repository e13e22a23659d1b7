# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documents say about files, settings, commands and standards is so."""

import re
import shlex
import sqlite3
import tomllib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import click
import pytest

from milterguard.cli.program import program
from milterguard.cli.status import MEANINGS
from milterguard.config.load import load
from milterguard.config.schema import entries, sections
from milterguard.store.migrate import upgrade
from tests.pages import FENCE as _FENCE
from tests.pages import moved

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("docker/*.md")])
TEXTS = {str(path.relative_to(ROOT)): path.read_text() for path in DOCUMENTS}
HAND_WRITTEN = sorted(name for name in TEXTS if name not in {"docs/settings.md", "docs/performance.md"})

_LINK = re.compile(r"\[[^\]]+\]\((?P<target>[^)\s]+)\)")
_OUTPUT = "text"
"""The kind of fence around what a program printed: nobody types that."""
_CODE = re.compile(r"(?<!`)`(?P<text>[^`\n]+)`(?!`)")
_TOP_SECTIONS = sorted({name.partition(".")[0] for name in (*sections(), "policy")})
_SETTING = re.compile(rf"(?<![\w./-])(?P<name>(?:{'|'.join(_TOP_SECTIONS)})(?:\.[a-z][a-z0-9_]*)+)(?![\w./(])")
_VARIABLE = re.compile(r"\bMILTERGUARD_[A-Z0-9_]+")
_COMMAND = re.compile(r"(?:^|[\s(])milterguard (?!-- |milterguard )(?P<rest>[a-z-][^|#>\n]*)", re.MULTILINE)
_RFC = re.compile(r"\bRFC (?P<number>[0-9]+)")
_FILE_ENDINGS = (".py", ".md", ".toml", ".conf", ".service")


def slug(heading: str) -> str:
    """The anchor that a heading has on the usual web pages."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def anchors(text: str) -> set[str]:
    return {slug(line.lstrip("#")) for line in text.splitlines() if line.startswith("#")}


def codes(text: str) -> Iterator[str]:
    """Everything set as code but output: within lines, indented, fenced; commands over several lines as one."""
    plain = _FENCE.sub("", text)
    yield from (match["text"] for match in _CODE.finditer(plain))
    typed = (match for match in _FENCE.finditer(text) if match["kind"] != _OUTPUT)
    yield from (match["text"].replace("\\\n", " ") for match in typed)
    yield from (line.strip() for line in plain.splitlines() if line.startswith("    "))


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_links_lead_somewhere(name: str) -> None:
    """Every link to a file of ours names a file that exists, and a heading in it."""
    for match in _LINK.finditer(TEXTS[name]):
        target, _, anchor = match["target"].partition("#")
        if "://" in target:
            continue
        path = (ROOT / name).parent / target if target else ROOT / name
        assert path.exists(), f"{name}: {match['target']}"
        if anchor:
            assert anchor in anchors(path.read_text()), f"{name}: {match['target']}"


@pytest.mark.parametrize("name", HAND_WRITTEN)
def test_settings_exist(name: str) -> None:
    """Every setting that a document names exists, as a dotted name and as an environment variable."""
    variables = {entry.variable for entry in entries().values()} | {"MILTERGUARD_CONFIG"}
    for text in codes(TEXTS[name]):
        for match in _SETTING.finditer(text):
            if not match["name"].endswith(_FILE_ENDINGS):
                assert match["name"] in {*entries(), *sections()}, f"{name}: {match['name']}"
        for variable in _VARIABLE.findall(text):
            assert variable.removesuffix("_FILE") in variables, f"{name}: {variable}"


@pytest.mark.parametrize("name", HAND_WRITTEN)
def test_toml_examples_are_accepted(name: str, tmp_path: Path) -> None:
    """Every TOML example is a configuration that milterguard takes."""
    for match in _FENCE.finditer(moved(TEXTS[name], tmp_path)):
        if match["kind"] == "toml" and "[[case]]" not in match["text"]:
            assert tomllib.loads(match["text"])
            path = tmp_path / "milterguard.toml"
            path.write_text(match["text"])
            load(path, environ={})


def resolved(words: list[str]) -> None:
    """Walks a command line; raises AssertionError for a command or an option that does not exist."""
    command: click.Command = program
    for word in words:
        if isinstance(command, click.Group) and not word.startswith("-"):
            found = command.get_command(click.Context(command), word)
            assert found is not None, f"no command {word!r} of {command.name}"
            command = found
        elif word.startswith("--"):
            known = {option for each in command.params for option in each.opts} | {"--help", "--version"}
            assert word.partition("=")[0] in known, f"no option {word!r} of {command.name}"


@pytest.mark.parametrize("name", HAND_WRITTEN)
def test_commands_exist(name: str) -> None:
    """Every command and option of milterguard that a document names exists."""
    for text in codes(TEXTS[name]):
        for match in _COMMAND.finditer(text):
            words = shlex.split(match["rest"].replace("…", ""))
            if words[0].endswith(".conf") or _is_of_another_program(text):
                continue
            try:
                resolved(words)
            except AssertionError as error:
                raise AssertionError(f"{name}: {text}: {error}") from None


def _is_of_another_program(text: str) -> bool:
    """Whether "milterguard" is an argument there: of systemctl, docker build, ln …"""
    return text.startswith(("systemctl", "docker build", "ln ", "systemd-", "install "))


def test_a_wrong_command_would_be_seen() -> None:
    """The walk through a command line notices unknown commands and options."""
    with pytest.raises(AssertionError, match="no command 'dance'"):
        resolved(["quarantine", "dance"])
    with pytest.raises(AssertionError, match="no option '--dance'"):
        resolved(["quarantine", "list", "--dance"])


def test_standards_list_every_rfc_in_the_code() -> None:
    """Each RFC named in the code stands in docs/standards.md, once, with Yes, Partial or No."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in TEXTS["docs/standards.md"].splitlines()]
    listed = {row[0]: row[2] for row in rows if row[0].startswith("RFC ") and len(row) == 4}
    named = {
        f"RFC {number}" for path in (ROOT / "milterguard").rglob("*.py") for number in _RFC.findall(path.read_text())
    }
    assert named - set(listed) == set(), "in the code and not in docs/standards.md"
    assert set(listed) - named == set(), "in docs/standards.md and not in the code"
    assert set(listed.values()) <= {"Yes", "Partial", "No"}
    assert [row[0] for row in rows].count("RFC 5321") == 1


def test_exit_statuses_are_documented() -> None:
    """The table of exit statuses in docs/operations.md has those of the program, no other."""
    section = TEXTS["docs/operations.md"].partition("## Exit statuses")[2].partition("\n## ")[0]
    documented = {int(number) for number in re.findall(r"^\| ([0-9]+) \|", section, re.MULTILINE)}
    assert documented == {int(status) for status in MEANINGS}


def test_files_in_the_tour_exist() -> None:
    """Every module that the tour or the design names is there."""
    for name in ("docs/tour.md", "docs/design.md", "docs/standards.md", "docs/contributing.md"):
        for text in codes(TEXTS[name]):
            for path in re.findall(r"[a-z_]+/[a-z_/]+\.py\b", text):
                candidates = (ROOT / "milterguard" / path, ROOT / path)
                assert any(each.exists() for each in candidates), f"{name}: {path}"


def test_the_sql_for_old_records_works(tmp_path: Path) -> None:
    """The documented statements delete an old record with everything that hangs on it, and keep a new one."""
    upgrade(f"sqlite:///{tmp_path / 'journal.db'}")
    (statements,) = [match["text"] for match in _FENCE.finditer(TEXTS["docs/operations.md"]) if match["kind"] == "sql"]
    with closing(sqlite3.connect(tmp_path / "journal.db")) as connection:
        for number, moment in enumerate((1, 4_000_000_000)):
            connection.execute("INSERT INTO maddr (id, email, domain) VALUES (?, ?, 'example')", (number, f"a{number}"))
            columns = "mail_id, time_num, sid, am_id, time_iso, size, host"
            values = (f"id{number}", moment, number)
            connection.execute(f"INSERT INTO msgs ({columns}) VALUES (?, ?, ?, '', '', 0, '')", values)
            connection.execute(
                "INSERT INTO msgrcpt (mail_id, rseqnum, rid, ds, rs) VALUES (?, 1, ?, 'P', '')", (f"id{number}", number)
            )
            connection.execute(
                "INSERT INTO evidence (mail_id, time_num, document) VALUES (?, ?, '{}')", (f"id{number}", moment)
            )
        connection.commit()
        connection.executescript(statements)
        for table, column in (("msgs", "mail_id"), ("msgrcpt", "mail_id"), ("evidence", "mail_id"), ("maddr", "email")):
            (left,) = connection.execute(f"SELECT {column} FROM {table}").fetchall()
            assert left[0].endswith("1"), table


def test_the_failure_table_has_its_place() -> None:
    """docs/operations.md has the two marks between which the table is written."""
    text = TEXTS["docs/operations.md"]
    assert text.index("<!-- failure table: begin -->") < text.index("<!-- failure table: end -->")
