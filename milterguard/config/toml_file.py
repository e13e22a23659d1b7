# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a TOML file, and tells a slip in it so that it is found: line, column and the key it is in.

*Errors:* ConfigError.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from milterguard.core.text import printable
from milterguard.errors import ConfigError

_ASSIGNMENT = re.compile(r"[ \t]*([A-Za-z0-9_.-]+)[ \t]*=")
_SECTION = re.compile(r"[ \t]*\[{1,2}[ \t]*([A-Za-z0-9_.-]+)[ \t]*\]")
_POSITION = re.compile(r" \(at (?:line (?P<line>[0-9]+), column (?P<column>[0-9]+)|end of document)\)\Z")


def read_table(file: Path) -> Mapping[str, Any]:
    try:
        octets = file.read_bytes()
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "no file name"
        raise ConfigError(str(file), "", expected="a readable file", got=reason) from None
    try:
        text = octets.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        where = _place(octets[: error.start].decode("utf-8", "replace"))
        raise ConfigError(str(file), "", expected="UTF-8", got=f"other octets at {where}") from None
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ConfigError(str(file), "", expected="TOML", got="brackets nested too deep") from None
    except ValueError as error:
        key, got = _broken(str(error), text)
        expected = """a TOML value, such as "text" or 'a\\.b' in quotes, or a number without unit""" if key else "TOML"
        raise ConfigError(str(file), key, expected=expected, got=got) from None


def _broken(reason: str, text: str) -> tuple[str, str]:
    """Return the key whose value the TOML parser stumbled over, if it is one, and what it found where."""
    position = _POSITION.search(reason)
    if position is None:
        return "", printable(reason)
    line, column = position["line"], position["column"]
    where = f"line {line}, column {column}" if line else _place(text)
    words = reason[: position.start()]
    is_escape = "'\\'" in words
    is_value = line and (is_escape or words.startswith(("Invalid value", "Expected newline")))
    got = f"at {where}: {printable(words)}" + ("; did you mean '…', single quotes?" if is_escape else "")
    return _key_in(text.splitlines()[: int(line)]) if is_value else "", got


def _key_in(lines: Sequence[str]) -> str:
    """Return the dotted key that the last of these lines gives a value; empty when it gives none."""
    assigned = _ASSIGNMENT.match(lines[-1]) if lines else None
    if assigned is None:
        return ""
    section = next((found[1] for line in reversed(lines) if (found := _SECTION.match(line))), "")
    return dotted(section, assigned[1])


def _place(before: str) -> str:
    """Return line and column, from 1, of what follows this text."""
    return f"line {before.count(chr(10)) + 1}, column {len(before) - before.rfind(chr(10))}"


def dotted(path: str, key: str) -> str:
    """Return the name of a key in a section, fit to be shown."""
    return printable(f"{path}.{key}" if path else key, 100)
