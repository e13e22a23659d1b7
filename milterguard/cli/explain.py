# SPDX-License-Identifier: GPL-3.0-or-later
"""``milterguard explain``: why a message got the answer it got."""

import click

from milterguard.cli import show
from milterguard.cli.database import missing_file
from milterguard.cli.mailid import named_id
from milterguard.cli.options import common_options, json_option, loaded
from milterguard.cli.status import CommandError, Status
from milterguard.errors import NotFoundError


@click.command("explain")
@common_options
@json_option
@click.argument("mail_id", metavar="MAIL_ID")
def explain_command(mail_id: str, as_json: bool) -> None:
    """Tell the story of one message: who sent it, what was found, who decided, what was answered.

    MAIL_ID stands in the SMTP reply (id=…), in the log (mail_id: …) and in the name of a quarantined
    file. The whole text of a reply or bounce is taken as well, or that name.

    \b
    Examples:
      milterguard explain VkX0aB3dE5fG
      milterguard explain "554 5.7.0 Rejected, id=VkX0aB3dE5fG - INFECTED: Eicar-Test-Signature"
      milterguard explain VkX0aB3dE5fG --json
    """
    settings = loaded().settings
    if not settings.store.url:
        raise CommandError("store.url is empty: there is no journal to look into", Status.CONFIG)
    if missing_file(settings.store.url):
        raise CommandError("there is no journal yet: it is made when the first record comes", Status.NO_INPUT)

    from milterguard.cli.story import tell
    from milterguard.store.journal import Journal

    journal = Journal(settings.store.url, is_read_only=True)
    try:
        document = journal.evidence(named_id(mail_id))
    except NotFoundError as error:
        hint = "it is written a moment after the answer; a queue id will not do, the log line has the mail_id"
        raise CommandError(f"{error} ({hint})", Status.NO_INPUT) from error
    finally:
        journal.close()
    if as_json:
        show.as_json(document)
    else:
        tell(document)
