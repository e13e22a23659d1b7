# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings written down: the sample file, the manual, and what holds at this moment and why.

Everything comes from the metadata of ``settings.py``, so that file, manual and program cannot differ.
``python -m milterguard.config.sample sample`` (or ``reference``) prints what ``make generate`` keeps
as ``etc/milterguard.toml`` and ``docs/settings.md``.
"""

import json
import sys
import textwrap
from collections.abc import Iterator, Sequence
from enum import StrEnum
from types import UnionType
from typing import Any, get_args, get_origin

from milterguard.config.banned_rules import shipped
from milterguard.config.load import Loaded
from milterguard.config.on_failure import OnFailure
from milterguard.config.pattern import RECIPIENT
from milterguard.config.prose import (
    RECIPIENT_ORDER,
    REFERENCE_BANK,
    REFERENCE_BANNED,
    REFERENCE_FIELD,
    REFERENCE_HEAD,
    REFERENCE_RECIPIENT,
    REFERENCE_TABLE,
)
from milterguard.config.schema import Entry, entries, recipient_entries, section_help, sections, value_of
from milterguard.config.value import UNSET, masked
from milterguard.core.banned import Action, RuleSet
from milterguard.core.custom import Action as FieldAction
from milterguard.core.custom import FieldRule
from milterguard.core.finding import Category
from milterguard.core.policy import OnTrial
from milterguard.core.value_table import ValueTable

_WIDTH = 100
_SHOWN_ROWS = 5
_HEAD = f"""\
# Settings of milterguard, with all defaults: a line that starts with # and no blank shows one.
# Behind this file come conf.d/*.toml beside it in lexical order, then the environment:
# MILTERGUARD_SERVER_WORKERS for workers in [server], and with _FILE behind it the name of a file
# that holds the value. What comes later wins. Units stand in the names.
#
# "milterguard check" tells what is wrong, "milterguard config show" what holds and where it is from.
# A score level is switched off with "{UNSET}".
"""
_RECIPIENT = f"""\
# What holds for one recipient, domain or list of them, laid over [policy]; as often as needed.
# match: {RECIPIENT}; also
# /expression/ and file:/PATH with such an entry in each line; ! before one makes an exception.
# The closest match that says something about a key decides, whatever the order in the files: first
# the whole address, then without extension, then user@, then the domain, then its parents.
#[[recipient]]
#match = ["lover@example.com", "@lovers.example.net", "/^sales-/"]
#spam_lover = true
"""
_TABLE = """\
# Values of one setting for many recipients, asked in the order of the file and before [[recipient]].
# Beside setting stands one of hash, list, regexp, file, constant. docs/lookup.md has examples of all.
#[[table]]
#setting = "spam_kill_level"
#hash = { "user@example.com" = 5.0, "@.example.net" = 8.0 }
"""
_BANK = """\
# What holds for all recipients of some messages, laid over [policy] before [[recipient]]; several may hold, in
# the order of the file. when tells which messages: network, authenticated, tls, daemon, helo, sender, traffic.
#[bank.SUBMISSION]
#when = { authenticated = true }
#spam_destiny = "pass"
"""
_FIELD = """\
# Fields of your own in delivered mail: action is add, remove or replace; as often as needed, at most 50.
# category, traffic and only_ours tell of which mail. In a value stand _SCORE_, _CATEGORY_, _MAILID_ and the like.
#[[field]]
#action = "add"
#name = "X-Filtered"
#value = "_CATEGORY_ by _HOSTNAME_"
"""
_DKIM_KEY = """\
# A key that mail is signed with, several for a domain if need be; "milterguard dkim genkey" makes one.
# With subdomains = true it is for mail of the domains below as well.
#[[dkim_key]]
#domain = "example.com"
#selector = "2026a"
#file = "/etc/milterguard/dkim/example.com.2026a.pem"
"""
_BANNED = """\
# A set of rules about names and types, for banned_rules in [policy] and [[recipient]]. The first rule
# that matches decides. All rules of a set stand in one file; a set of the same name in a later file,
# or of a set that comes with the program, is replaced. docs/banned.md tells what may stand in a rule.
#[[banned.EXAMPLE]]
#title = "web page as a file"
#extension = ["htm", "html"]
#destiny = "discard"
"""


def sample() -> str:
    """Return the commented sample file; it loads to exactly the defaults."""
    written = (
        *(_sample_section(section) for section in sections()),
        _BANK,
        _TABLE,
        _RECIPIENT,
        _FIELD,
        _DKIM_KEY,
        _BANNED,
    )
    return "\n".join([_HEAD, *written])


def reference() -> str:
    """Return the manual of all settings in Markdown."""
    order = "".join(f"{number}. `{key}`\n" for number, key in enumerate(RECIPIENT_ORDER, start=1))
    keys = textwrap.fill(
        "Keys besides `match`, with the meaning they have in `[policy]`: "
        + ", ".join(f"`{key}`" for key in recipient_entries())
        + ".",
        width=120,
        break_on_hyphens=False,
    )
    tables = [_reference_section(section) for section in sections()]
    sets = "".join(f"| `{each.name}` | {_titles(each)} |\n" for each in shipped())
    return (
        "\n".join([REFERENCE_HEAD, *tables, REFERENCE_BANK + REFERENCE_RECIPIENT + order, keys])
        + "\n"
        + REFERENCE_TABLE
        + REFERENCE_FIELD
        + REFERENCE_BANNED
        + sets
    )


def show(loaded: Loaded) -> list[tuple[str, str, str]]:
    """Return every setting as dotted key, value in TOML and origin; secrets are masked, of rules there are titles."""
    rows = [
        (name, shown(entry, value_of(loaded.settings, entry)), loaded.origins[name])
        for name, entry in entries().items()
    ]
    sets, fields = loaded.settings.banned, loaded.settings.fields
    for bank in loaded.settings.banks:
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
    rows.extend((f"banned.{each.name}", _text([rule.title for rule in each.rules]), each.origin) for each in sets)
    return rows


def _table_rows_text(table: ValueTable) -> str:
    """Return what a table is and what it begins with."""
    told = ", ".join(_text(key) for key, _ in table.rows[:_SHOWN_ROWS] if key)
    more = f" and {len(table.rows) - _SHOWN_ROWS} more" if len(table.rows) > _SHOWN_ROWS else ""
    return f"{table.kind}: {told}{more}".removesuffix(": ")


def _bank_text(key: str, value: Any) -> str:
    return shown(entries()[f"policy.{key}"], value)


def _field_text(rule: FieldRule) -> str:
    value = "" if rule.action is FieldAction.REMOVE else f", value = {_text(rule.value)}"
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


def main(arguments: Sequence[str]) -> int:
    """Print ``sample`` or ``reference``; 64 (EX_USAGE) for anything else."""
    printers = {"sample": sample, "reference": reference}
    if len(arguments) != 1 or arguments[0] not in printers:
        sys.stderr.write("usage: python -m milterguard.config.sample sample|reference\n")
        return 64
    sys.stdout.write(printers[arguments[0]]())
    return 0


def _titles(rules: RuleSet) -> str:
    """Return what a set is made of, what it lets through in another word than what it bans."""
    titles = ", ".join(rule.title for rule in rules.rules)
    return f"lets through: {titles}" if rules.rules[0].action is Action.ALLOW else titles


def _sample_section(section: str) -> str:
    lines = [f"# {section_help(section)}", f"[{section}]", ""]
    for entry in _entries_of(section):
        lines += textwrap.wrap(_meaning(entry), width=_WIDTH, initial_indent="# ", subsequent_indent="# ")
        if entry.amavis:
            lines.append(f"# amavis: {entry.amavis}")
        lines += [f"#{entry.key} = {toml_value(entry, entry.default)}", ""]
    return "\n".join(lines)


def _reference_section(section: str) -> str:
    lines = [
        f"## [{section}]",
        "",
        section_help(section),
        "",
        "| Key | Type | Default | Meaning | amavis |",
        "|---|---|---|---|---|",
    ]
    for entry in _entries_of(section):
        amavis = f"`{entry.amavis}`" if entry.amavis else ""
        default = f"`{toml_value(entry, entry.default)}`"
        cells = (f"`{entry.key}`", _type_words(entry.kind), default, _meaning(entry), amavis)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join([*lines, ""])


def _entries_of(section: str) -> Iterator[Entry]:
    return (entry for entry in entries().values() if entry.section == section)


def _meaning(entry: Entry) -> str:
    words = [entry.help]
    if entry.minimum:
        words.append(f"At least {entry.minimum:.12g}.")
    if entry.maximum is not None:
        words.append(f"At most {entry.maximum:.12g}.")
    if entry.section == "policy" and entry.per == "message":
        words.append("Holds for the whole message: not in [[recipient]].")
    return " ".join(words)


def _type_words(kind: Any) -> str:
    if isinstance(kind, UnionType):
        return f'number or `"{UNSET}"`'
    if get_origin(kind) is tuple:
        if get_origin(get_args(kind)[0]) is tuple:
            return "table by category" if get_args(get_args(kind)[0])[0] is Category else "table"
        return "array of categories" if get_args(kind)[0] is Category else "array of strings"
    if kind is OnFailure:
        return "word or table"
    if issubclass(kind, StrEnum):
        return ", ".join(f"`{word}`" for word in kind)
    words: dict[Any, str] = {bool: "boolean", int: "integer", float: "number", str: "string"}
    return words[kind]


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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
