# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings written down: the sample file and the manual.

Everything comes from the metadata of ``settings.py``, so that file, manual and program cannot differ.
``python -m milterguard.config.sample sample`` (or ``reference``) prints what ``make generate`` keeps
as ``etc/milterguard.toml`` and ``docs/settings.md``.
"""

import sys
import textwrap
from collections.abc import Iterator, Sequence
from enum import StrEnum
from types import UnionType
from typing import Any, get_args, get_origin

from milterguard.config.banned_rules import shipped
from milterguard.config.on_failure import OnFailure
from milterguard.config.pattern import RECIPIENT
from milterguard.config.prose import (
    RECIPIENT_ORDER,
    REFERENCE_BANK,
    REFERENCE_BANNED,
    REFERENCE_DKIM_KEY,
    REFERENCE_FIELD,
    REFERENCE_HEAD,
    REFERENCE_RECIPIENT,
    REFERENCE_TABLE,
)
from milterguard.config.schema import Entry, entries, recipient_entries, section_help, sections
from milterguard.config.value import UNSET
from milterguard.config.written import toml_value
from milterguard.core.banned import Action, RuleSet
from milterguard.core.finding import Category

_WIDTH = 100
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
# the order of the file. when tells which messages: network, authenticated, tls, daemon, helo, sender,
# aligned_author, traffic and others.
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
        + REFERENCE_DKIM_KEY
        + REFERENCE_BANNED
        + sets
    )


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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
