# SPDX-License-Identifier: GPL-3.0-or-later
"""``milterguard quarantine``: what was withheld, and what can be done with it."""

import sys
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from milterguard.cli import quarantine_view as view
from milterguard.cli import show
from milterguard.cli.mailid import named_id
from milterguard.cli.options import common_options, json_option, loaded
from milterguard.cli.since import seconds_since
from milterguard.cli.status import CommandError, Status
from milterguard.core.finding import Category

if TYPE_CHECKING:
    from milterguard.config.settings import Settings
    from milterguard.store.quarantine import FileQuarantine


@click.group("quarantine")
@common_options
def quarantine_command() -> None:
    """List, show, release and delete withheld mail.

    ID is the mail_id of the reply and the log. The whole text of a reply will do, or the file's name as
    the log has it (quarantine: …).

    \b
    Examples:
      milterguard quarantine list --category spam --since 1d
      milterguard quarantine show VkX0aB3dE5fG --header
      milterguard quarantine release VkX0aB3dE5fG
      milterguard quarantine delete VkX0aB3dE5fG --yes
    """


@quarantine_command.command("list")
@common_options
@json_option
@click.option("--category", type=click.Choice([each.word for each in Category]), help="Only this category.")
@click.option("--since", metavar="TIME", callback=seconds_since, help="Only newer ones: 90m, 12h, 7d or a date.")
@click.option("--sender", metavar="TEXT", help="Only senders with this text in them, or like *@example.org.")
@click.option("--recipient", metavar="TEXT", help="Only with such a recipient.")
def list_command(
    *, category: str | None, since: float | None, sender: str | None, recipient: str | None, as_json: bool
) -> None:
    """List withheld mail, the newest last.

    \b
    Examples:
      milterguard quarantine list
      milterguard quarantine list --since 7d --recipient '*@example.com'
      milterguard quarantine list --json | jq -r '.[] | select(.status == "held") | .mail_id'
    """
    entries = [
        entry
        for entry in _quarantine(loaded().settings).entries()
        if (category is None or entry.category.word == category)
        and (since is None or entry.received_at >= since)
        and _is_like(sender, [entry.sender])
        and _is_like(recipient, entry.recipients)
    ]
    entries.sort(key=lambda entry: (entry.received_at, entry.mail_id))
    if as_json:
        show.as_json([view.facts(entry) for entry in entries])
    else:
        show.table(
            view.HEADS,
            [view.row(entry) for entry in entries],
            styles=["dim" if entry.status == "released" else "" for entry in entries],
        )


@quarantine_command.command("show")
@common_options
@json_option
@click.option("--raw", is_flag=True, help="The message itself, octet by octet.")
@click.option("--header", is_flag=True, help="The message's header section.")
@click.argument("mail_id", metavar="ID")
def show_command(mail_id: str, *, raw: bool, header: bool, as_json: bool) -> None:
    """Show what is known of a withheld message, or the message itself.

    On a terminal nothing of the message is shown that could command it; into a file or pipe --raw
    writes the very octets.

    \b
    Examples:
      milterguard quarantine show VkX0aB3dE5fG
      milterguard quarantine show VkX0aB3dE5fG --header
      milterguard quarantine show VkX0aB3dE5fG --raw > message.eml
    """
    if raw + header + as_json > 1:
        raise click.UsageError("--raw, --header and --json exclude each other")
    quarantine = _quarantine(loaded().settings)
    entry = quarantine.find(named_id(mail_id))
    if raw and not sys.stdout.isatty():
        for block in view.octets(quarantine, entry):
            sys.stdout.buffer.write(block)
    elif raw or header:
        for line in view.lines(quarantine, entry, header_only=header):
            show.say(line, limit=10000)
    elif as_json:
        show.as_json({**view.facts(entry), "releases": view.releases(quarantine, entry)})
    else:
        view.tell(quarantine, entry)


