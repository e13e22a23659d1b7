# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes nested mappings as TOML, which the standard library only reads.

*Source:* TOML 1.0.0.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

Value: TypeAlias = str | bool | int | float | Path | Sequence["Value"] | Mapping[str, "Value"]
Table: TypeAlias = Mapping[str, Value]


def written(table: Table, name: str = "") -> str:
    """The text of a table: its values first, then the tables in it and lists of tables."""
    plain = {key: value for key, value in table.items() if not _is_table(value) and not _is_table_list(value)}
    lines = [f"{_key(key)} = {_value(value)}\n" for key, value in plain.items()]
    for key, value in table.items():
        path = f"{name}.{_key(key)}" if name else _key(key)
        if isinstance(value, Mapping):
            lines.append(f"\n[{path}]\n{written(value, path)}")
        elif _is_table_list(value) and isinstance(value, Sequence):
            lines += [f"\n[[{path}]]\n{written(one, path)}" for one in value if isinstance(one, Mapping)]
    return "".join(lines)


def merged(below: Table, above: Table) -> dict[str, Value]:
    """Both tables in one; where they differ ``above`` wins, tables are laid over each other key by key."""
    result = dict(below)
    for key, value in above.items():
        under = result.get(key)
        both = isinstance(under, Mapping) and isinstance(value, Mapping)
        result[key] = merged(under, value) if both else value  # type: ignore[arg-type]
    return result


def _is_table(value: Value) -> bool:
    return isinstance(value, Mapping)


def _is_table_list(value: Value) -> bool:
    return not isinstance(value, str) and isinstance(value, Sequence) and bool(value) and _is_table(value[0])


def _key(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() and key.isascii() else _value(key)


def _value(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str | Path):
        return json.dumps(str(value), ensure_ascii=False)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(key)} = {_value(one)}" for key, one in value.items()) + " }"
    return "[" + ", ".join(map(_value, value)) + "]"
