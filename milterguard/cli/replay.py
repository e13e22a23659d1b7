# SPDX-License-Identifier: GPL-3.0-or-later
"""``milterguard replay``: what other settings would have done to the mail of the last days."""

import os
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from milterguard.cli import show
from milterguard.cli.database import missing_file
from milterguard.cli.options import DEBUG_VARIABLE, common_options, json_option, loaded
from milterguard.cli.progress import Progress
from milterguard.cli.since import seconds_since
from milterguard.cli.status import CommandError, Status

if TYPE_CHECKING:
    from milterguard.config.settings import Settings
    from milterguard.core.fate import Standing
    from milterguard.replay import Change, Replayed

_WEEK_SECONDS = 7 * 86400


@click.command("replay")
@common_options
@json_option
@click.option("--settings", "new", metavar="FILE", required=True, type=click.Path(readable=False, path_type=Path),
              help="The settings to be tried; conf.d beside it is read as well.")  # fmt: skip
@click.option(
    "--since", metavar="TIME", callback=seconds_since, help="From then on: 90m, 12h or a date.  [default: 7d]"
)
@click.option("--until", metavar="TIME", callback=seconds_since, help="Up to then, written like --since.")
@click.option("--limit", metavar="N", type=click.IntRange(min=1), help="The newest N messages only.")
@click.option("--top", metavar="N", type=click.IntRange(min=1), default=10, show_default=True, help="Rows of a table.")
@click.option("--list", "wants_list", is_flag=True, help="Name each message that would change, for explain.")
def replay_command(
    *,
    new: Path,
    since: float | None,
    until: float | None,
    limit: int | None,
    top: int,
    wants_list: bool,
    as_json: bool,
) -> int:
    """Decide stored messages again under other settings, and list what would change. Nothing is touched.

    The journal is that of --config; the settings to be tried are those of --settings. What the checks
    had found is taken from the evidence of each message. Asked anew are lookups, banks, lists of senders,
    refusals at RCPT, rules about names and types, levels, destinies, and what the failure of a check means.
    A check that was skipped then says nothing now: such messages are counted as decided in part. One that was
    switched off then and is on in the new settings says nothing either, and nor are recipients known who were
    refused at RCPT: neither is counted.

    \b
    Exit status: 0 nothing would change, 1 something would, 78 the settings cannot be used.

    \b
    Examples:
      milterguard replay --settings new.toml
      milterguard replay --settings new.toml --since 30d --top 20
      milterguard replay --settings new.toml --list | head
      milterguard replay --settings new.toml --json | jq .totals
    """
    url = loaded().settings.store.url
    if not url:
        raise CommandError("store.url is empty: there is no journal to look into", Status.CONFIG)
    if missing_file(url):
        raise CommandError("there is no journal yet: it is made when the first record comes", Status.NO_INPUT)
    settings = _new_settings(new)

    from milterguard.cli.replay_pool import replayed
    from milterguard.store.journal import Journal

    begin = time.time() - _WEEK_SECONDS if since is None else since
    journal = Journal(url, is_read_only=True)
    try:
        count = journal.count(since=begin, until=until)
        progress = Progress("decided again", min(count, limit or count))
        summary = _Summary()
        for each in replayed(journal.documents(since=begin, until=until, limit=limit), settings):
            summary.add(each)
            progress.step()
        progress.end()
    finally:
        journal.close()
    if as_json:
        show.as_json(summary.plain(top, wants_list=wants_list))
    else:
        _tell(summary, top, wants_list=wants_list)
    return Status.FOUND if summary.changed else Status.OK


def _new_settings(file: Path) -> "Settings":
    from milterguard.config.load import load

    environ = {name: value for name, value in os.environ.items() if name != DEBUG_VARIABLE}
    return load(file, environ=environ).settings


@dataclass(slots=True)
class _Summary:
    """What comes together."""

    messages: int = 0
    partial: int = 0
    changed: list["Replayed"] = field(default_factory=list)
    why_not: Counter[str] = field(default_factory=Counter)
    kinds: Counter[tuple[str, str]] = field(default_factory=Counter)
    senders: Counter[str] = field(default_factory=Counter)
    recipients: Counter[str] = field(default_factory=Counter)

    def add(self, replayed: "Replayed") -> None:
        self.messages += 1
        self.partial += replayed.is_partial
        if replayed.why_not is not None:
            self.why_not[replayed.why_not.value] += 1
        if not replayed.changes:
            return
        self.changed.append(replayed)
        self.senders[replayed.sender or "<>"] += 1
        for change in replayed.changes:
            self.kinds[_words(change.before), _words(change.after)] += 1
            self.recipients[change.recipient] += 1

    def plain(self, top: int, *, wants_list: bool) -> dict[str, Any]:
        listed = {"messages": [_plain(each) for each in self.changed]} if wants_list else {}
        return {
            "totals": {
                "messages": self.messages,
                "changed": len(self.changed),
                "not_decided_again": dict(self.why_not),
                "incomplete": self.partial,
            },
            "changes": [
                {"before": before, "after": after, "recipients": count}
                for (before, after), count in self.kinds.most_common(top)
            ],
            "senders": [{"sender": name, "messages": count} for name, count in self.senders.most_common(top)],
            "recipients": [{"recipient": name, "messages": count} for name, count in self.recipients.most_common(top)],
            **listed,
        }


def _words(standing: "Standing") -> str:
    """Return ``reject spam``, ``pass spam, marked as spam``, ``discard virus, kept``."""
    words = f"{standing.fate.value} {standing.category.word}"
    if standing.is_spammy and standing.fate == "pass":
        words += ", marked as spam"
    return words + ", kept" if standing.is_kept else words


def _plain(replayed: "Replayed") -> dict[str, Any]:
    return {
        "mail_id": replayed.mail_id,
        "sender": replayed.sender,
        "changes": [
            {"recipient": each.recipient, "before": _words(each.before), "after": _words(each.after)}
            for each in replayed.changes
        ],
    }


def _tell(summary: _Summary, top: int, *, wants_list: bool) -> None:
    show.say(f"{summary.messages} messages, {len(summary.changed)} would change")
    for reason, count in summary.why_not.most_common():
        show.say(f"{count} not decided again: {reason}")
    if summary.partial:
        show.say(f"{summary.partial} in part: rules could not be asked anew, or a check had not been asked")
    if not summary.changed:
        return
    rows = [[before, after, str(count)] for (before, after), count in summary.kinds.most_common(top)]
    _table(["Before", "After", "Recipients"], rows)
    _table(["Sender", "Messages"], _counts(summary.senders.most_common(top)))
    _table(["Recipient", "Messages"], _counts(summary.recipients.most_common(top)))
    if wants_list:
        _table(["Message", "Recipient", "Before", "After"], list(_lines(summary.changed)))


def _lines(changed: "Iterable[Replayed]") -> "Iterable[list[str]]":
    return ([each.mail_id, *_cells(change)] for each in changed for change in each.changes)


def _cells(change: "Change") -> list[str]:
    return [change.recipient, _words(change.before), _words(change.after)]


def _counts(counts: list[tuple[str, int]]) -> list[list[str]]:
    return [[name, str(count)] for name, count in counts]


def _table(head: list[str], rows: list[list[str]]) -> None:
    show.say()
    show.table(head, rows)
