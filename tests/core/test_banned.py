# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules about names and types, and the order in which they are asked."""

import re
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milterguard.core.banned import REASON_LIMIT, Action, Inspection, Rule, RuleSet, reason
from milterguard.core.part import Flag, Part, Tree
from milterguard.core.text import ascii_printable

EXE = Part(
    "1/2",
    parent=0,
    types=("application/octet-stream",),
    names=("evil.exe",),
    kinds=("exe", "exe-ms"),
    digest="ab" * 32,
    flags=frozenset((Flag.EMBEDDED,)),
)
MIXED: Tree = (Part("1", types=("multipart/mixed",)), Part("1/1", parent=0, types=("text/plain",)), EXE)
NESTED: Tree = (
    Part("1", types=("multipart/mixed",)),
    Part("1/1", parent=0, types=("application/x-tar",), names=("a.tar",), kinds=("tar",)),
    Part("1/2", parent=0, names=("b.exe",), kinds=("asc",)),
    Part("1/1/1", parent=1, names=("dir/evil.exe",), kinds=("exe", "exe-ms"), is_member=True),
    Part("1/1/2", parent=1, names=("readme.txt",), kinds=("asc",), is_member=True),
)


def rule(title: str = "rule", **keys: Any) -> Rule:
    """A rule whose sets and expressions are written as plain text."""
    made: dict[str, Any] = {}
    for key, value in keys.items():
        if key in ("types", "extensions", "flags", "digests"):
            made[key] = frozenset((value,))
        elif key in ("names", "match"):
            made[key] = (re.compile(value),)
        else:
            made[key] = (value,) if key == "mimes" else value
    return Rule(title, **made)


def told(tree: Tree, *sets: tuple[Rule, ...]) -> dict[str, str]:
    """Return for each leaf that has an answer the title of the rule, an allowing one in brackets."""
    numbered = [RuleSet(f"SET{number}", rules) for number, rules in enumerate(sets)]
    return {
        tree[each.leaf].placement: each.rule.title if each.rule.action is Action.BAN else f"({each.rule.title})"
        for each in Inspection(tree).answers(numbered)
    }


@pytest.mark.parametrize(
    ("keys", "matches"),
    [
        ({"types": "exe-ms"}, True),
        ({"types": "dll"}, False),
        ({"extensions": "exe"}, True),
        ({"extensions": "pdf"}, False),
        ({"flags": Flag.EMBEDDED}, True),
        ({"flags": Flag.MACRO}, False),
        ({"digests": "ab" * 32}, True),
        ({"digests": "00" * 32}, False),
        ({"mimes": "application/octet-stream"}, True),
        ({"mimes": "application/*"}, True),
        ({"mimes": "application/octet"}, False),
        ({"names": r"^evil\."}, True),
        ({"names": r"^good\."}, False),
        ({"match": r"^\.exe-ms$"}, True),
        ({"match": r"^application/octet-stream$"}, True),
        ({"match": r"^evil\.exe$"}, True),
        ({"match": "^UNDECIPHERABLE$"}, False),
        ({}, True),
    ],
)
def test_each_key_asks_for_one_attribute(keys: dict[str, Any], matches: bool) -> None:
    """Type, extension, flag, digest, MIME type, name, and amavis' expression on any of them."""
    assert ("1/2" in told(MIXED, (rule(**keys),))) is matches


def test_all_keys_of_a_rule_must_hold_for_one_node() -> None:
    """An extension of the leaf and a type of what it stands in are not enough."""
    assert told(MIXED, (rule(types="exe-ms", extensions="exe"),)) == {"1/2": "rule"}
    assert told(NESTED, (rule(types="tar", extensions="exe"),)) == {}


@pytest.mark.parametrize("flag", [Flag.ENCRYPTED, Flag.UNDECODABLE])
def test_what_cannot_be_opened_is_undecipherable(flag: Flag) -> None:
    """amavis' word stands among the attributes of what is encrypted or broken."""
    tree = (Part("1", flags=frozenset((flag,))),)
    assert told(tree, (rule(match="^UNDECIPHERABLE$"),)) == {"1": "rule"}
    assert told((Part("1", flags=frozenset((Flag.MACRO,))),), (rule(match="^UNDECIPHERABLE$"),)) == {}


