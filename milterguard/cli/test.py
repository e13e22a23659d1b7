# SPDX-License-Identifier: GPL-3.0-or-later
"""``milterguard test``: a postmaster's own tests of his policy, for git and continuous integration."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from milterguard.cli import show
from milterguard.cli.options import common_options, json_option, loaded
from milterguard.cli.status import Status

if TYPE_CHECKING:
    from milterguard.cli.rehearsal import Played


@click.command("test")
@common_options
@json_option
@click.argument("cases", metavar="CASES...", nargs=-1, required=True, type=click.Path(readable=False, path_type=Path))
def test_command(cases: tuple[Path, ...], *, as_json: bool) -> int:
    """Run tests of the policy: who would be answered what, under the settings as they are.

    CASES are TOML files, or folders of them. Each [[case]] has a name, an envelope, what the checks are to
    have found, and what is expected; docs/testing-policy.md tells every key. Nothing is sent, kept or written
    down, and no scanner is asked. With checks = "local" the message of a case is really taken apart.

    \b
    Exit status: 0 all cases pass, 1 at least one does not, 78 a case or the settings are wrong.

    \b
    Examples:
      milterguard test cases/
      milterguard test --config ./milterguard.toml policy.toml
      milterguard test --json cases/ | jq '.[] | select(.passed | not)'

    \b
    A case:
      [[case]]
      name = "spam reaches the abuse desk"
      recipients = ["abuse@example.com"]
      findings = [{ check = "spamd", score = 12.0 }]
      expect = { answer = "pass", subject = "***SPAM***" }
    """
    settings = loaded().settings

    from milterguard.cli.case import cases_of
    from milterguard.cli.rehearsal import Rehearsal

    # All are read before one is played: a slip shall not hide behind a long run.
    found = [case for path in cases for case in cases_of(path)]
    rehearsal = Rehearsal(settings)
    try:
        played = [rehearsal.play(case) for case in found]
    finally:
        rehearsal.close()
    if as_json:
        show.as_json([_plain(each) for each in played])
    else:
        _tell(played)
    return Status.FOUND if any(each.misses for each in played) else Status.OK


def _tell(played: "list[Played]") -> None:
    for each in played:
        show.say(f"{'FAIL' if each.misses else 'pass'}  {each.case.name}  ({each.case.file})")
        for miss in each.misses:
            show.say(f"      {miss.key}: expected {_word(miss.expected)}, found {_word(miss.found)}")
        for address, words in each.decided_by if each.misses else ():
            show.say(f"      {address}: {words}")
    failed = sum(bool(each.misses) for each in played)
    show.say()
    show.say(f"{_number(len(played))}, {failed} failed" if failed else f"{_number(len(played))}, all pass")


def _word(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "nothing" if value in (None, "") else str(value)


def _plain(played: "Played") -> dict[str, Any]:
    return {
        "name": played.case.name,
        "file": str(played.case.file),
        "passed": not played.misses,
        "misses": [{"key": each.key, "expected": each.expected, "found": each.found} for each in played.misses],
        "decided_by": dict(played.decided_by),
    }


def _number(count: int) -> str:
    return "1 case" if count == 1 else f"{count} cases"
