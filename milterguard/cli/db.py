# SPDX-License-Identifier: GPL-3.0-or-later
"""``milterguard db``: the tables of the journal."""

import click

from milterguard.cli import show
from milterguard.cli.database import missing_file, sqlite_file
from milterguard.cli.options import common_options, json_option, loaded
from milterguard.cli.status import CommandError, Status


@click.group("db")
@common_options
def db_command() -> None:
    """Create or upgrade the database.

    \b
    Examples:
      milterguard db upgrade
      milterguard db status
    """


@db_command.command("upgrade")
@common_options
def upgrade_command() -> None:
    """Create the tables, or bring older ones up to date. Harmless when they are.

    Run by root it gives a SQLite file to the owner of the folder that it lies in, so that the filter can
    use it.

    \b
    Example:
      milterguard db upgrade
    """
    from milterguard.cli.owner import give_to_owner
    from milterguard.store.migrate import current, upgrade

    url = _url()
    before = "" if missing_file(url) else current(url)
    upgrade(url)
    after = current(url)
    file = sqlite_file(url)
    if file is not None:
        give_to_owner(file.parent, *(file.with_name(file.name + suffix) for suffix in ("", "-wal", "-shm")))
    show.say(
        f"tables are up to date ({after})" if before == after else f"tables upgraded: {before or 'none'} -> {after}"
    )


@db_command.command("status", short_help="Say whether the tables are those of this version.")
@common_options
@json_option
def status_command(as_json: bool) -> int:
    """Say whether the tables are those of this version; exit status 1 if not.

    \b
    Example:
      milterguard db status --json
    """
    from milterguard.store.migrate import current, is_current

    url = _url()
    revision, is_good = ("", False) if missing_file(url) else (current(url), is_current(url))
    if as_json:
        show.as_json({"revision": revision, "is_current": is_good})
    else:
        show.say(f"revision {revision or 'none'}: {'current' if is_good else 'run milterguard db upgrade'}")
    return Status.OK if is_good else Status.FOUND


def _url() -> str:
    url = loaded().settings.store.url
    if not url:
        raise CommandError("store.url is empty: there is no database", Status.CONFIG)
    return url
