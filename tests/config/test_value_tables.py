# SPDX-License-Identifier: GPL-3.0-or-later
"""How ``[[table]]`` is written, and what is told about a slip in it."""

from pathlib import Path

import pytest

from milterguard.config.load import load
from milterguard.config.value_tables import filled, references
from milterguard.config.written import show
from milterguard.core.destiny import Destiny
from milterguard.core.policy import OnTrial
from milterguard.core.value_table import UNDEFINED, TableKind, Template, ValueTable
from milterguard.errors import ConfigError


def tables(directory: Path, text: str) -> tuple[ValueTable, ...]:
    file = directory / "milterguard.toml"
    file.write_text(text, encoding="utf-8")
    return load(file, environ={}).settings.tables


def test_every_kind_is_read(tmp_path: Path) -> None:
    """With its values as the setting has them, and the entry's place."""
    (tmp_path / "levels").write_text("@example.com 5\n")
    found = tables(
        tmp_path,
        f"""
        [[table]]
        setting = "spam_kill_level"
        hash = {{ "a@b" = 5, "@b" = "unset", "@." = {{}}, "c@" = {{ value = 3, shadow = true }} }}
        [[table]]
        setting = "spam_lover"
        list = ["!a@b", "/x/"]
        [[table]]
        setting = "spam_destiny"
        regexp = [["^a", "discard"]]
        [[table]]
        setting = "spam_kill_level"
        file = "{tmp_path}/levels"
        [[table]]
        setting = "spam_kill_level"
        constant = 9
        """,
    )
    assert [each.kind for each in found] == list(TableKind)
    assert [each.rows for each in found] == [
        (("a@b", 5.0), ("@b", None), ("@.", UNDEFINED), ("c@", OnTrial(3.0))),
        (("!a@b", True), ("/x/", True)),
        (("^a", Destiny.DISCARD),),
        ((f"{tmp_path}/levels", True),),
        (("", 9.0),),
    ]
    assert found[3].origin == f"{tmp_path}/milterguard.toml: [[table]] 4"


def test_tables_of_later_files_come_behind(tmp_path: Path) -> None:
    """They add up, and are numbered in each file."""
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "a.toml").write_text("[[table]]\nsetting = 'spam_lover'\nconstant = true\n")
    found = tables(tmp_path, "[[table]]\nsetting = 'spam_lover'\nconstant = false\n")
    assert [each.rows for each in found] == [(("", False),), (("", True),)]
    assert found[1].origin == f"{tmp_path}/conf.d/a.toml: [[table]] 1"


def test_groups_are_put_into_texts_only(tmp_path: Path) -> None:
    """What has none, or is no text, is a value at once."""
    [first, second] = tables(
        tmp_path,
        """
        [[table]]
        setting = "subject_tag"
        regexp = [["^(.)(.)", { virus = "$2${1}$$ " }], ["x", { virus = "no $ here" }]]
        [[table]]
        setting = "deny_senders"
        regexp = [["^(.*)$", ["$1"]]] # "$1" is not replaced there
        """.replace('["$1"]', '["$1@example.com"]'),
    )
    template = first.rows[0][1]
    assert isinstance(template, Template)
    assert filled(template.raw, ("", "a", "b").__getitem__) == {"virus": "ba$ "}
    assert list(references(template.raw)) == [2, 1, 0]
    assert second.rows[0][1] == ("$1@example.com",)


