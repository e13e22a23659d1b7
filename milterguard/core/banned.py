# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules about names and types: which of the parts of a message nobody is to get, and why.

Each leaf of the tree is answered by the first rule of a set that matches it or anything that it
stands in; where a set has no answer the next one is asked. A node is held against each rule once,
whatever the number of leaves below it and of recipients: the work is parts times rules.

*Source:* amavis ``$banned_filename_re``, ``%banned_rules``, ``$banned_namepath_re``.

*Errors:* none are raised. The expressions of the operator must take linear time on any text; who
compiles them sees to that (``config/pattern.py``).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Protocol

from milterguard.core.destiny import Destiny
from milterguard.core.part import Flag, Part, Tree, leaves
from milterguard.core.spelling import LONGEST, clipped, endings, seen
from milterguard.core.text import printable

NAME_LIMIT = 64
"""Names of one part that an expression sees: a name costs its sender little; extensions are taken of all."""
PATH_LIMIT = 8000
"""Characters of a whole path that an expression sees: each leaf has one of its own."""
REASON_LIMIT = 120
UNDECIPHERABLE = "UNDECIPHERABLE"
"""amavis' word among the attributes of what could not be opened."""
_SHUT = frozenset((Flag.ENCRYPTED, Flag.UNDECODABLE))
_LETTERS = (
    (Flag.UNDECODABLE, "U"),
    (Flag.ENCRYPTED, "C"),
    (Flag.AMBIGUOUS, "B"),
    (Flag.DIRECTORY, "D"),
    (Flag.SPECIAL, "S"),
    (Flag.LINK, "L"),
)
_NAMES_SHOWN = 3
_SHOWN_LENGTH = 40
_SEPARATORS = re.compile(r"[\t\r\n]")


class Pattern(Protocol):
    """An expression of the operator, compiled."""

    def search(self, text: str, /) -> object | None:
        """Return something if the expression is found in the text. Linear in its length, and never raises."""


class Action(StrEnum):
    """What a rule says about the leaf that it matched."""

    BAN = "ban"
    ALLOW = "allow"
    NEXT = "next"
    """The set has no opinion: the next one is asked (amavis: undef)."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. Whatever it says must hold of the same node; where it says several things in one key, one of them."""

    title: str
    """Shown to strangers: short."""
    types: frozenset[str] = frozenset()
    """Short names of what the octets are, in lower case: ``exe-ms``."""
    extensions: frozenset[str] = frozenset()
    """Endings of a name, in lower case: ``exe``, ``tar.gz``."""
    flags: frozenset[Flag] = frozenset()
    digests: frozenset[str] = frozenset()
    """SHA-256 in lower-case hex."""
    mimes: tuple[str, ...] = ()
    """Declared types in lower case; ``image/*`` for all that begin so."""
    names: tuple[Pattern, ...] = ()
    """Searched for in names as they came, and in them without what cannot be seen."""
    match: tuple[Pattern, ...] = ()
    """amavis' form: searched for in MIME types, dot and short type, names, and the word UNDECIPHERABLE."""
    path: Pattern | None = None
    """Searched for in the whole path, and only where no set had an answer. Stands alone."""
    action: Action = Action.BAN
    destiny: Destiny | None = None
    """What becomes of the message; None: what the policy says."""
    is_on_trial: bool = False
    """``shadow = true``: its bans are told and nothing comes of them."""

    @property
    def needs_name(self) -> bool:
        """Whether it can hold of something that has a name only."""
        return bool(self.extensions or self.names)


