# SPDX-License-Identifier: GPL-3.0-or-later
"""Points in time as people type them: ``90m``, ``7d``, ``2026-11-20``, ``2026-11-20T17:55``."""

import re
import time
from datetime import datetime

import click

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_AGO = re.compile(r"([0-9]{1,6})([smhdw])\Z")


def seconds_since(ctx: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    """Return seconds since the epoch for an option's value; dates without offset are local time."""
    if value is None:
        return None
    if ago := _AGO.match(value):
        return time.time() - int(ago[1]) * _SECONDS[ago[2]]
    try:
        return datetime.fromisoformat(value).astimezone().timestamp()
    except (ValueError, OverflowError) as error:
        text = f"{value!r} is neither like 90m, 12h, 7d nor a date like 2026-11-20"
        raise click.BadParameter(text, ctx, parameter) from error
