# SPDX-License-Identifier: GPL-3.0-or-later
"""Examples in the documents, and the files that they name."""

import re
from pathlib import Path

FENCE = re.compile(r"^```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"# /etc/milterguard/(?P<name>\S+)\n")


def moved(text: str, directory: Path) -> str:
    """Return a page with ``/etc/milterguard`` in a directory, where the files that it shows have been written.

    A file is shown in a fence of kind ``conf`` with its path in the first line.
    """
    for match in FENCE.finditer(text):
        shown = _FILE.match(match["text"])
        if match["kind"] == "conf" and shown:
            (directory / shown["name"]).write_text(match["text"], encoding="utf-8")
    return text.replace("/etc/milterguard/", f"{directory}/")
