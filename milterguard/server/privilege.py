# SPDX-License-Identifier: GPL-3.0-or-later
"""Gives up root for good, once the sockets are open.

*Source:* setuid(2), initgroups(3), prctl(2) PR_SET_NO_NEW_PRIVS.

*Errors:* ConfigError for a user or group that does not exist or cannot be become.
"""

import ctypes
import grp
import logging
import os
import pwd

from milterguard.config.settings import Server
from milterguard.errors import ConfigError

log = logging.getLogger(__name__)
_PR_SET_NO_NEW_PRIVS = 38


def drop_privileges(server: Server) -> None:
    """Become the configured user and group; neither can be undone. Raises ConfigError."""
    if server.user:
        _become(server)
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    elif os.geteuid() == 0:
        log.warning("running as root: set [server] user")


def _become(server: Server) -> None:
    try:
        user = pwd.getpwnam(server.user)
    except KeyError as error:
        raise ConfigError("settings", "server.user", expected="a user of this system", got=server.user) from error
    try:
        group = grp.getgrnam(server.group).gr_gid if server.group else user.pw_gid
    except KeyError as error:
        raise ConfigError("settings", "server.group", expected="a group of this system", got=server.group) from error
    if (os.geteuid(), os.getegid()) == (user.pw_uid, group):
        return
    try:
        os.initgroups(server.user, group)
        os.setgid(group)
        os.setuid(user.pw_uid)
    except PermissionError as error:
        raise ConfigError("settings", "server.user", expected="to be started by root", got=str(error)) from error
