# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings as a list: the dataclasses of ``settings.py`` walked once, for the loader and the manual.

A dataclass attribute made with ``setting()`` is a key, one whose type is a dataclass is a section.
Nothing else needs to know which settings there are.
"""

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from functools import cache
from typing import Any, get_type_hints

from milterguard.config.banned_rules import shipped
from milterguard.config.settings import RecipientRule, Settings
from milterguard.core.bank import Bank
from milterguard.core.banned import RuleSet
from milterguard.core.custom import FieldRule

PREFIX = "MILTERGUARD_"


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of the settings with everything that is known about it."""

    section: str
    """Such as ``checks.clamd``."""
    key: str
    kind: Any
    """Its type, as annotated."""
    default: Any
    help: str
    amavis: str
    minimum: float | None
    maximum: float | None
    is_secret: bool
    per: str
    """``recipient`` or ``message``; counts in ``[policy]`` only."""

    @property
    def name(self) -> str:
        """The dotted key, such as ``checks.clamd.sockets``."""
        return f"{self.section}.{self.key}"

    @property
    def variable(self) -> str:
        """The environment variable that sets it, such as ``MILTERGUARD_CHECKS_CLAMD_SOCKETS``."""
        return PREFIX + self.name.replace(".", "_").upper()


@cache
def entries() -> Mapping[str, Entry]:
    """Return every key of the settings by its dotted name, in the order of the dataclasses."""
    return {entry.name: entry for entry in _walk(Settings, "")}


@cache
def recipient_entries() -> Mapping[str, Entry]:
    """Return the policy keys that may stand in ``[[recipient]]``, by their bare name."""
    return {entry.key: entry for entry in entries().values() if entry.section == "policy" and entry.per == "recipient"}


@cache
def sections() -> tuple[str, ...]:
    """Return the dotted names of the sections that hold keys, in order."""
    return tuple(dict.fromkeys(entry.section for entry in entries().values()))


def section_help(name: str) -> str:
    """Return what a section is about: the first sentence of its dataclass."""
    kind: Any = Settings
    for part in name.split("."):
        kind = get_type_hints(kind)[part]
    return (kind.__doc__ or "").partition(". ")[0].rstrip(".") + "."


def build(
    values: Mapping[str, Any],
    recipients: tuple[RecipientRule, ...],
    banned: tuple[RuleSet, ...] = (),
    banks: tuple[Bank, ...] = (),
    on_trial: tuple[tuple[str, object], ...] = (),
    field_rules: tuple[FieldRule, ...] = (),
) -> Settings:
    """Return settings with these values by dotted name, all others at their defaults.

    ``banned`` are sets beside those of the program, or in their place where they have their names.
    """
    sets = {each.name: each for each in (*shipped(), *banned)}
    extra: dict[str, Any] = {
        "recipients": recipients,
        "banned": tuple(sets.values()),
        "banks": banks,
        "on_trial": on_trial,
    }
    extra["fields"] = field_rules
    settings: Settings = _build(Settings, "", values=values, extra=extra)
    return settings


def value_of(settings: Settings, entry: Entry) -> Any:
    """Return what these settings say for one key."""
    holder: Any = settings
    for part in entry.section.split("."):
        holder = getattr(holder, part)
    return getattr(holder, entry.key)


def _walk(kind: type[Any], path: str) -> Iterator[Entry]:
    hints = get_type_hints(kind)
    for field in fields(kind):
        if "help" in field.metadata:
            yield _entry(field, section=path, kind=hints[field.name])
        elif is_dataclass(hints[field.name]):
            yield from _walk(hints[field.name], _join(path, field.name))


def _entry(field: Field[Any], *, section: str, kind: Any) -> Entry:
    made = field.default_factory
    about = field.metadata
    return Entry(
        section=section,
        key=field.name,
        kind=kind,
        default=field.default if made is MISSING else made(),
        help=about["help"],
        amavis=about["amavis"],
        minimum=about["minimum"],
        maximum=about["maximum"],
        is_secret=about["secret"],
        per=about["per"],
    )


def _build(kind: type[Any], path: str, *, values: Mapping[str, Any], extra: Mapping[str, Any]) -> Any:
    hints = get_type_hints(kind)
    given = dict(extra)
    for field in fields(kind):
        name = _join(path, field.name)
        if name in values:
            given[field.name] = values[name]
        elif "help" not in field.metadata and is_dataclass(hints[field.name]):
            given[field.name] = _build(hints[field.name], name, values=values, extra={})
    return kind(**given)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
