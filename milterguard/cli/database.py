# SPDX-License-Identifier: GPL-3.0-or-later
"""The file of a SQLite database: who only looks must not make it.

SQLite makes a file that is missing as soon as it is asked anything. Made by root it would be closed to
the filter, whose records could then never be written.
"""

from pathlib import Path

_FILE = "sqlite:///"


def sqlite_file(url: str) -> Path | None:
    """Return the file of a SQLite address; None for other databases."""
    return Path(url.removeprefix(_FILE).partition("?")[0]) if url.startswith(_FILE) else None


def missing_file(url: str) -> Path | None:
    """Return the SQLite file that nobody has made yet, in a folder that is there; else None."""
    file = sqlite_file(url)
    return file if file is not None and file.parent.is_dir() and not file.exists() else None
