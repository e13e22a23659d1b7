# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings from where the operator put them: file, ``conf.d`` beside it, environment, in that order.

What comes later wins, key by key, set by set of ``[[banned.NAME]]`` and bank by bank of ``[bank.NAME]``;
entries of ``[[recipient]]``, ``[[table]]``, ``[[field]]`` and ``[[dkim_key]]`` add up. Everything is checked before
anything is used, so that a slip stops a reload and never a message.

*Errors:* ConfigError with file, dotted key, what was expected and what was found, and never a secret.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from milterguard.config.banks import bank
from milterguard.config.banned import rule_set
from milterguard.config.contradiction import check
from milterguard.config.dkim_key import dkim_keys
from milterguard.config.environment import CONFIG_VARIABLE, read_environment
from milterguard.config.field_rule import MOST_RULES, field_rules
from milterguard.config.lists import read_files
from milterguard.config.schema import Entry, build, entries, recipient_entries, sections
from milterguard.config.settings import RecipientRule, Settings
from milterguard.config.signing import DkimKey
from milterguard.config.toml_file import dotted, read_table
from milterguard.config.value import Mismatch, convert, described, in_brackets, suggestion
from milterguard.config.value_tables import value_tables
from milterguard.core.bank import Bank
from milterguard.core.banned import RuleSet
from milterguard.core.custom import FieldRule
from milterguard.core.policy import OnTrial
from milterguard.core.value_table import ValueTable
from milterguard.errors import ConfigError

DEFAULT_PATH = Path("/etc/milterguard/milterguard.toml")
ORIGIN_DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings, and where each of them comes from."""

    settings: Settings
    origins: Mapping[str, str]
    """By dotted key: ``default``, a file's name, or ``environment NAME``."""


def find_config(option: str | None, environ: Mapping[str, str]) -> Path | None:
    """Return the file to load: ``--config``, else MILTERGUARD_CONFIG, else the one in ``/etc``.

    None when nothing was named and there is nothing in ``/etc``: the defaults hold. A file that was
    named is returned even if it does not exist, so that ``load`` complains.
    """
    named = option or environ.get(CONFIG_VARIABLE)
    if named:
        return Path(named)
    return DEFAULT_PATH if _exists(DEFAULT_PATH) or _exists(DEFAULT_PATH.parent / "conf.d") else None


def load(path: Path | None, *, environ: Mapping[str, str]) -> Loaded:
    """Return the validated settings; ``path`` None reads no file. Raises ConfigError."""
    collected = _Collected()
    for file in _files(path):
        collected.add_table(read_table(file), str(file))
    for entry, value, origin in read_environment(environ):
        collected.set(entry, value, origin=origin)
    settings = build(
        collected.values,
        tuple(collected.recipients),
        tuple(collected.banned.values()),
        tuple(collected.banks.values()),
        tuple(collected.on_trial.items()),
        collected.fields,
    )
    settings = replace(settings, tables=collected.tables, dkim_keys=collected.dkim_keys)
    check(settings, collected.origins)
    settings = replace(settings, files=read_files(settings, collected.origins))
    return Loaded(settings, MappingProxyType(collected.origins))


