# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules as an operator writes them."""

from pathlib import Path

import pytest

from milterguard.config.banned_rules import DEFAULT
from milterguard.config.expression import Expression
from milterguard.config.load import Loaded, load
from milterguard.core.banned import Action, Rule, RuleSet
from milterguard.core.destiny import Destiny
from milterguard.core.part import Flag
from milterguard.errors import ConfigError


def loaded(directory: Path, text: str) -> Loaded:
    file = directory / "milterguard.toml"
    file.write_text(text, encoding="utf-8")
    return load(file, environ={})


def sets(directory: Path, text: str) -> dict[str, RuleSet]:
    return {each.name: each for each in loaded(directory, text).settings.banned}


def test_every_key_is_read(tmp_path: Path) -> None:
    """One word or several, with and without dot, in any case."""
    [rule, other, path, everything] = sets(
        tmp_path,
        f"""
        [[banned.MINE]]
        title = "all of it"
        type = ".EXE-ms"
        extension = ["exe", ".Tar.GZ"]
        name = '(?i)^invoice'
        mime = ["Image/*", "application/x-msdownload"]
        digest = "{"AB" * 32}"
        flag = ["encrypted", "over limits"]
        match = ['^\\.exe$', '^UNDECIPHERABLE$']
        destiny = "discard"
        [[banned.MINE]]
        extension = "pdf"
        action = "allow"
        [[banned.MINE]]
        path = 'T=zip\\n'
        action = "next"
        [[banned.MINE]]
        all = true
        """,
    )["MINE"].rules
    assert rule.title == "all of it"
    assert rule.types == {"exe-ms"}
    assert rule.extensions == {"exe", "tar.gz"}
    assert rule.mimes == ("image/*", "application/x-msdownload")
    assert rule.digests == {"ab" * 32}
    assert rule.flags == {Flag.ENCRYPTED, Flag.OVER_LIMITS}
    assert rule.names == (Expression("(?i)^invoice"),)
    assert rule.match == (Expression(r"^\.exe$"), Expression("^UNDECIPHERABLE$"))
    assert (rule.action, rule.destiny) == (Action.BAN, Destiny.DISCARD)
    assert (other.title, other.action, other.destiny) == ("MINE[2]", Action.ALLOW, None)
    assert path.path is not None
    assert path.path.search("P=p001\tT=zip\nN=a")
    assert path.action is Action.NEXT
    assert everything == Rule("MINE[4]")


@pytest.mark.parametrize(
    ("text", "key", "message"),
    [
        ("[[banned.X]]\ntype = 'a b'", "banned.X[1].type", "a short type such as exe-ms"),
        ("[[banned.X]]\nextension = []", "banned.X[1].extension", "an empty array"),
        ("[[banned.X]]\nextension = 7", "banned.X[1].extension", "a string, or an array of them, found 7"),
        ("[[banned.X]]\nextension = ['a/b']", "banned.X[1].extension", "an extension such as exe"),
        ("[[banned.X]]\nextension = '*.exe'", "banned.X[1].extension", "without path, blank or asterisk"),
        ("[[banned.X]]\nextension = 'a.b.c'", "banned.X[1].extension", "an extension such as exe"),
        ("[[banned.X]]\nmime = 'exe'", "banned.X[1].mime", "a MIME type such as image/png or image/*"),
        ("[[banned.X]]\nmime = '*/exe'", "banned.X[1].mime", "a MIME type such as image/png or image/*"),
        ("[[banned.X]]\ndigest = 'abc'", "banned.X[1].digest", "64 hexadecimal digits"),
        ("[[banned.X]]\nflag = 'encryptd'", "banned.X[1].flag", 'did you mean "encrypted"?'),
        ("[[banned.X]]\nname = '(a'", "banned.X[1].name", 'found "(a": missing ): (a'),
        ("[[banned.X]]\nname = '(?<=a)b'", "banned.X[1].name", 'of RE2, found "(?<=a)b": RE2 has no look-around'),
        ("[[banned.X]]\nmatch = ['a', '(?#NO)b']", "banned.X[1].match", "RE2 has no comments, write a title"),
        ("[[banned.X]]\npath = ['a']", "banned.X[1].path", "one regular expression"),
        ("[[banned.X]]\npath = 'a'\nname = 'b'", "banned.X[1].path", "no condition beside it, found name"),
        ("[[banned.X]]\nall = true\nname = 'b'", "banned.X[1].all", "no condition beside it, found name"),
        ("[[banned.X]]\nall = false", "banned.X[1].all", "true, or no such key"),
        ("[[banned.X]]\ntitle = 'x'", "banned.X[1]", "found a rule without condition"),
        ("[[banned.X]]\ntitle = ''\nall = true", "banned.X[1].title", "a line of at most 60 characters"),
        ('[[banned.X]]\ntitle = "a\\nb"\nall = true', "banned.X[1].title", "a line of at most 60 characters"),
        ("[[banned.X]]\nextensions = 'x'", "banned.X[1].extensions", 'an unknown key; did you mean "extension"?'),
        ("[[banned.X]]\nall = true\naction = 'block'", "banned.X[1].action", '"ban", "allow", "next", found "block"'),
        ("[[banned.X]]\nall = true\naction = 'discard'", "banned.X[1].action", 'did you mean destiny = "discard"?'),
        ("[[banned.X]]\nall = true\naction = 1", "banned.X[1].action", "found 1"),
        ("[[banned.X]]\nall = true\ndestiny = 'bounce'", "banned.X[1].destiny", '"reject"'),
        ("[[banned.X]]\nall = true\naction = 'allow'\ndestiny = 'pass'", "banned.X[1].destiny", "a rule that bans"),
        ("[[banned.X]]\nall = true\n[[banned.X]]\n", "banned.X[2]", "a rule without condition"),
        ("[[banned.X]]\nall = true\nshadow = 1", "banned.X[1].shadow", "true or false, found 1"),
        ("[[banned.X]]\nall = true\naction = 'allow'\nshadow = true", "banned.X[1].shadow", "a rule that bans"),
        ("[banned.X]\nall = true", "banned.X", "[[banned.X]], in double brackets"),
        ("[[banned]]\nall = true", "banned", "[[banned.NAME]], in double brackets"),
        ("[[banned.'a b']]\nall = true", "banned.a b", "a name of letters, digits, _ and -"),
        (
            "[policy]\nbanned_rules = ['DEFUALT']",
            "policy.banned_rules",
            "names of sets: DEFAULT, ALLOW_ALL, ALLOW_EXECUTABLES",
        ),
        ("[policy]\nbanned_rules = ['DEFUALT']", "policy.banned_rules", 'found "DEFUALT"; did you mean "DEFAULT"?'),
        ("[policy]\nbanned_rules = ['ALLOW_EXE']", "policy.banned_rules", 'did you mean "ALLOW_EXECUTABLES"?'),
        ("[policy]\nbanned_rules = ['zzz']", "policy.banned_rules", 'found "zzz"'),
        (
            "[[recipient]]\nmatch = ['@.']\nbanned_rules = ['MINE']\n[[banned.OTHER]]\nall = true",
            "recipient[1].banned_rules",
            'NO_ARCHIVES, OTHER, found "MINE"',
        ),
        (
            "[bank.A]\nwhen = { tls = true }\nbanned_rules = ['MINE']",
            "bank.A.banned_rules",
            'found "MINE"',
        ),
        (
            "[policy]\nbanned_rules = { value = ['MINE'], shadow = true }",
            "policy.banned_rules",
            'found "MINE"',
        ),
        ("[baned]\nx = 1", "baned", "[[banned.NAME]]"),
    ],
)
def test_a_slip_is_told(tmp_path: Path, text: str, key: str, message: str) -> None:
    """Each names file and key, what was expected and what was found."""
    with pytest.raises(ConfigError) as error:
        loaded(tmp_path, text)
    assert error.value.file == str(tmp_path / "milterguard.toml")
    assert error.value.key == key
    assert message in str(error.value)