@pytest.mark.parametrize(
    ("text", "key", "expected", "got"),
    [
        ("constant = 5", "table[1].setting", "a policy key", "none"),
        ("setting = 5\nconstant = 5", "table[1].setting", "a policy key", "5"),
        ("setting = 'spam_kil_level'\nconstant = 5", "table[1].setting", "a policy key", 'mean "spam_kill_level"'),
        ("setting = 'contact'\nconstant = 'x'", "table[1].setting", "for one recipient", '"contact" for [policy]'),
        ("setting = 'spam_lover'", "table[1]", "one of hash, list", "none"),
        ("setting = 'spam_lover'\nconstant = true\nlist = ['@.']", "table[1]", "one of hash", "constant and list"),
        ("setting = 'spam_lover'\nhsh = {}", "table[1].hsh", "setting, or one of", 'did you mean "hash"'),
        ("setting = 'spam_kill_level'\nconstant = 'x'", "table[1].constant", "a number", '"x"'),
        ("setting = 'spam_lover'\nhash = {}", "table[1].hash", "a table such as", "a table"),
        ("setting = 'spam_lover'\nhash = []", "table[1].hash", "a table such as", "an array"),
        ("setting = 'spam_lover'\nhash = { '.b' = true }", "table[1].hash..b", "@.example.com", 'did you mean "@.b"'),
        ("setting = 'spam_lover'\nhash = { 'a@b' = 1 }", "table[1].hash.a@b", "true or false", "1"),
        (
            "setting = 'subject_tag'\nhash = { 'a@b' = { virs = 'x' } }",
            "table[1].hash.a@b.virs",
            '"virus"',
            'did you mean "virus"',
        ),
        ("setting = 'spam_kill_level'\nlist = ['@.']", "table[1].list", "hash, regexp", "spam_kill_level"),
        ("setting = 'spam_lover'\nlist = '@.'", "table[1].list", "an array of recipients", "@."),
        ("setting = 'spam_lover'\nlist = ['example.com']", "table[1].list", "@example.com", 'mean "@example.com"'),
        ("setting = 'spam_lover'\nregexp = ['x']", "table[1].regexp.1", "[expression, value]", "x"),
        ("setting = 'spam_lover'\nregexp = []", "table[1].regexp", "an array of [expression", "an array"),
        ("setting = 'spam_lover'\nregexp = [['(', true]]", "table[1].regexp.1", "RE2", '"(": missing )'),
        ("setting = 'spam_lover'\nregexp = [['x', 5]]", "table[1].regexp.1", "true or false", "5"),
        ("setting = 'spam_subject_tag'\nregexp = [['(x)', '$2']]", "table[1].regexp.1", "one of 1 groups", "$2"),
        ("setting = 'spam_destiny'\nregexp = [['(x)', '$1']]", "table[1].regexp.1", '"reject"', '"$1"'),
        ("setting = 'spam_lover'\nfile = 'list'", "table[1].file", "an absolute path", '"list"'),
        ("setting = 'banned_rules'\nconstant = ['NONE']", "table[1].constant", "names of sets", '"NONE"'),
    ],
)
def test_a_slip_is_named(tmp_path: Path, text: str, key: str, expected: str, got: str) -> None:
    """With file, entry, key, what was expected and what was found."""
    with pytest.raises(ConfigError) as error:
        tables(tmp_path, f"[[table]]\n{text}\n")
    assert error.value.file == str(tmp_path / "milterguard.toml")
    assert error.value.key == key
    assert expected in error.value.expected
    assert got in error.value.got


def test_double_brackets_are_missing(tmp_path: Path) -> None:
    """The slip that TOML invites."""
    with pytest.raises(ConfigError, match="in double brackets"):
        tables(tmp_path, "[table]\nsetting = 'spam_lover'\nconstant = true\n")


def test_a_file_of_values_is_read_with_the_settings(tmp_path: Path) -> None:
    """A broken line stops the start."""
    (tmp_path / "levels").write_text("@example.com 5\nuser@example.com five\n")
    with pytest.raises(ConfigError) as error:
        tables(tmp_path, f"[[table]]\nsetting = 'spam_kill_level'\nfile = '{tmp_path}/levels'\n")
    assert (error.value.file, error.value.key) == (f"{tmp_path}/levels", "line 2")


def test_config_show_has_tables(tmp_path: Path) -> None:
    """What they are, what they begin with, where they stand."""
    file = tmp_path / "milterguard.toml"
    keys = ", ".join(f"'u{number}@' = 5" for number in range(7))
    file.write_text(
        f"[[table]]\nsetting = 'spam_kill_level'\nhash = {{ {keys} }}\n"
        "[[table]]\nsetting = 'spam_lover'\nconstant = true\n"
    )
    rows = {key: (value, origin) for key, value, origin in show(load(file, environ={}))}
    shown = 'hash: "u0@", "u1@", "u2@", "u3@", "u4@" and 2 more'
    assert rows["table[1].spam_kill_level"] == (shown, f"{file}: [[table]] 1")
    assert rows["table[2].spam_lover"] == ("constant", f"{file}: [[table]] 2")
