# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings as one writes them, and all that hold at this moment with where they are from. *Errors:* none."""

import json
from collections.abc import Sequence
from typing import Any, get_args, get_origin

from milterguard.config.banks import when_keys
from milterguard.config.load import Loaded
from milterguard.config.on_failure import OnFailure
from milterguard.config.schema import Entry, entries, recipient_entries, value_of
from milterguard.config.signing import DkimKey
from milterguard.config.value import UNSET, masked
from milterguard.core.bank import Bank
from milterguard.core.custom import Action, FieldRule
from milterguard.core.finding import Category
from milterguard.core.policy import OnTrial
from milterguard.core.value_table import ValueTable

_SHOWN_ROWS = 5


def show(loaded: Loaded) -> list[tuple[str, str, str]]:
    """Return every setting as dotted key, value in TOML and origin; secrets are masked, of rules there are titles."""
    rows = [
        (name, shown(entry, value_of(loaded.settings, entry)), loaded.origins[name])
        for name, entry in entries().items()
    ]
    sets, fields, keys = loaded.settings.banned, loaded.settings.fields, loaded.settings.dkim_keys
    for bank in loaded.settings.banks:
        rows.append((f"bank.{bank.name}.when", _when_text(bank), bank.origin))
        rows.extend((f"bank.{bank.name}.{key}", _bank_text(key, value), bank.origin) for key, value in bank.settings)
    for number, table in enumerate(loaded.settings.tables, start=1):
        rows.append((f"table[{number}].{table.setting}", _table_rows_text(table), table.origin))
    for number, rule in enumerate(loaded.settings.recipients, start=1):
        name = f"recipient[{number}]"
        rows.append((f"{name}.match", _text(list(rule.match)), rule.origin))
        rows.extend(
            (f"{name}.{key}", shown(recipient_entries()[key], value), rule.origin) for key, value in rule.settings
        )
    rows.extend((f"field[{number}]", _field_text(rule), rule.origin) for number, rule in enumerate(fields, start=1))
    rows.extend((f"dkim_key[{number}]", _key_text(key), key.origin) for number, key in enumerate(keys, start=1))
    rows.extend((f"banned.{each.name}", _text([rule.title for rule in each.rules]), each.origin) for each in sets)
    return rows


def _table_rows_text(table: ValueTable) -> str:
    """Return what a table is and what it begins with."""
    told = ", ".join(_text(key) for key, _ in table.rows[:_SHOWN_ROWS] if key)
    more = f" and {len(table.rows) - _SHOWN_ROWS} more" if len(table.rows) > _SHOWN_ROWS else ""
    return f"{table.kind}: {told}{more}".removesuffix(": ")


def _when_text(bank: Bank) -> str:
    said = [f"{key} = {_text(value)}" for key, value in when_keys(bank.when)]
    return f"{{ {', '.join(said)} }}"


def _key_text(key: DkimKey) -> str:
    more = ", subdomains = true" if key.subdomains else ""
    return f"{{ domain = {_text(key.domain)}, selector = {_text(key.selector)}, file = {_text(key.file)}{more} }}"


def _bank_text(key: str, value: Any) -> str:
    return shown(entries()[f"policy.{key}"], value)


def _field_text(rule: FieldRule) -> str:
    value = "" if rule.action is Action.REMOVE else f", value = {_text(rule.value)}"
    return f"{{ action = {_text(rule.action)}, name = {_text(rule.name)}{value} }}"


def toml_value(entry: Entry, value: Any) -> str:
    """Return a setting's value as it is written in the file."""
    if isinstance(value, OnTrial):
        return f"{{ value = {toml_value(entry, value.value)}, shadow = true }}"
    if entry.key.endswith("_mode"):
        return f"0o{value:o}"
    if get_origin(entry.kind) is tuple and get_origin(get_args(entry.kind)[0]) is tuple:
        return _table_text(value)
    return _text(value)


def shown(entry: Entry, value: Any) -> str:
    """Return a setting's value as one writes it, without what is secret in it."""
    if entry.key == "urls":
        return _text([masked(url) for url in value])
    if entry.is_secret and value and "://" not in value:
        return '"***"'
    return masked(toml_value(entry, value))


def _text(value: Any) -> str:
    if value is None:
        return json.dumps(UNSET)
    if isinstance(value, OnFailure):
        return _on_failure_text(value)
    if isinstance(value, Category):
        return json.dumps(value.word)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(str(value), ensure_ascii=False)
    if isinstance(value, tuple | list):
        return f"[{', '.join(_text(item) for item in value)}]"
    return str(value)


def _table_text(pairs: Sequence[tuple[Any, Any]]) -> str:
    """Return a table as it is written on one line; keys that are no bare words in quotes."""
    shown = (f"{key.word if isinstance(key, Category) else _text(key)} = {_text(value)}" for key, value in pairs)
    return f"{{ {', '.join(shown)} }}" if pairs else "{}"


def _on_failure_text(value: OnFailure) -> str:
    traffics = {"inbound": value.inbound, "originating": value.originating, "local": value.local}
    if set(traffics.values()) == {"pass"}:
        return json.dumps("pass")
    return "{ " + ", ".join(f'{traffic} = "{destiny}"' for traffic, destiny in traffics.items()) + " }"
