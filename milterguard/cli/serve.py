# SPDX-License-Identifier: GPL-3.0-or-later
"""``milterguard serve``: the filter itself."""

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from milterguard.cli.options import common_options, loaded

if TYPE_CHECKING:
    from milterguard.config.settings import Log, Settings
    from milterguard.guard import Guard

log = logging.getLogger(__name__)


@click.command("serve")
@common_options
@click.option(
    "--observe",
    type=click.Choice(["headers", "silent"]),
    is_flag=False,
    flag_value="headers",
    help="Accept every message, whatever is found: with our fields, or unchanged. [server] observe says the same.",
)
def serve_command(observe: str | None) -> int:
    """Answer the MTA: run the filter in the foreground until SIGTERM.

    Opens every socket of [server] listen, starts the workers and replaces those that die. SIGHUP reads
    the settings again: wrong ones change nothing and the log says why; right ones are taken over
    without refusing a connection. SIGTERM lets open sessions end.

    \b
    Examples:
      milterguard serve
      milterguard serve --config ./milterguard.toml
      milterguard serve --observe=silent
      MILTERGUARD_LOG_LEVEL=debug milterguard serve

    The MTA must be told where we are; for Postfix, in main.cf:

    \b
      smtpd_milters = inet:127.0.0.1:8899
      milter_default_action = tempfail
    """
    settings = _settings(observe)

    # Imported behind the settings: a wrong file shall be told of at once.
    from milterguard.config.settings import Observe
    from milterguard.server.supervisor import serve

    _log_at_once(settings.log)
    if settings.server.observe is not Observe.OFF:
        log.warning(
            "observing: every message is accepted, whatever is found (server.observe = %s)", settings.server.observe
        )
    return serve(settings, reload=lambda: _settings(observe), make_guard=_guard, taken_over=_taken_over)


def _settings(observe: str | None) -> "Settings":
    """Return the settings of the files, and what the command line says about observing."""
    from milterguard.config.settings import Observe
    from milterguard.keys.source import check_keys

    settings = loaded().settings
    if not settings.signing.signer:
        check_keys(settings)
    if observe is None:
        return settings
    return replace(settings, server=replace(settings.server, observe=Observe(observe)))


def _taken_over(settings: "Settings") -> None:
    """Only now: what is wrong with new settings belongs into the log that the operator has."""
    _log_at_once(settings.log)


def _guard(settings: "Settings") -> "Guard":
    """Called in a worker, which logs through a queue instead of like the supervisor."""
    from milterguard.build import build_guard

    _stop_logging()
    return build_guard(settings)


def _log_at_once(settings: "Log") -> None:
    """Log without a thread: the supervisor forks, and has few things to say."""
    from milterguard.effects.log_target import make_target

    target = make_target(settings)
    _stop_logging()
    root = logging.getLogger()
    root.addHandler(target)
    root.setLevel(logging.WARNING)
    logging.getLogger("milterguard").setLevel(settings.level.upper())


def _stop_logging() -> None:
    root = logging.getLogger()
    for handler in list(root.handlers):
        root.removeHandler(handler)
        handler.close()