def test_the_leaf_is_banned_for_what_it_stands_in() -> None:
    """A rule about the container holds for each member, and for nothing beside it."""
    assert told(NESTED, (rule(types="tar"),)) == {"1/1/1": "rule", "1/1/2": "rule"}


def test_leaves_are_told_breadth_first() -> None:
    """As amavis does: the one that stands higher comes first."""
    assert list(told(NESTED, (rule(extensions="exe"),))) == ["1/2", "1/1/1"]


def test_an_empty_container_is_a_leaf() -> None:
    """Nothing came out of it, so it is itself looked at."""
    tree = (Part("1", types=("multipart/mixed",)), Part("1/1", parent=0, kinds=("zip",)))
    assert told(tree, (rule(types="zip"),)) == {"1/1": "rule"}


def test_the_first_rule_decides_whatever_the_level_it_matches() -> None:
    """Rules are the outer loop: what stands first in the set wins over what stands nearer to the leaf."""
    allow_tar, ban_exe = rule("tar", types="tar", action=Action.ALLOW), rule("exe", extensions="exe")
    assert told(NESTED, (allow_tar, ban_exe)) == {"1/2": "exe", "1/1/1": "(tar)", "1/1/2": "(tar)"}
    assert told(NESTED, (ban_exe, allow_tar)) == {"1/2": "exe", "1/1/1": "exe", "1/1/2": "(tar)"}


def test_the_sets_are_asked_one_after_the_other() -> None:
    """The first that has an answer gives it; one that says next has none."""
    ban, allow = rule("ban", extensions="exe"), rule("allow", extensions="exe", action=Action.ALLOW)
    skip = rule("next", extensions="exe", action=Action.NEXT)
    assert told(MIXED, (allow,), (ban,)) == {"1/2": "(allow)"}
    assert told(MIXED, (ban,), (allow,)) == {"1/2": "ban"}
    assert told(MIXED, (skip, ban), (allow,)) == {"1/2": "(allow)"}
    assert told(MIXED, (skip, ban)) == {}
    assert told(MIXED) == {}


def test_an_answer_names_its_set_and_the_node_that_matched() -> None:
    """So that it can be told which rule matched where."""
    sets = [RuleSet("ONE", (rule(types="dll"),)), RuleSet("TWO", (rule("tar", types="tar"),))]
    [answer, _] = Inspection(NESTED).answers(sets)
    assert (answer.leaf, answer.node, answer.rules, answer.rule.title) == (3, 1, "TWO", "tar")


def test_rules_about_the_path_are_asked_last() -> None:
    """They see all nodes in amavis' form, and only of leaves about which no set said anything."""
    path = rule("path", path=re.compile(r"T=tar\tN=a\.tar\n.*N=dir/evil\.exe$"))
    assert told(NESTED, (path,)) == {"1/1/1": "path"}
    assert told(NESTED, (path,), (rule("allow", types="exe-ms", action=Action.ALLOW),)) == {"1/1/1": "(allow)"}
    skip = rule("skip", path=re.compile("N="), action=Action.NEXT)
    assert told(NESTED, (skip, path)) == {}
    assert told(NESTED, (skip,), (path,)) == {"1/1/1": "path"}


def test_a_path_is_written_as_amavis_writes_it() -> None:
    """Nodes are separated by line ends, attributes by tabs, and no name can forge either."""
    flags = frozenset((Flag.ENCRYPTED, Flag.UNDECODABLE, Flag.MACRO))
    tree = (
        Part("1", types=("multipart/mixed",)),
        Part("1/1", parent=0, types=("a/b",), names=("x\n\tT=exe",), kinds=("zip", "dat"), flags=flags),
    )
    expected = "P=p001\tL=1\tM=multipart/mixed\nP=p002\tL=1/1\tM=a/b\tT=zip\tT=dat\tN=x  T=exe\tA=U\tA=C"
    assert told(tree, (rule(path=re.compile(rf"\A{expected}\Z")),)) == {"1/1": "rule"}


def test_a_folder_has_no_extension() -> None:
    """Whether its flag says so or its name."""
    folder = Part("1", names=("Chart.js",), flags=frozenset((Flag.DIRECTORY,)), is_member=True)
    assert told((folder,), (rule(extensions="js"),)) == {}


