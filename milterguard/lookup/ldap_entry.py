# SPDX-License-Identifier: GPL-3.0-or-later
"""What the entries of a directory say about a recipient: amavis' attributes as layers.

The closest entry is the one that stands under the closest key of the address; a directory has no order
of its own. A value that cannot be read counts as not said, and is told to whoever asks.

*Source:* amavis' LDAP.schema (``amavisAccount``), README.ldap. *Errors:* none.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from milterguard.config.pattern import check_recipient
from milterguard.config.query_filter import KeyPlace
from milterguard.config.value import Mismatch
from milterguard.core.by_category import by_category
from milterguard.core.text import printable
from milterguard.lookup.amavis import COLUMNS, IGNORED, Unreadable, attribute_of, is_yes, settings_of
from milterguard.lookup.layer import MERGED, Layer

LOCAL, MODIFIES_SUBJECT = "amavisLocal", "amavisSpamModifiesSubj"
SENDERS = {"amavisWhitelistSender": "allow_senders", "amavisBlacklistSender": "deny_senders"}
_CATCH_ALL = "@."
_SUBJECT_TAGS = ("spam_subject_tag1", "spam_subject_tag", "spam_subject_tag3")
_NOT_IN_THE_SCHEMA = frozenset({"banned_lover", "addr_extension_unchecked", "addr_extension_clean"})
"""Columns without an attribute."""
_SEVERAL_TEXTS = frozenset({"banned_rulenames"})
"""Columns that are lists, whose attribute may have several values."""

USED: Mapping[str, str] = {attribute_of(column): column for column in COLUMNS if column not in _NOT_IN_THE_SCHEMA}
"""Columns by the attribute that says the same."""
UNUSED: Mapping[str, str] = {attribute_of(column): reason for column, reason in IGNORED.items()}
"""Attributes that have no meaning here, and why."""
ATTRIBUTES = (*USED, *UNUSED, LOCAL, MODIFIES_SUBJECT, *SENDERS)
"""All of amavis' attributes."""
_SPELLING = {name.lower(): name for name in ATTRIBUTES}

Values = tuple[tuple[str, tuple[bytes, ...]], ...]
"""Attributes with their values, in amavis' spelling and in order."""
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Entry:
    """What we have of an entry."""

    dn: str
    key: str
    """The closest key of the address that it stands under; empty when it does not say."""
    values: Values


def entries_of(
    found: Iterable[tuple[str, Mapping[str, Sequence[bytes]]]], keys: Sequence[str], places: Sequence[KeyPlace]
) -> tuple[Entry, ...]:
    """Return the entries found, by DN and attributes, the closest first. Never raises."""
    entries = []
    for dn, attributes in found:
        by_name = {name.lower(): tuple(values) for name, values in attributes.items()}
        position = _position(by_name, keys, places)
        known = sorted((_SPELLING[name], values) for name, values in by_name.items() if name in _SPELLING)
        key = keys[position] if position < len(keys) else ""
        entries.append((position, dn, Entry(dn, key, tuple(known))))
    return tuple(entry for _, _, entry in sorted(entries, key=lambda each: each[:2]))


def layers_of(entries: Sequence[Entry], tell: Tell) -> tuple[Layer, ...]:
    """Return what these entries say, the closest first. ``tell`` is told what cannot be read. Never raises."""
    may_tag = [_flag(entry, MODIFIES_SUBJECT, tell=tell) for entry in entries]
    deciding = next((index for index, said in enumerate(may_tag) if said is not None), None)
    layers = []
    for index, entry in enumerate(entries):
        settings = _settings(entry, tell)
        if deciding is not None and not may_tag[deciding]:
            settings = _untagged(settings, is_deciding=index == deciding)
        is_local = _is_local(entry, tell)
        if settings or is_local is not None:
            layers.append(Layer(tuple(settings.items()), _origin(entry), is_local=is_local))
    return tuple(layers)


def _is_local(entry: Entry, tell: Tell) -> bool | None:
    """Return what an entry says about whether the recipient is ours; who has one is, but for the catch-all's sake."""
    said = _flag(entry, LOCAL, tell=tell)
    return True if said is None and entry.key not in ("", _CATCH_ALL) else said


