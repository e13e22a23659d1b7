# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of docs/banned.md do what is said there."""

import re
from pathlib import Path

import pytest

from milterguard.config.load import load
from milterguard.core.banned import Action, Inspection, Rule, RuleSet
from milterguard.core.part import Flag, Part, Tree

_TEXT = (Path(__file__).parents[2] / "docs" / "banned.md").read_text(encoding="utf-8")
_EXAMPLES = re.findall(r"^```toml\n(.*?)^```$", _TEXT, re.MULTILINE | re.DOTALL)
_DIGEST = "b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c"


def alone(*names: str, kind: str = "asc", digest: str = "", flag: Flag | None = None) -> Tree:
    return (Part("1", names=names, kinds=(kind,), digest=digest, flags=frozenset((flag,) if flag else ())),)


def zipped(name: str) -> Tree:
    whole = Part("1", types=("multipart/mixed",))
    return (
        whole,
        Part("1/1", parent=0, types=("text/plain",), kinds=("asc",)),
        Part("1/2", parent=0, types=("application/zip",), names=("a.zip",), kinds=("zip",)),
        Part("1/2/1", parent=2, names=(name,), kinds=("html",), is_member=True),
    )


@pytest.mark.parametrize(
    ("holds", "tree", "rules", "title"),
    [
        ("OUR_TOOLS", alone("a.exe", digest=_DIGEST), ("OUR_TOOLS", "DEFAULT"), ""),
        ("OUR_TOOLS", alone("a.exe"), ("OUR_TOOLS", "DEFAULT"), "executable by name"),
        ("LOCKED", alone("a.zip", flag=Flag.ENCRYPTED), ("LOCKED", "DEFAULT"), "encrypted"),
        ("ZIPPED_PAGES", zipped("page.html"), ("ZIPPED_PAGES", "DEFAULT"), "web page in a zip"),
        ("ZIPPED_PAGES", zipped("page.txt"), ("ZIPPED_PAGES", "DEFAULT"), ""),
        ("ZIPPED_PAGES", alone("page.html"), ("ZIPPED_PAGES", "DEFAULT"), ""),
        ("ONLY_PAPER", alone("a.pdf", kind="pdf"), ("ONLY_PAPER", "DEFAULT"), ""),
        ("ONLY_PAPER", alone("a.doc", kind="doc"), ("ONLY_PAPER", "DEFAULT"), "attachment"),
        ("ONLY_PAPER", alone(), ("ONLY_PAPER", "DEFAULT"), ""),
        ("cannot be opened", alone("a.dat", flag=Flag.UNDECODABLE), ("DEFAULT",), "cannot be opened"),
        ("cannot be opened", alone("A.EXE"), ("DEFAULT",), "extension"),
        ("cannot be opened", alone("a.exe", kind="gz"), ("DEFAULT",), ""),
    ],
)
def test_an_example_does_what_is_said(
    tmp_path: Path, holds: str, tree: Tree, rules: tuple[str, ...], title: str
) -> None:
    """What is banned by it is, by the rule of that title, and what is not passes."""
    [text] = [example for example in _EXAMPLES if holds in example]
    file = tmp_path / "milterguard.toml"
    file.write_text(text, encoding="utf-8")
    sets = {each.name: each for each in load(file, environ={}).settings.banned}
    answers = Inspection(tree).answers([sets[name] for name in rules])
    assert [each.rule.title for each in answers if each.rule.action is Action.BAN] == ([title] if title else [])


def test_the_path_is_shown_as_it_is_written() -> None:
    """The three lines of the document are what a rule with path sees."""
    [shown] = re.findall(r"^```text\n(P=.*?)\n```$", _TEXT, re.MULTILINE | re.DOTALL)
    member = Part("1/2/1", parent=2, names=("evil.exe",), kinds=("exe", "exe-ms"), is_member=True)
    rule = Rule("shown", path=re.compile(rf"\A{re.escape(shown)}\Z"))
    answers = Inspection((*zipped("")[:3], member)).answers([RuleSet("X", (rule,))])
    assert [answer.leaf for answer in answers] == [3]