def test_an_expression_sees_names_as_they_came_and_without_what_is_not_seen() -> None:
    """A rule that was written for plain names holds for disguised ones, and one for the disguise as well."""
    tree = (Part("1", names=("evil\u202e.ｅｘｅ",)),)
    assert told(tree, (rule(names=r"\.exe$"),)) == {"1": "rule"}
    assert told(tree, (rule(names="\u202e"),)) == {"1": "rule"}
    assert told(tree, (rule(match=r"\.exe$"),)) == {}


def test_the_reason_is_the_title_and_what_the_leaf_is() -> None:
    """amavis' short reason, with the title where amavis has the comment of the expression."""
    [answer] = Inspection(MIXED).answers([RuleSet("X", (rule("executable", types="exe"),))])
    assert reason(MIXED, answer) == "executable: .exe,.exe-ms,evil.exe"
    [answer] = Inspection(MIXED).answers([RuleSet("X", (rule("declared", mimes="application/octet-stream"),))])
    assert reason(MIXED, answer) == "declared: application/octet-stream,.exe,.exe-ms,evil.exe"
    answer, _ = Inspection(MIXED).answers([RuleSet("X", (rule("container", mimes="multipart/mixed"),))])
    assert reason(MIXED, answer).endswith(" in part 1")
    answer, _ = Inspection(NESTED).answers([RuleSet("X", (rule("tarball", types="tar"),))])
    assert reason(NESTED, answer).endswith(" in a.tar")
    bare = (Part("1"),)
    [answer] = Inspection(bare).answers([RuleSet("X", (rule("anything"),))])
    assert reason(bare, answer) == "anything"


@given(st.lists(st.text(max_size=400), max_size=8), st.text(max_size=80))
def test_a_reason_is_short_and_may_be_shown(names: list[str], type_: str) -> None:
    """Whatever the names are, the reason stays on one line and within its length."""
    tree = (Part("1", names=tuple(names), types=(type_,)),)
    [answer] = Inspection(tree).answers([RuleSet("X", (rule("title", mimes="*"),))])
    said = reason(tree, answer)
    assert said.startswith("title: ")
    assert said.isprintable()
    assert len(said) <= REASON_LIMIT
    assert ascii_printable(said).isascii()


def test_the_work_is_parts_times_rules() -> None:
    """1,500 members, 60 rules and names of a thousand letters are nothing to a processor."""
    rules = tuple(rule(f"e{number}", extensions=f"x{number}") for number in range(30))
    rules += tuple(rule(f"n{number}", names=rf"(?i)\.(x{number}|y{number})$") for number in range(30))
    members = (Part(f"1/{number}", parent=0, names=(f"dir/{number}.txt",), is_member=True) for number in range(1500))
    begin = time.thread_time()
    assert told((Part("1"), *members), rules) == {}
    hostile = (Part(f"1/{number}", parent=0, names=("ü." * 500, "a" * 1000)) for number in range(1000))
    assert told((Part("1"), *hostile), rules) == {}
    assert time.thread_time() - begin < 10


def test_a_deep_path_stays_within_its_length() -> None:
    """A node far down is told with the outermost and the nearest of what it stands in."""
    deep = [Part("1", names=("outer.zip",))]
    deep += [Part("1" + "/1" * number, parent=number - 1, names=("n" * 900,)) for number in range(1, 60)]
    assert told(tuple(deep), (rule(path=re.compile(r"(?s)N=outer\.zip.*N=n+$")),)) == {"1" + "/1" * 59: "rule"}


def test_an_expression_sees_a_name_of_a_thousand_characters_whole() -> None:
    """Of a longer one it sees the head and the tail."""
    for length, is_seen in ((1000, True), (1500, False)):
        tree = (Part("1", names=("a" * 400 + ".exe." + "b" * (length - 405),)),)
        assert bool(told(tree, (rule(names=r"\.exe\."),))) is is_seen
        assert bool(told(tree, (rule(match=r"\.exe\."),))) is is_seen
        assert told(tree, (rule(match="^a{300}.*b{500}$"),)) == {"1": "rule"}


def test_many_names_are_capped_for_expressions_but_not_for_extensions() -> None:
    """Hiding among a thousand names does not help."""
    names = ("a.txt",) * 500 + ("evil.exe",) + ("a.txt",) * 500
    assert told((Part("1", names=names),), (rule(extensions="exe"),)) == {"1": "rule"}
    assert told((Part("1", names=names),), (rule(names=r"\.txt$"),)) == {"1": "rule"}