@dataclass(frozen=True)
class RuleSet:
    """Rules in their order, under the name that a policy knows them by. Has a dictionary, for what is cached."""

    name: str
    rules: tuple[Rule, ...]
    origin: str = "default"
    """Where it was written."""

    def in_force(self) -> "RuleSet":
        """Return the set without the rules that are on trial: itself when there are none."""
        rules = tuple(rule for rule in self.rules if not rule.is_on_trial)
        return self if len(rules) == len(self.rules) else RuleSet(self.name, rules, self.origin)

    @cached_property
    def of_nodes(self) -> tuple[tuple[int, Rule], ...]:
        """Rules that are asked about each node, numbered in their order."""
        return tuple(enumerate(rule for rule in self.rules if rule.path is None))

    @cached_property
    def of_nameless(self) -> tuple[tuple[int, Rule], ...]:
        """Of those the ones that may hold of a node without a name, as most texts are."""
        return tuple((number, rule) for number, rule in self.of_nodes if not rule.needs_name)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a rule says about a leaf."""

    leaf: int
    """Index of the part."""
    node: int
    """Index of the part that the rule matched: the leaf, or something it stands in."""
    rule: Rule
    rules: str
    """Name of its set."""


class Inspection:
    """The parts of one message, held against sets of rules, each set once."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._leaves = tuple(leaves(tree))
        self._nodes = tuple(_Node(part, number) for number, part in enumerate(tree, start=1))
        self._first: dict[str, list[Answer | None]] = {}

    def answers(self, sets: Sequence[RuleSet]) -> Iterator[Answer]:
        """Yield what these sets, asked in this order, say about each leaf of which one says something."""
        for leaf in self._leaves:
            answer = self._by_node(leaf, sets) or self._by_path(leaf, sets)
            if answer is not None:
                yield answer

    def _by_node(self, leaf: int, sets: Sequence[RuleSet]) -> Answer | None:
        for each in sets:
            if each.name not in self._first:
                self._first[each.name] = self._firsts(each)
            found = self._first[each.name][leaf]
            if found is not None and found.rule.action is not Action.NEXT:
                return Answer(leaf, found.node, found.rule, each.name)
        return None

    def _firsts(self, rules: RuleSet) -> list[Answer | None]:
        """Return for each part the first rule that matches it or one that it stands in.

        Where its parent has an answer, only the rules before that one can better it.
        """
        numbers: list[int] = []
        found: list[Answer | None] = []
        for index, node in enumerate(self._nodes):
            parent = self._tree[index].parent
            limit = numbers[parent] if parent >= 0 else len(rules.of_nodes)
            number = _first(rules, node, limit)
            if number < limit:
                found.append(Answer(index, index, rules.of_nodes[number][1], rules.name))
            else:
                found.append(found[parent] if parent >= 0 else None)
            numbers.append(number)
        return found

    def _by_path(self, leaf: int, sets: Sequence[RuleSet]) -> Answer | None:
        rules = [[rule for rule in each.rules if rule.path is not None] for each in sets]
        text = self._path_text(leaf) if any(rules) else ""
        for each, of_set in zip(sets, rules, strict=True):
            found = next((rule for rule in of_set if rule.path and rule.path.search(text)), None)
            if found is not None and found.action is not Action.NEXT:
                return Answer(leaf, leaf, found, each.name)
        return None

    def _path_text(self, leaf: int) -> str:
        texts: list[str] = []
        index = leaf
        while index >= 0:
            texts.append(self._nodes[index].path_text)
            index = self._tree[index].parent
        return clipped("\n".join(reversed(texts)), PATH_LIMIT)


def reason(tree: Tree, answer: Answer) -> str:
    """Return the rule's title and the attributes of the leaf, fit to be shown: ``executable: .exe,.exe-ms,evil.exe``.

    Where the rule holds of something that the leaf stands in, that is named behind it: ``… in evil.scr``.
    At most ``REASON_LIMIT`` printable characters. *Source:* amavis' ``banning_reason_short``.
    """
    part = tree[answer.leaf]
    names = list(dict.fromkeys(clipped(name, _SHOWN_LENGTH) for name in part.names))[:_NAMES_SHOWN]
    shown = [*(f".{kind}" for kind in part.kinds[:_NAMES_SHOWN]), *names]
    if answer.rule.mimes or not shown:
        shown = [*(clipped(each, _SHOWN_LENGTH) for each in part.types[:1]), *shown]
    text = f"{answer.rule.title}: {','.join(shown)}" if shown else answer.rule.title
    if answer.node != answer.leaf:
        holder = tree[answer.node]
        text += f" in {clipped(holder.names[0], _SHOWN_LENGTH) if holder.names else f'part {holder.placement}'}"
    # Once for what it escapes, once for the length that this has come to.
    return printable(printable(text, len(text)), REASON_LIMIT)


