# SPDX-License-Identifier: GPL-3.0-or-later
"""What may stand in a file that the settings name, and how a slip in it is told."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from milterguard.config import list_reader
from milterguard.config.list_file import FileUse, Line, ListKind
from milterguard.config.list_reader import BrokenList, read_list, signature_of
from milterguard.core.destiny import Destiny
from milterguard.core.finding import Category
from milterguard.core.policy import OnTrial
from milterguard.core.value_table import UNDEFINED


def read(directory: Path, content: str | bytes, kind: ListKind, setting: str = "") -> tuple[Line, ...]:
    file = directory / "list"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_list(FileUse(str(file), kind, setting)).lines


def test_comments_blanks_and_exceptions(tmp_path: Path) -> None:
    """One entry in each line, whatever the line ends; a byte order mark is no part of the first."""
    text = "\ufeff# ours\r\n\r\n  user@example.com\t # boss\r\n!@example.com#\n!!a#b@example.org\n/a # b/\n!/x@y/"
    with pytest.raises(BrokenList, match=r'line 4: expected user@example.com, .*, found "@example.com#"'):
        read(tmp_path, text, ListKind.RECIPIENTS)
    assert read(tmp_path, text.replace("com#", "com #"), ListKind.RECIPIENTS) == (
        ("user@example.com", False, None),
        ("@example.com", True, None),
        ("a#b@example.org", False, None),
        ("/a # b/", False, None),
        ("/x@y/", True, None),
    )


@pytest.mark.parametrize(
    ("kind", "text", "lines"),
    [
        (ListKind.SENDERS, "<>", [("<>", False, None)]),
        (ListKind.SENDERS, '"a b"@example.com', [('"a b"@example.com', False, None)]),
        (ListKind.DOMAINS, "example.com\n!.example.com", [("example.com", False, None), (".example.com", True, None)]),
        (ListKind.DOMAINS, ".", [(".", False, None)]),
        (ListKind.DOMAINS, "/x/", [("/x/", False, None)]),
        (ListKind.NETWORKS, "10.0.0.0/8 # ten", [("10.0.0.0/8", False, (4, 8, 10 << 24))]),
        (ListKind.NETWORKS, "!192.0.2.7", [("192.0.2.7", True, (4, 32, 0xC0000207))]),
        (ListKind.NETWORKS, "2001:db8::/32", [("2001:db8::/32", False, (6, 32, 0x20010DB8 << 96))]),
        (ListKind.NETWORKS, "10.0.0.0/255.0.0.0", [("10.0.0.0/255.0.0.0", False, (4, 8, 10 << 24))]),
        (ListKind.SCORES, "@b.example -2.5\n@c.example = 3", [("@b.example", False, -2.5), ("@c.example", False, 3.0)]),
        (ListKind.SCORES, "@a.example # ours", [("@a.example", False, None)]),
        (ListKind.ORDERED, "!user@\nuser@", [("user@", True, None), ("user@", False, None)]),
    ],
)  # fmt: skip
def test_each_kind_has_its_entries(tmp_path: Path, kind: ListKind, text: str, lines: list[Line]) -> None:
    """Written as in a list of the settings."""
    assert read(tmp_path, text, kind) == tuple(lines)


@pytest.mark.parametrize(
    ("setting", "text", "value"),
    [
        ("spam_kill_level", "a@b 5", 5.0),
        ("spam_kill_level", "a@b = 5.5 # five", 5.5),
        ("spam_kill_level", "a@b unset", None),
        ("spam_kill_level", "a@b {}", UNDEFINED),
        ("spam_kill_level", "!a@b", UNDEFINED),
        ("spam_kill_level", "a@b = { value = 5, shadow = true }", OnTrial(5.0)),
        ("spam_kill_level", "/^a b@/ 5", 5.0),
        ("spam_kill_level", '"a b"@c = 5', 5.0),
        ("spam_lover", "a@b", True),
        ("spam_lover", "a@b # yes", True),
        ("spam_lover", "a@b false", False),
        ("spam_destiny", "a@b discard", Destiny.DISCARD),
        ("spam_subject_tag", "a@b [SPAM]  # told", "[SPAM]"),
        ("spam_subject_tag", 'a@b "SPAM #1: " # told', "SPAM #1: "),
        ("spam_subject_tag", "a@b SPAM#1", "SPAM#1"),
        ("subject_tag", 'a@b = { virus = "V " }', ((Category.VIRUS, "V "),)),
        ("banned_rules", "a@b = ALLOW_SCRIPTS, DEFAULT", ("ALLOW_SCRIPTS", "DEFAULT")),
        ("message_size_limit", "a@b 1000", 1000),
    ],
)
def test_a_value_is_what_it_is_in_the_settings(tmp_path: Path, setting: str, text: str, value: object) -> None:
    """With blanks or = before it."""
    [(_, _, found)] = read(tmp_path, text, ListKind.VALUES, setting)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("kind", "text", "line", "expected", "got"),
    [
        (ListKind.RECIPIENTS, "a@b\n\nexample.com", 3, "@example.com", 'did you mean "@example.com"'),
        (ListKind.RECIPIENTS, "a@b c@d", 1, "one entry in a line", "a@b c@d"),
        (ListKind.RECIPIENTS, "a@b, c@d", 1, "one entry in a line", "a@b, c@d"),
        (ListKind.RECIPIENTS, "a@b,c@d", 1, "one entry in a line", "a@b,c@d"),
        (ListKind.RECIPIENTS, "<>", 1, "user@example.com", "<>"),
        (ListKind.RECIPIENTS, "file:/etc/passwd", 1, "no file in a file", "file:/etc/passwd"),
        (ListKind.RECIPIENTS, "#\n/(/", 2, "a regular expression of RE2", "missing )"),
        (ListKind.RECIPIENTS, "a\x07@b", 1, "printable text", "\\x{7}"),
        (ListKind.RECIPIENTS, "a@b\n" + "x" * 1025, 2, "at most 1024 characters", "1025"),
        (ListKind.DOMAINS, "*.example.com", 1, ".example.com", 'did you mean ".example.com"'),
        (ListKind.NETWORKS, "10.0.0.1/8", 1, "a network", 'did you mean "10.0.0.0/8"'),
        (ListKind.NETWORKS, "10.0.0.0/33", 1, "a network", "10.0.0.0/33"),
        (ListKind.NETWORKS, "10.0.0.0/", 1, "a network", "10.0.0.0/"),
        (ListKind.NETWORKS, "10.0.0.0/8 5", 1, "one entry in a line", "10.0.0.0/8 5"),
        (ListKind.NETWORKS, "/10/", 1, "a network", "/10/"),
        (ListKind.SCORES, "a@b many", 1, "a number", "many"),
        (ListKind.SCORES, "a@b unset", 1, "a number", "unset"),
        (ListKind.SCORES, "a@b nan", 1, "(finite)", "nan"),
        (ListKind.VALUES, "a@b", 1, "a value behind the key", "none"),
        (ListKind.VALUES, "a@b five", 1, "a number", "five"),
        (ListKind.VALUES, "a@b = { value = 5 }", 1, "a number", "table"),
        (ListKind.VALUES, "a@b=5", 1, "user@example.com", "a@b=5"),
    ],
)  # fmt: skip
def test_a_slip_is_told_with_its_line(
    tmp_path: Path, kind: ListKind, text: str, line: int, expected: str, got: str
) -> None:
    """With what was expected and what was found."""
    with pytest.raises(BrokenList) as error:
        read(tmp_path, text, kind, "spam_kill_level")
    assert error.value.line == line
    assert expected in error.value.expected
    assert got in error.value.got


def test_other_octets_than_utf_8_are_placed(tmp_path: Path) -> None:
    """By their line."""
    with pytest.raises(BrokenList, match="line 2: expected UTF-8, found other octets"):
        read(tmp_path, b"a@b\nm\xfcller@example.com\n", ListKind.RECIPIENTS)


def test_a_file_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In its octets, entries and expressions."""
    monkeypatch.setattr(list_reader, "MAX_ENTRIES", 3)
    monkeypatch.setattr(list_reader, "MAX_EXPRESSIONS", 1)
    monkeypatch.setattr(list_reader, "MAX_OCTETS", 100)
    assert len(read(tmp_path, "a@b\n" * 3, ListKind.SENDERS)) == 3
    with pytest.raises(BrokenList, match="line 4: expected at most 3 entries"):
        read(tmp_path, "a@b\n" * 4, ListKind.SENDERS)
    with pytest.raises(BrokenList, match="line 2: expected at most 1 expressions"):
        read(tmp_path, "/a/\n/b/\n", ListKind.SENDERS)
    with pytest.raises(BrokenList, match="expected at most 100 octets"):
        read(tmp_path, "#" * 101, ListKind.SENDERS)


