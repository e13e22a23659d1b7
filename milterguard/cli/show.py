# SPDX-License-Identifier: GPL-3.0-or-later
"""How commands print: tables with lines on a terminal, aligned text for pipes, JSON for programs.

Everything goes through ``core.text.printable``: what is shown comes from strangers.
"""

import json
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import click

from milterguard.core.text import printable

_CELL_LIMIT = 400
_HANGING_LIMIT = 4000
_NARROWEST_TEXT = 20
_WHOLE_WORD = 12
"""Words up to this length, such as a mail_id, are not broken while a table has room for that."""
_NARROWEST = 4
_GAP = 2
"""Columns between those of a drawn table."""


def is_terminal() -> bool:
    """Whether a human looks at standard output, on something that can draw."""
    return sys.stdout.isatty() and os.environ.get("TERM", "") != "dumb"


def say(text: str = "", *, limit: int = 2000) -> None:
    """Print one line."""
    click.echo(printable(text, limit))


def hanging(head: str, text: str, *, rest: str) -> None:
    """Print ``head`` and text; what does not fit in the terminal's line goes below, behind ``rest``.

    Two spaces more than in ``rest`` set it off. Everywhere but on a terminal it is one line.
    """
    shown = printable(text, _HANGING_LIMIT)
    if not is_terminal():
        click.echo(head + shown)
        return

    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    room = max(_NARROWEST_TEXT, console.width - max(len(head), len(rest) + _GAP))
    lines = Text(shown).wrap(console, room, overflow="fold")
    for index, line in enumerate(lines):
        click.echo((head if index == 0 else rest + " " * _GAP) + line.plain.rstrip())


def as_json(value: Any) -> None:
    """Print a value for programs; ASCII only, so that no terminal and no locale is surprised."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=True, sort_keys=False, default=str))


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, styles: Sequence[str] = ()) -> None:
    """Print rows under heads; ``styles`` names a colour for each row, used on a terminal only."""
    cells = [[printable(cell, _CELL_LIMIT) for cell in row] for row in rows]
    if is_terminal():
        _drawn(heads, cells, styles)
    else:
        _aligned(heads, cells)


def _drawn(heads: Sequence[str], rows: Sequence[Sequence[str]], styles: Sequence[str]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    drawing = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, collapse_padding=True)
    for head, width in zip(heads, _widths([heads, *rows], console.width), strict=True):
        drawing.add_column(head, overflow="fold", width=width)
    for index, row in enumerate(rows):
        drawing.add_row(*(Text(cell) for cell in row), style=styles[index] if index < len(styles) else None)
    console.print(drawing)


def _widths(rows: Sequence[Sequence[str]], room: int) -> list[int]:
    """Return the columns' widths: as wide as what stands in them, else what each can be given of the ``room``."""
    from rich.cells import cell_len

    wanted = [max(1, *(cell_len(cell) for cell in column)) for column in zip(*rows, strict=True)]
    room -= _GAP * len(wanted)
    if sum(wanted) <= room:
        return wanted
    widths = [max(1, *(_whole(cell) for cell in column)) for column in zip(*rows, strict=True)]
    for index in reversed(range(len(widths))):
        # The last ones say what can be read in pieces too.
        widths[index] -= max(0, min(sum(widths) - room, widths[index] - _NARROWEST))
    while sum(widths) < room:
        widths[min((i for i in range(len(widths)) if widths[i] < wanted[i]), key=widths.__getitem__)] += 1
    return widths


def _whole(cell: str) -> int:
    """Return the length of the longest word that should not be broken."""
    return max((len(word) for word in cell.split() if len(word) <= _WHOLE_WORD), default=1)


def _aligned(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    lines = [[head.upper() for head in heads], *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    for line in lines:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def pairs(rows: Sequence[tuple[str, str]], *, indent: str = "") -> None:
    """Print names and values under each other; rows without a value are left out."""
    shown = [(name, value) for name, value in rows if value]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        click.echo(f"{indent}{name.ljust(width)}  {printable(value, 2000)}")


def moment(seconds: float) -> str:
    """Return local time with its offset: ``2026-11-20 17:55:29 +0100``. Never raises."""
    try:
        return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S %z")
    except (ValueError, OverflowError, OSError):
        return "?"


def octets(count: int) -> str:
    """Return a size for people: ``512 B``, ``1.2 MB`` (powers of 1000)."""
    size = float(count)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
