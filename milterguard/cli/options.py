# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that every command has, before its name and after it, and the settings they lead to."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from milterguard.errors import ConfigError

if TYPE_CHECKING:
    from milterguard.config.load import Loaded

F = TypeVar("F", bound=Callable[..., object])

DEBUG_VARIABLE = "MILTERGUARD_DEBUG"
_CONFIG = "milterguard.config"
_ORIGINS = "milterguard.origins"


def _remember(ctx: click.Context, parameter: click.Parameter, value: str | None) -> None:
    """Keep the file named last: behind the command's name counts more than before it."""
    del parameter
    if value is not None:
        ctx.meta[_CONFIG] = value


def common_options(function: F) -> F:
    """Add ``--config`` and ``--debug``; both are kept in the context, not handed to the function."""
    options = (
        click.option(
            "--config",
            metavar="FILE",
            type=click.Path(readable=False),
            expose_value=False,
            callback=_remember,
            help="Configuration file.",
        ),
        click.option("--debug", is_flag=True, expose_value=False, help="Show where an error comes from."),
    )
    for option in reversed(options):
        function = option(function)
    return function


def config_path() -> Path | None:
    """Return the configuration file that holds for this call; None: there is none, the defaults hold."""
    from milterguard.config.load import find_config

    return find_config(click.get_current_context().meta.get(_CONFIG), os.environ)


def loaded() -> "Loaded":
    """Return the settings with their origins. Raises ConfigError."""
    from milterguard.config.load import load

    # Ours to read, and no setting.
    environ = {name: value for name, value in os.environ.items() if name != DEBUG_VARIABLE}
    found = load(config_path(), environ=environ)
    click.get_current_context().meta[_ORIGINS] = found.origins
    return found


def located(error: ConfigError, ctx: click.Context) -> ConfigError:
    """Return the error with the file that its setting comes from; who raised it may have had the value alone."""
    section = error.file.removeprefix("[").removesuffix("]")
    key = error.key if section == "settings" else f"{section}.{error.key}"
    origin = ctx.meta.get(_ORIGINS, {}).get(key, "default")
    return error if origin == "default" else ConfigError(origin, key, expected=error.expected, got=error.got)


def json_option(function: F) -> F:
    """Add ``--json``, handed over as ``as_json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")(function)