@quarantine_command.command("release", short_help="Give a withheld message to the MTA, once.")
@common_options
@json_option
@click.option("--to", "recipients", metavar="ADDR", multiple=True, help="Instead of those it was withheld from.")
@click.option("--again", is_flag=True, help="Send it even if it was released before.")
@click.argument("mail_id", metavar="ID")
def release_command(mail_id: str, *, recipients: tuple[str, ...], again: bool, as_json: bool) -> None:
    """Give a withheld message to the MTA, for the recipients it was withheld from.

    The message goes by SMTP to [release] smtp and through our own milter, which lets it pass once. Only
    the MTA's 2xx counts. Asking twice delivers once: the second call says when and how it was
    released, with exit status 0. Run by root it acts as the user of the filter.

    \b
    Examples:
      milterguard quarantine release VkX0aB3dE5fG
      milterguard quarantine release VkX0aB3dE5fG --to someone@example.com
      milterguard quarantine release VkX0aB3dE5fG --again
    """
    from milterguard.effects.release import ReleaseDeferred, ReleaseError
    from milterguard.effects.submission import is_address

    for address in recipients:
        if not is_address(address):
            raise click.BadParameter(f"{address!r} is no address", param_hint="--to")
    settings = loaded().settings
    _become_the_filter(settings)
    try:
        released = _releaser(settings).release(named_id(mail_id), recipients=recipients, again=again)
    except ReleaseError as error:
        status = Status.TEMPFAIL if isinstance(error, ReleaseDeferred) else Status.UNAVAILABLE
        raise CommandError(str(error), status) from error
    if as_json:
        show.as_json(view.release_facts(released))
    else:
        view.tell_release(released)
    if not released.was_recognised:
        click.echo(
            "milterguard: warning: our milter did not see the message, so its token field was delivered with it: "
            "let [release] smtp name a port that asks the milter",
            err=True,
        )
    if released.refused:
        words = "; ".join(f"<{recipient}>: {reply}" for recipient, reply in released.refused)
        temporary = all(reply.startswith("4") for _, reply in released.refused)
        raise CommandError(f"not for everybody: {words}", Status.TEMPFAIL if temporary else Status.UNAVAILABLE)


@quarantine_command.command("delete")
@common_options
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.argument("mail_ids", metavar="ID...", nargs=-1, required=True)
def delete_command(mail_ids: tuple[str, ...], *, yes: bool) -> None:
    """Delete withheld mail for good.

    \b
    Examples:
      milterguard quarantine delete VkX0aB3dE5fG
      milterguard quarantine list --category spam --json | jq -r '.[].mail_id' |
          xargs -r milterguard quarantine delete --yes
    """
    settings = loaded().settings
    _become_the_filter(settings)
    quarantine = _quarantine(settings)
    entries = [quarantine.find(mail_id) for mail_id in dict.fromkeys(map(named_id, mail_ids))]
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("nobody can be asked here; --yes deletes without")
        show.table(
            view.HEADS,
            [view.row(entry) for entry in entries],
        )
        click.confirm(f"Delete {len(entries)} for good?", abort=True)
    for entry in entries:
        quarantine.delete(entry.mail_id)
        show.say(f"deleted {entry.mail_id}")


def _become_the_filter(settings: "Settings") -> None:
    # First, for the interpreter may lie where only root can read; the codec is what socket asks for.
    import encodings.idna  # noqa: F401

    import milterguard.build
    import milterguard.effects.release  # noqa: F401
    from milterguard.cli.owner import act_as_owner

    act_as_owner(Path(settings.quarantine.store.removeprefix("file:")), Path(settings.server.state_directory))


def _quarantine(settings: "Settings") -> "FileQuarantine":
    from milterguard.build import open_quarantine

    return open_quarantine(settings)


def _releaser(settings: "Settings") -> Any:
    from milterguard.build import build_releaser

    return build_releaser(settings)


def _is_like(pattern: str | None, addresses: "tuple[str, ...] | list[str]") -> bool:
    """Whether one of the addresses has the text in it, or is like the pattern."""
    if pattern is None:
        return True
    wanted = pattern.lower()
    is_pattern = any(character in wanted for character in "*?")
    return any(
        fnmatchcase(address.lower(), wanted) if is_pattern else wanted in address.lower() for address in addresses
    )
