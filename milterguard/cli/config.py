# SPDX-License-Identifier: GPL-3.0-or-later
"""``milterguard config``: a sample to start from, and what holds at this moment and why."""

import click

from milterguard.cli import show
from milterguard.cli.options import common_options, json_option, loaded


@click.group("config")
@common_options
def config_command() -> None:
    """Print a sample or the effective configuration.

    \b
    Examples:
      milterguard config sample > /etc/milterguard/milterguard.toml
      milterguard config show
      milterguard config show --json | jq -r '.[] | select(.origin != "default") | .key'
    """


@config_command.command("sample", short_help="Print a file with every setting and its default.")
@common_options
def sample_command() -> None:
    """Print a configuration file with every setting, its default and its meaning.

    \b
    Example:
      milterguard config sample > /etc/milterguard/milterguard.toml
    """
    from milterguard.config.sample import sample

    click.echo(sample(), nl=False)


@config_command.command("show", short_help="Print what holds, and where it comes from.")
@common_options
@json_option
def show_command(as_json: bool) -> None:
    """Print the value of each setting and where it comes from: default, a file, the environment.

    Passwords are not shown.

    \b
    Examples:
      milterguard config show
      milterguard config show --config ./milterguard.toml --json
    """
    from milterguard.config.written import show as shown

    rows = shown(loaded())
    if as_json:
        show.as_json([{"key": key, "value": value, "origin": origin} for key, value, origin in rows])
    else:
        show.table(["Setting", "Value", "Origin"], rows)
