# SPDX-License-Identifier: GPL-3.0-or-later
"""``milterguard serve``: the filter itself."""

import click

from milterguard.cli.options import common_options, loaded


@click.command("serve")
@common_options
def serve_command() -> int:
    """Answer the MTA: run the filter in the foreground until SIGTERM.

    Opens every socket of [server] listen, starts the workers and replaces those that die. SIGHUP reads
    the settings again: wrong ones change nothing and the log says why; right ones are taken over
    without refusing a connection. SIGTERM lets open sessions end.

    \b
    Examples:
      milterguard serve
      milterguard serve --config ./milterguard.toml
      MILTERGUARD_LOG_LEVEL=debug milterguard serve

    The MTA must be told where we are; for Postfix, in main.cf:

    \b
      smtpd_milters = inet:127.0.0.1:8899
      milter_default_action = tempfail
    """
    settings = loaded().settings

    # Imported behind the settings: a wrong file shall be told of at once.
    from milterguard.build import build_guard
    from milterguard.effects.log import setup_log
    from milterguard.server.supervisor import serve

    setup_log(settings.log)
    return serve(settings, reload=lambda: loaded().settings, make_guard=build_guard)