def test_a_rule_may_be_on_trial(tmp_path: Path) -> None:
    """It is left out of the rules in force."""
    text = "[[banned.MINE]]\nextension = 'exe'\nshadow = true\n[[banned.MINE]]\nextension = 'com'\nshadow = false\n"
    mine = sets(tmp_path, text)["MINE"]
    assert [rule.is_on_trial for rule in mine.rules] == [True, False]
    assert [rule.extensions for rule in mine.in_force().rules] == [{"com"}]


def test_a_set_of_a_later_file_replaces_one_of_the_same_name(tmp_path: Path) -> None:
    """So does one that has the name of a set of the program; all others stay."""
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "a.toml").write_text("[[banned.MINE]]\nextension = 'b'\n")
    text = "[[banned.MINE]]\nextension = 'a'\n[[banned.MINE]]\nall = true\n[[banned.DEFAULT]]\nflag = 'macro'\n"
    found = sets(tmp_path, text)
    assert [rule.extensions for rule in found["MINE"].rules] == [{"b"}]
    assert found["MINE"].origin == str(tmp_path / "conf.d" / "a.toml")
    assert len(found["DEFAULT"].rules) == 1
    assert "ALLOW_ALL" in found


def test_sets_may_be_named_before_they_are_defined(tmp_path: Path) -> None:
    """In [policy] and for recipients, of this file and a later one."""
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "a.toml").write_text("[[banned.LATER]]\nall = true\n")
    text = "[policy]\nbanned_rules = ['LATER', 'DEFAULT']\n[[recipient]]\nmatch = ['@.']\nbanned_rules = ['LATER']\n"
    settings = loaded(tmp_path, text).settings
    assert settings.policy.banned_rules == ("LATER", "DEFAULT")
    assert settings.recipients[0].settings == (("banned_rules", ("LATER",)),)


def test_every_set_of_the_program_can_be_written_in_toml(tmp_path: Path) -> None:
    """What the program brings is no more than an operator may say: titles are short, endings are endings."""
    lines: list[str] = []
    for rule in DEFAULT.rules:
        lines += ["[[banned.DEFAULT]]", f"title = {rule.title!r}"]
        for key, values in (("type", rule.types), ("extension", rule.extensions), ("flag", rule.flags)):
            lines += [f"{key} = {sorted(map(str, values))}"] if values else []
        lines += [f"mime = {list(rule.mimes)}"] if rule.mimes else []
        lines += [f"name = '''{each.pattern}'''" for each in rule.names if isinstance(each, Expression)]
    assert sets(tmp_path, "\n".join(lines))["DEFAULT"].rules == DEFAULT.rules
