# SPDX-License-Identifier: GPL-3.0-or-later
"""``milterguard check``: is everything there that the filter will need?"""

from itertools import chain
from typing import TYPE_CHECKING

import click

from milterguard.cli import show
from milterguard.cli.options import common_options, config_path, json_option, loaded
from milterguard.cli.status import Status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from milterguard.cli.probe import Row
    from milterguard.config.settings import Settings

_STYLES = {"ok": "green", "warning": "yellow", "error": "bold red"}


@click.command("check")
@common_options
@json_option
@click.option("--postfix-config", default="", metavar="DIR", help="Folder of Postfix' main.cf.  [default: its own]")
def check_command(as_json: bool, postfix_config: str) -> int:
    """Ask whether settings, scanners, stores and the MTA are well, and say what to do if not.

    Each clamd is asked for its version and the age of its signatures, and gets EICAR, EICAR in twenty
    nested archives and an encrypted archive: a clamd whose limits silently answer OK is a hole. Each
    spamd gets GTUBE. A sealed child opens an archive and tells which of its seals hold. Each database of
    lookup.sql is asked for its tables, for values that cannot be read and for columns that mean nothing.
    Where Postfix is installed, its lists of milters are read: one that signs before us signs what we then
    change. Nothing is changed anywhere.

    \b
    Exit status: 0 no error (warnings there may be), 1 at least one error, 78 wrong settings.

    \b
    Examples:
      milterguard check
      milterguard check --json | jq '.[] | select(.state != "ok")'
    """
    settings = loaded().settings
    rows = list(_rows(settings, postfix_config))
    if as_json:
        show.as_json(
            [{"subject": row.subject, "state": row.state.value, "text": row.text, "advice": row.advice} for row in rows]
        )
    else:
        _print(rows)
    return Status.FOUND if any(row.state == "error" for row in rows) else Status.OK


def _rows(settings: "Settings", postfix_config: str) -> "Iterator[Row]":
    from milterguard.cli.probe_clamd import clamd_rows
    from milterguard.cli.probe_ldap import ldap_rows
    from milterguard.cli.probe_parts import part_rows
    from milterguard.cli.probe_postfix import postfix_rows
    from milterguard.cli.probe_proofs import proof_rows
    from milterguard.cli.probe_spamd import spamd_rows
    from milterguard.cli.probe_sql import sql_rows
    from milterguard.cli.probe_store import store_rows

    yield from _settings_rows(settings)
    yield from clamd_rows(settings.checks.clamd)
    yield from spamd_rows(settings.checks.spamd)
    yield from part_rows(settings.checks)
    yield from proof_rows(settings)
    yield from ldap_rows(settings.lookup.ldap)
    yield from store_rows(settings)
    yield from sql_rows(settings)
    yield from postfix_rows(settings, postfix_config)


def _settings_rows(settings: "Settings") -> "Iterator[Row]":
    from milterguard.cli.probe import Row, State

    path = config_path()
    if path is None:
        yield Row("settings", State.WARNING, "no file: the defaults hold", "run: milterguard config sample")
    else:
        yield Row("settings", State.OK, str(path))
    if not settings.local.domains:
        text = "empty: no recipient is ours, so nobody gets X-Spam fields"
        yield Row("local.domains", State.WARNING, text, "name the domains you receive mail for")
    for file in settings.files:
        yield Row(file.use.path, State.OK, f"{len(file.lines)} {file.use.kind}")
    yield from _rule_rows(settings)


def _rule_rows(settings: "Settings") -> "Iterator[Row]":
    """Yield what is probably a slip in the operator's own rules: they hold for nobody, or of nothing."""
    from milterguard.cli.probe import Row, State
    from milterguard.config.banned_rules import shipped
    from milterguard.unpack.known import KNOWN

    named = {*settings.policy.banned_rules}
    layers = (each.settings for each in settings.recipients), (each.settings for each in settings.banks)
    for said in (settings.on_trial, *chain(*layers)):
        named |= _named_sets(dict(said).get("banned_rules"))
    for table in settings.tables:
        if table.setting == "banned_rules":
            named |= {name for _, names in table.rows for name in _named_sets(names)}
    ours = {each.name.lower(): each.name for each in shipped()}
    for each in settings.banned:
        if each in shipped():
            continue
        subject = f"banned.{each.name}"
        if each.name not in named:
            meant = ours.get(each.name.lower(), "")
            hint = f"; did you mean {meant}, which it does not replace?" if meant not in ("", each.name) else ""
            advice = f"name it in policy.banned_rules, or in those of a [[recipient]]{hint}"
            yield Row(subject, State.WARNING, "no banned_rules names it: it holds for nobody", advice)
        unknown = sorted({kind for rule in each.rules for kind in rule.types} - KNOWN)
        if unknown:
            advice = "milterguard scan shows the short types of what is in a message, with a dot before them"
            yield Row(subject, State.WARNING, f"no part is ever of type {', '.join(unknown)}", advice)


def _named_sets(value: object) -> set[str]:
    from milterguard.core.policy import OnTrial

    names = value.value if isinstance(value, OnTrial) else value
    return set(names) if isinstance(names, tuple) else set()


def _print(rows: "list[Row]") -> None:
    show.table(
        ["", "What", "Found"],
        [[row.state.value, row.subject, row.text] for row in rows],
        styles=[_STYLES[row.state.value] for row in rows],
    )
    to_do = [row for row in rows if row.advice]
    if to_do:
        show.say()
        show.say("What to do:")
        for row in to_do:
            show.say(f"  {row.subject}: {row.advice}")