class _Collected:
    """Values by dotted key while files and environment are laid over each other."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.origins: dict[str, str] = dict.fromkeys(entries(), ORIGIN_DEFAULT)
        self.recipients: list[RecipientRule] = []
        self.tables: tuple[ValueTable, ...] = ()
        self.banned: dict[str, RuleSet] = {}
        self.banks: dict[str, Bank] = {}
        self.on_trial: dict[str, object] = {}
        self.fields: tuple[FieldRule, ...] = ()
        self.dkim_keys: tuple[DkimKey, ...] = ()

    def set(self, entry: Entry, value: Any, *, origin: str) -> None:
        if isinstance(value, OnTrial):
            self.on_trial[entry.key] = value
            self.origins[f"{entry.name} (shadow)"] = origin
            return
        self.values[entry.name] = value
        self.origins[entry.name] = origin

    def add_table(self, table: Mapping[str, Any], file: str, *, path: str = "") -> None:
        """Take over a TOML table and those inside it; ``path`` is its dotted name."""
        for key, value in table.items():
            name = f"{path}.{key}" if path else key
            entry = entries().get(name)
            if entry is not None:
                self.set(entry, _converted(entry, value, file=file, name=name), origin=file)
            elif name == "recipient":
                self._add_recipients(value, file)
            elif name == "table":
                self.tables += value_tables(value, file=file)
            elif name == "banned":
                self._add_banned(value, file)
            elif name == "bank":
                self._add_banks(value, file)
            elif name == "field":
                self._add_fields(value, file)
            elif name == "dkim_key":
                self.dkim_keys += dkim_keys(value, file=file)
                shown = {f"dkim_key[{number}]": key.origin for number, key in enumerate(self.dkim_keys, start=1)}
                self.origins.update(shown)
            elif any(section == name or section.startswith(f"{name}.") for section in sections()):
                self.add_table(_as_table(value, file=file, name=name), file, path=name)
            else:
                raise _unknown_key(file, path, key=key)

    def _add_recipients(self, value: Any, file: str) -> None:
        if not isinstance(value, list):
            raise ConfigError(file, "recipient", expected="[[recipient]], in double brackets", got=described(value))
        for number, table in enumerate(value, start=1):
            name = f"recipient[{number}]"
            rule = _rule(_as_table(table, file=file, name=name), file=file, name=name)
            self.recipients.append(rule)
            shown = f"recipient[{len(self.recipients)}]"
            self.origins.update({f"{shown}.{key}": file for key in ("match", *dict(rule.settings))})

    def _add_banned(self, value: Any, file: str) -> None:
        if not isinstance(value, Mapping):
            raise ConfigError(file, "banned", expected="[[banned.NAME]], in double brackets", got=described(value))
        for name, rules in value.items():
            self.banned[name] = rule_set(name, rules, file=file)
            self.origins[f"banned.{name}"] = file

    def _add_fields(self, value: Any, file: str) -> None:
        self.fields += field_rules(value, file=file)
        if len(self.fields) > MOST_RULES:
            raise ConfigError(file, "field", expected=f"at most {MOST_RULES} [[field]]", got=str(len(self.fields)))
        self.origins.update({f"field[{number}]": rule.origin for number, rule in enumerate(self.fields, start=1)})

    def _add_banks(self, value: Any, file: str) -> None:
        if not isinstance(value, Mapping):
            raise ConfigError(file, "bank", expected="[bank.NAME]", got=described(value))
        known = {entry.key: entry for entry in entries().values() if entry.section == "policy"}
        for name, table in value.items():
            self.banks[name] = bank(name, table, known, file=file)
            keys = ("when", *dict(self.banks[name].settings))
            self.origins.update({f"bank.{name}.{key}": file for key in keys})


def _rule(table: Mapping[str, Any], *, file: str, name: str) -> RecipientRule:
    match = table.get("match", [])
    if not isinstance(match, list) or not match or not all(isinstance(item, str) for item in match):
        got = described(match) + in_brackets(match) if "match" in table and match != [] else "none"
        raise ConfigError(file, f"{name}.match", expected="an array of recipients", got=got)
    known = recipient_entries()
    settings: list[tuple[str, object]] = []
    for key, value in table.items():
        if key == "match":
            continue
        if key not in known:
            raise _unknown_recipient_key(file, name, key=key)
        settings.append((key, _converted(known[key], value, file=file, name=f"{name}.{key}")))
    return RecipientRule(tuple(match), tuple(settings), f"{file}: [[recipient]] {name[10:-1]}")


def _converted(entry: Entry, value: Any, *, file: str, name: str) -> Any:
    try:
        return convert(entry, value)
    except Mismatch as mismatch:
        key = f"{name}.{mismatch.inner}" if mismatch.inner else name
        raise ConfigError(file, key, expected=mismatch.expected, got=mismatch.got) from None


def _as_table(value: Any, *, file: str, name: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(file, name, expected="a table", got=described(value))
    return value


def _unknown_key(file: str, path: str, *, key: str) -> ConfigError:
    expected = f"a key of [{path}]" if path else _sections()
    near = _elsewhere(key, path) or suggestion(key, _known_in(path))
    return ConfigError(file, dotted(path, key), expected=expected, got=f"an unknown key{near}")


def _sections() -> str:
    return "one of the sections " + ", ".join(
        [
            *(f"[{name}]" for name in sections()),
            *("[[table]]", "[[recipient]]", "[bank.NAME]", "[[banned.NAME]]", "[[field]]", "[[dkim_key]]"),
        ]
    )


def _unknown_recipient_key(file: str, name: str, *, key: str) -> ConfigError:
    if f"policy.{key}" in entries():
        return ConfigError(file, f"{name}.{key}", expected="a key that holds for one recipient", got="one for [policy]")
    near = suggestion(key, [*recipient_entries(), "match"]) or _elsewhere(key)
    return ConfigError(file, dotted(name, key), expected="a policy key", got=f"an unknown key{near}")


def _known_in(path: str) -> Sequence[str]:
    """Return the keys and sections directly below a dotted name."""
    start = f"{path}." if path else ""
    known = [name.removeprefix(start).partition(".")[0] for name in entries() if name.startswith(start)]
    return [*dict.fromkeys(known), *([] if path else ["table", "recipient", "bank", "banned", "field", "dkim_key"])]


def _elsewhere(key: str, path: str = "") -> str:
    """Return a hint for a key that stands in the wrong section or has the name that amavis gave it.

    A key that several sections have is no hint; ``destiny`` in ``[checks.banned]`` is ``banned_destiny``.
    """
    joined = f"{path.rpartition('.')[2]}_{key}"
    names = [entry.name for entry in entries().values() if entry.key in (key, joined)]
    if len(names) != 1:
        names = [entry.name for entry in entries().values() if _plain(key) in _plain_names(entry.amavis)]
    return f'; did you mean "{names[0]}"?' if names else ""


def _plain(name: str) -> str:
    return name.strip("$@%").replace("_", "").lower()


def _plain_names(amavis: str) -> Sequence[str]:
    """Return what somebody may write who has a name of amavis in mind; for ``$table{key}`` that is ``key`` too."""
    table, _, key = amavis.rstrip("}").partition("{")
    return [_plain(name) for name in (amavis, key or table) if name]


def _exists(path: Path) -> bool:
    try:
        path.stat()
    except FileNotFoundError:
        return False
    except OSError:
        return True  # reading it will say what is wrong
    return True


def _files(path: Path | None) -> Iterator[Path]:
    """Yield the file and those of ``conf.d`` beside it, in lexical order."""
    if path is None:
        return
    yield path
    directory = path.parent / "conf.d"
    try:
        names = sorted(item.name for item in directory.iterdir()) if _exists(directory) else []
    except OSError as error:
        raise ConfigError(str(directory), "", expected="a readable directory", got=error.strerror or "none") from None
    for name in names:
        if name.endswith(".toml") and not name.startswith("."):
            yield directory / name
