# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of folders below the quarantine's root, as ``quarantine_to`` may have them. *Errors:* none.

Relative, of one to four plain names: nothing leads out, nothing is hidden, and none is of one
character like the folders in which copies lie.
"""

import re

ROOT = "."
"""How the quarantine itself is written."""
_NAME = r"[A-Za-z0-9_][A-Za-z0-9._-]{1,62}"
PATTERN = rf"{_NAME}(?:/{_NAME}){{0,3}}"
"""A regular expression for a folder, to be part of a longer one."""
_FOLDER = re.compile(rf"{PATTERN}\Z")


def is_folder(text: str) -> bool:
    """Whether a text names a folder below the quarantine."""
    return bool(_FOLDER.match(text))
