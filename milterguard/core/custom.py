# SPDX-License-Identifier: GPL-3.0-or-later
"""Fields that the operator wants added, removed or replaced: ``[[field]]``, beside those we write ourselves.

*Source:* amavis ``%allowed_added_header_fields`` and its hooks; RFC 6376 section 5.4.1 (what signers sign).
*Errors:* none.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from milterguard.core.envelope import Traffic
from milterguard.core.finding import Category
from milterguard.core.message import Field
from milterguard.core.placeholder import expanded, placeholders
from milterguard.core.text import field_text, folded
from milterguard.core.verdict import InsertField, Outcome, RemoveField

_SIGNED = frozenset(
    ("from", "sender", "reply-to", "subject", "date", "message-id", "to", "cc", "in-reply-to", "references")
)
_SIGNED_PREFIXES = ("resent-", "list-")


class Action(StrEnum):
    """What becomes of the fields of a name."""

    ADD = "add"
    """One more, above all others."""
    REMOVE = "remove"
    """All of them go."""
    REPLACE = "replace"
    """All of them go and one comes, whether there were any or not."""


@dataclass(frozen=True, slots=True)
class FieldRule:
    """One entry of ``[[field]]``."""

    action: Action
    name: str
    value: str = ""
    """With placeholders; not for REMOVE."""
    categories: tuple[Category, ...] = ()
    """Of the delivered message, one of which it must have; empty: whatever it has."""
    traffics: tuple[Traffic, ...] = ()
    """Directions that it holds for; empty: all."""
    only_ours: bool = True
    """Only when a recipient who is ours gets the message, and by what that one has."""
    origin: str = ""
    """File and entry, for messages."""


@dataclass(frozen=True, slots=True)
class Custom:
    """What the rules come to for one message."""

    removals: tuple[RemoveField, ...] = ()
    """Of each name from the highest index down."""
    inserts: tuple[InsertField, ...] = ()
    """In the order in which they are made: the first rule's field ends on top."""


def custom(
    fields: Sequence[Field],
    rules: Iterable[FieldRule],
    accepted: Sequence[Outcome],
    *,
    traffic: Traffic,
    mail_id: str,
    hostname: str,
) -> Custom:
    """Return what the rules do to a message, the same in whatever order the recipients come."""
    applied: list[tuple[FieldRule, Mapping[str, str]]] = []
    for rule in rules:
        concerned = [each for each in accepted if each.recipient.is_local or not rule.only_ours]
        if _applies(rule, concerned, traffic):
            applied.append((rule, placeholders(concerned, mail_id=mail_id, hostname=hostname)))
    removed = dict.fromkeys(rule.name.lower() for rule, _ in applied if rule.action is not Action.ADD)
    names = {rule.name.lower(): rule.name for rule, _ in applied}
    present = _present(fields)
    return Custom(
        tuple(RemoveField(names[name], index) for name in removed for index in range(present[name], 0, -1)),
        tuple(
            InsertField(rule.name, _value(expanded(rule.value, values), rule.name))
            for rule, values in reversed(applied)
            if rule.action is not Action.REMOVE
        ),
    )


def most_copies(fields: Sequence[Field], rules: Iterable[FieldRule]) -> int:
    """Return how many fields of a message the rules may remove at most."""
    present = _present(fields)
    return sum(present[name] for name in {rule.name.lower() for rule in rules if rule.action is not Action.ADD})


def is_signed(name: str) -> bool:
    """Whether signers usually sign fields of that name, so that a change breaks their signatures."""
    return name.lower() in _SIGNED or name.lower().startswith(_SIGNED_PREFIXES)


def _applies(rule: FieldRule, concerned: Sequence[Outcome], traffic: Traffic) -> bool:
    if not concerned or (rule.traffics and traffic not in rule.traffics):
        return False
    # Everybody has CLEAN: it counts where nobody has anything else.
    categories = {category for each in concerned for category in each.categories} - {Category.CLEAN}
    return not rule.categories or not (categories or {Category.CLEAN}).isdisjoint(rule.categories)


def _present(fields: Iterable[Field]) -> Counter[str]:
    return Counter(field.key.decode("ascii", "replace") for field in fields)


def _value(text: str, name: str) -> str:
    """Return a value that cannot break out of its field, folded at its blanks."""
    safe = field_text(text).strip()
    if "\n" in safe or not safe.isascii():
        return safe
    return folded(safe.split(" "), first=len(name) + 2, separator=" ").replace(" \n", "\n")