def test_only_a_regular_file_is_read(tmp_path: Path) -> None:
    """Not even a pipe is waited for."""
    os.mkfifo(tmp_path / "pipe")
    for name, complaint in (("pipe", "pipe"), ("", "a directory"), ("none", "No such file"), ("\0", "no file name")):
        with pytest.raises(BrokenList, match=complaint):
            read_list(FileUse(str(tmp_path / name), ListKind.SENDERS))


def test_a_change_is_told_by_the_signature(tmp_path: Path) -> None:
    """Also one that keeps size and time of the content; a file that is gone has none."""
    file = tmp_path / "list"
    file.write_text("a@b\n")
    before = signature_of(str(file))
    times = file.stat()
    (tmp_path / "new").write_text("c@d\n")
    os.utime(tmp_path / "new", ns=(times.st_atime_ns, times.st_mtime_ns))
    (tmp_path / "new").rename(file)
    assert signature_of(str(file)) != before != ()
    assert signature_of(str(tmp_path / "none")) == signature_of("\0") == ()


def test_the_same_octets_are_not_read_into_lines_again(tmp_path: Path) -> None:
    """But have the new signature."""
    file = tmp_path / "list"
    file.write_text("a@b\n")
    first = read_list(FileUse(str(file), ListKind.SENDERS))
    os.utime(file, ns=(1, 1))
    again = read_list(first.use, known=first)
    assert again.lines is first.lines
    assert again.signature != first.signature


@given(st.text(max_size=60), st.sampled_from(ListKind))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_is_read_or_refused(tmp_path: Path, text: str, kind: ListKind) -> None:
    """With a line, and nothing else is ever raised."""
    content = text.encode("utf-8", "surrogatepass")
    try:
        lines = read(tmp_path, content, kind, "spam_lover")
    except BrokenList as broken:
        placed = broken.line
    else:
        placed = len(lines) + 1
    assert placed >= 1
