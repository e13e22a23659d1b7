# SPDX-License-Identifier: GPL-3.0-or-later
"""The program: its commands by name, its options, and how every failure becomes one line and a status."""

import importlib
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import click

from milterguard import __version__
from milterguard.cli.options import DEBUG_VARIABLE, common_options, located
from milterguard.cli.status import MEANINGS, Status, status_of
from milterguard.errors import ConfigError, MilterguardError

_COMMANDS: Mapping[str, str] = {
    "serve": "Answer the MTA: run the filter in the foreground.",
    "check": "Ask whether settings, scanners and stores are well.",
    "scan": "Show what would become of a message in a file.",
    "quarantine": "List, show, release and delete withheld mail.",
    "explain": "Tell the story of one message: who, what, why.",
    "policy": "Show what holds for a recipient, and why.",
    "replay": "Decide past mail again under other settings.",
    "test": "Run a postmaster's own tests of the policy.",
    "dkim": "Make, publish, test and hold the keys that mail is signed with.",
    "config": "Print a sample or the effective configuration.",
    "db": "Create or upgrade the database.",
    "completion": "Print the completion script of a shell.",
}
"""By its name, which is its module's too, what the list of commands says of each."""

_EPILOG = "\b\nExit status:\n" + "\n".join(f"  {status.value:>3}  {text}" for status, text in MEANINGS.items())


class _Interrupted(Exception):  # noqa: N818
    """Ctrl-C, in a form that click leaves to us."""


class _ReaderGone(Exception):  # noqa: N818
    """A broken pipe, in a form that click leaves to us."""


class Program(click.Group):
    """A group that imports a command when it is needed, and never shows a traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"milterguard.cli.{cmd_name}")
        command: click.Command = getattr(module, f"{cmd_name}_command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise _Interrupted from error
        except BrokenPipeError as error:
            raise _ReaderGone from error
        except ConfigError as error:
            raise located(error, ctx) from error

    def main(  # type: ignore[override]  # click overloads it by standalone_mode, which is ours alone
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any
    ) -> NoReturn:
        """Run and exit; ``standalone_mode`` is always ours."""
        arguments = sys.argv[1:] if args is None else list(args)
        wants_traceback = "--debug" in arguments or bool(os.environ.get(DEBUG_VARIABLE))
        extra.pop("standalone_mode", None)
        sys.exit(self._run(arguments, prog_name, wants_traceback=wants_traceback, **extra))

    def _run(self, args: list[str], prog_name: str | None, *, wants_traceback: bool, **extra: Any) -> int:
        """Return the exit status. A broken pipe is the reader's decision, so it is quiet."""
        try:
            result = super().main(args, prog_name, standalone_mode=False, **extra)
            sys.stdout.flush()
            return result if isinstance(result, int) else Status.OK
        except click.ClickException as error:
            return _misused(error)
        except click.exceptions.Abort:
            return _said("nothing was done", Status.FOUND)
        except (_Interrupted, KeyboardInterrupt):
            return _said("interrupted", Status.INTERRUPTED)
        except (_ReaderGone, BrokenPipeError):
            _silence_stdout()
            return 128 + signal.SIGPIPE
        except MilterguardError as error:
            if wants_traceback:
                raise
            return _said(str(error), status_of(error))
        except Exception as error:
            if wants_traceback:
                raise
            return _said(f"defect: {type(error).__name__}: {error} (--debug shows where)", Status.SOFTWARE)


def _misused(error: click.ClickException) -> int:
    """Say what was wrong with the command line, with the way to the help."""
    hint = ""
    if isinstance(error, click.UsageError) and error.ctx is not None:
        hint = f" (see {error.ctx.command_path} --help)"
    return _said(f"{error.format_message()}{hint}", Status.USAGE)


def _said(text: str, status: int) -> int:
    """Write the one line."""
    from milterguard.core.text import printable

    click.echo(f"milterguard: {printable(text, 2000)}", err=True)
    return status


def _silence_stdout() -> None:
    """Point standard output to nowhere, or the interpreter complains while it closes it."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


@click.group(
    cls=Program,
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    no_args_is_help=False,
    invoke_without_command=True,
)
@click.version_option(__version__, prog_name="milterguard", message="%(prog)s %(version)s")
@common_options
@click.pass_context
def program(ctx: click.Context) -> int | None:
    """Filter mail for Postfix and sendmail in the live SMTP session.

    Every message is scanned before it is accepted; the client is told the verdict. What was withheld
    lies in the quarantine, and every answer can be explained.

    \b
    Examples:
      milterguard check
      milterguard serve --config /etc/milterguard/milterguard.toml
      milterguard quarantine list --since 1d
      milterguard quarantine release VkX0aB3dE5fG
      milterguard explain VkX0aB3dE5fG

    Settings are read from --config, else from the file named in MILTERGUARD_CONFIG, else from
    /etc/milterguard/milterguard.toml.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
    return None