def sender_entry(text: str) -> str:
    """Return an entry of amavis' list of senders as ours has it. Raises Unreadable.

    ``user@example.com``, ``@example.com`` and ``@.example.com`` (with subdomains) are the same in both;
    ``example.com`` and ``.example.com`` are domains, ``.`` is everybody, ``<>`` the null sender.
    """
    entry = text.strip()
    if "@" not in entry and entry != "<>":
        entry = f"@{entry}"
    try:
        if entry != "<>":
            check_recipient(entry)
    except Mismatch as mismatch:
        raise Unreadable(f"expected {mismatch.expected}, found {mismatch.got}") from None
    return entry


def _position(attributes: Mapping[str, Sequence[bytes]], keys: Sequence[str], places: Sequence[KeyPlace]) -> int:
    """Return which of the keys an entry stands under; one more than there are when it does not say."""
    wanted = {key: position for position, key in reversed(list(enumerate(keys)))}
    positions = [len(keys)]
    for place in places:
        before, behind = place.before.casefold(), place.behind.casefold()
        for value in attributes.get(place.attribute.lower(), ()):
            text = value.decode("utf-8", "replace").casefold()
            if text.startswith(before) and text.endswith(behind):
                positions.append(wanted.get(text[len(before) : len(text) - len(behind)], len(keys)))
    return min(positions)


def _settings(entry: Entry, tell: Tell) -> dict[str, Any]:
    """Return the policy keys that an entry gives."""
    settings: dict[str, Any] = {}
    for attribute, values in entry.values:
        try:
            for name, value in _read(attribute, values):
                settings[name] = by_category((*settings.get(name, ()), *value)) if name in MERGED else value
        except Unreadable as error:
            tell(_unused(entry, attribute, error))
        if attribute in SENDERS and (senders := tuple(_senders(entry, attribute, tell=tell))):
            settings[SENDERS[attribute]] = senders
    return settings


def _untagged(settings: dict[str, Any], *, is_deciding: bool) -> dict[str, Any]:
    """Return settings without Subject tags: one entry says that there are none, and holds over closer ones too."""
    others = {name: value for name, value in settings.items() if name not in _SUBJECT_TAGS}
    return others | dict.fromkeys(_SUBJECT_TAGS, "") if is_deciding else others


def _read(attribute: str, values: Sequence[bytes]) -> Iterator[tuple[str, Any]]:
    """Yield what one attribute gives. Raises Unreadable."""
    column = USED.get(attribute)
    if column is None:
        return
    try:
        yield from settings_of({column: _single(values, is_list=column in _SEVERAL_TEXTS)})
    except Unreadable as error:
        raise Unreadable(str(error).removeprefix(f"{column}: ")) from None


def _senders(entry: Entry, attribute: str, *, tell: Tell) -> Iterator[str]:
    """Yield those values of a list that can be read."""
    for value in dict(entry.values)[attribute]:
        try:
            yield sender_entry(value.decode("utf-8", "replace"))
        except Unreadable as error:
            tell(_unused(entry, attribute, error))


def _flag(entry: Entry, attribute: str, *, tell: Tell) -> bool | None:
    values = dict(entry.values).get(attribute)
    if not values:
        return None
    try:
        return is_yes(_single(values))
    except Unreadable as error:
        tell(_unused(entry, attribute, error))
        return None


def _single(values: Sequence[bytes], *, is_list: bool = False) -> str:
    texts = [value.decode("utf-8", "replace") for value in values]
    if len(texts) > 1 and not is_list:
        raise Unreadable(f"expected one value, found {len(texts)}")
    return ",".join(texts)


def _origin(entry: Entry) -> str:
    name = printable(entry.dn, 255)
    return f"LDAP {name} ({printable(entry.key, 255)})" if entry.key else f"LDAP {name}"


def _unused(entry: Entry, attribute: str, error: Unreadable) -> str:
    return f"{_origin(entry)}: {attribute} is not used: {printable(str(error), 300)}"
