# SPDX-License-Identifier: GPL-3.0-or-later
"""Daemons that refuse to be run by root, or should not be, become ``nobody`` when we are root.

*Source:* setpriv(1); it replaces itself by the command, so that signals reach the daemon.
"""

import os
import pwd
from pathlib import Path

USER = "nobody"


def prefix() -> list[str]:
    """Return the words before a command that make another user run it; none when we are nobody special."""
    if os.geteuid() != 0:
        return []
    account = pwd.getpwnam(USER)
    return ["setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]


def own(folder: Path) -> None:
    """Give a folder to that user."""
    if os.geteuid() == 0:
        account = pwd.getpwnam(USER)
        os.chown(folder, account.pw_uid, account.pw_gid)
