# SPDX-License-Identifier: GPL-3.0-or-later
"""``milterguard completion``: what makes the shell complete our command line."""

import click
from click.shell_completion import ShellComplete, get_completion_class

from milterguard.cli.options import common_options

SHELLS = ("bash", "zsh", "fish")


@click.command("completion")
@common_options
@click.argument("shell", type=click.Choice(SHELLS))
def completion_command(shell: str) -> None:
    """Print the completion script of a shell.

    \b
    Examples:
      milterguard completion bash > /usr/share/bash-completion/completions/milterguard
      milterguard completion zsh > /usr/share/zsh/vendor-completions/_milterguard
      milterguard completion fish > /usr/share/fish/vendor_completions.d/milterguard.fish
    """
    click.echo(completion_script(shell))


def completion_script(shell: str) -> str:
    """Return the script for one of ``SHELLS``."""
    from milterguard.cli.program import program

    kind = get_completion_class(shell)
    assert kind is not None
    # ShellComplete's own method: bash's would start a bash to learn its version.
    return ShellComplete.source(kind(program, {}, "milterguard", "_MILTERGUARD_COMPLETE")).strip()