def _first(rules: RuleSet, node: "_Node", limit: int) -> int:
    """Return the number of the first rule that holds of this node; the limit when none before it does."""
    for number, rule in rules.of_nodes if node.part.names else rules.of_nameless:
        if number >= limit:
            break
        if _holds(rule, node):
            return number
    return limit


def _holds(rule: Rule, node: "_Node") -> bool:
    """Whether everything that the rule says is so of this node."""
    return (
        (not rule.types or not rule.types.isdisjoint(node.types))
        and (not rule.extensions or not rule.extensions.isdisjoint(node.endings))
        and (not rule.flags or not rule.flags.isdisjoint(node.part.flags))
        and (not rule.digests or node.part.digest in rule.digests)
        and (not rule.mimes or any(_is_of(type_, rule.mimes) for type_ in node.part.types))
        and (not rule.names or _finds(rule.names, node.names))
        and (not rule.match or _finds(rule.match, node.attributes))
    )


def _is_of(declared: str, wanted: tuple[str, ...]) -> bool:
    return any(declared.startswith(each[:-1]) if each.endswith("*") else declared == each for each in wanted)


def _finds(patterns: tuple[Pattern, ...], texts: tuple[str, ...]) -> bool:
    return any(pattern.search(text) for pattern in patterns for text in texts)


class _Node:
    """A part as rules see it; each view is made when the first rule asks for it."""

    def __init__(self, part: Part, number: int) -> None:
        self.part = part
        self.types = tuple(kind.lower() for kind in part.kinds)
        self._number = number

    @cached_property
    def endings(self) -> frozenset[str]:
        part = self.part
        if Flag.DIRECTORY in part.flags:
            return frozenset()
        return frozenset().union(*(endings(name, is_member=part.is_member) for name in part.names))

    @cached_property
    def raw_names(self) -> tuple[str, ...]:
        return tuple(clipped(name, LONGEST) for name in self._some_names)

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.raw_names, *map(seen, self._some_names))))

    @property
    def _some_names(self) -> tuple[str, ...]:
        names = self.part.names
        return names if len(names) <= NAME_LIMIT else (*names[: NAME_LIMIT // 2], *names[-NAME_LIMIT // 2 :])

    @cached_property
    def attributes(self) -> tuple[str, ...]:
        """In amavis' order: M, T, N, UNDECIPHERABLE."""
        part = self.part
        shut = () if _SHUT.isdisjoint(part.flags) else (UNDECIPHERABLE,)
        return (*_clipped(part.types), *(f".{kind}" for kind in part.kinds), *self.raw_names, *shut)

    @cached_property
    def path_text(self) -> str:
        """The attributes of the node as amavis writes them in a path, separated by tabs."""
        part = self.part
        pieces = [f"P=p{self._number:03d}", f"L={part.placement}", *(f"M={each}" for each in _clipped(part.types))]
        pieces += [f"T={kind}" for kind in part.kinds]
        pieces += [f"N={name}" for name in self.raw_names]
        pieces += [f"A={letter}" for flag, letter in _LETTERS if flag in part.flags]
        return clipped("\t".join(_SEPARATORS.sub(" ", piece) for piece in pieces), PATH_LIMIT)


def _clipped(types: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(clipped(each, LONGEST) for each in types[:NAME_LIMIT])
