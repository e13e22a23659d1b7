# SPDX-License-Identifier: GPL-3.0-or-later
"""Root does the filter's work as the filter's user, or it would leave files that the filter cannot use.

A release key, a mark or a database made by root is closed to the service; mail would then be
deferred. So commands that write become the owner of the place they write to, or give it what they
have made.
"""

import os
import pwd
from contextlib import suppress
from pathlib import Path

from milterguard.cli.status import CommandError, Status


def act_as_owner(*places: Path) -> None:
    """If we are root, become for good the first owner of these places who is not; missing ones do not count."""
    if os.geteuid() != 0:
        return
    for place in places:
        try:
            found = place.stat()
        except OSError:
            continue
        if found.st_uid != 0:
            _become(found.st_uid, found.st_gid)
            return


def give_to_owner(folder: Path, *files: Path) -> None:
    """If we are root, give files that we may have made to the owner of their folder; missing ones do not count."""
    if os.geteuid() != 0:
        return
    found = folder.stat()
    for file in files:
        with suppress(FileNotFoundError):
            os.chown(file, found.st_uid, found.st_gid, follow_symlinks=False)


def _become(user: int, group: int) -> None:
    try:
        account = pwd.getpwuid(user)
    except KeyError:
        groups = [group]
    else:
        groups = os.getgrouplist(account.pw_name, account.pw_gid)
        group = account.pw_gid
    try:
        os.setgroups(groups)
        os.setgid(group)
        os.setuid(user)
    except PermissionError as error:
        raise CommandError(f"cannot become user {user}, to whom the files belong", Status.IO) from error
