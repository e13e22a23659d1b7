# SPDX-License-Identifier: GPL-3.0-or-later
"""Gives up root for good, once the sockets are open.

*Source:* setuid(2), initgroups(3), prctl(2) PR_SET_NO_NEW_PRIVS.

*Errors:* ConfigError for a user or group that does not exist, cannot be become, or could not go on
because only root can read Python or our libraries.
"""

import contextlib
import ctypes
import grp
import importlib.util
import logging
import os
import pwd
from collections.abc import Iterator
from pathlib import Path

from milterguard.config.settings import Server
from milterguard.errors import ConfigError

log = logging.getLogger(__name__)
_PR_SET_NO_NEW_PRIVS = 38
_NEEDED_MODULES = ("tempfile", "sqlite3", "_ctypes", "milter", "sqlalchemy", "aiospamc", "pyclamd", "milterguard.build")
"""One of each place that modules are imported from after root was given up: Python's own, libraries, ours."""


def drop_privileges(server: Server) -> None:
    """Become the configured user and group; neither can be undone. Raises ConfigError."""
    if server.user:
        _become(server)
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    elif os.geteuid() == 0:
        log.warning("running as root: set [server] user")


def check_readable(server: Server) -> None:
    """See as root whether the configured user can go on reading Python and our libraries. Raises ConfigError.

    Workers import most of them, and some modules are imported only when they are first needed.
    """
    if not server.user or os.geteuid() != 0:
        return
    files = _origins()
    with _seeing_as(server):
        for path in files:
            try:
                path.open("rb").close()
            except OSError as error:
                expected = "a user who can read Python and milterguard; install both where everybody can, not in a home"
                got = f"{server.user}, who cannot read {path} ({error.strerror})"
                raise ConfigError("settings", "server.user", expected=expected, got=got) from error


def _origins() -> list[Path]:
    specs = [importlib.util.find_spec(name) for name in _NEEDED_MODULES]
    return [Path(spec.origin) for spec in specs if spec is not None and spec.has_location and spec.origin]


@contextlib.contextmanager
def _seeing_as(server: Server) -> Iterator[None]:
    """Have the rights of the configured user for a while: only the effective ids change."""
    user, group = _ids(server)
    former_groups, former_group = os.getgroups(), os.getegid()
    try:
        os.initgroups(server.user, group)
        os.setegid(group)
        os.seteuid(user)
    except PermissionError as error:
        raise _not_root(error) from error
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(former_group)
        os.setgroups(former_groups)


def _ids(server: Server) -> tuple[int, int]:
    try:
        user = pwd.getpwnam(server.user)
    except KeyError as error:
        raise ConfigError("settings", "server.user", expected="a user of this system", got=server.user) from error
    try:
        group = grp.getgrnam(server.group).gr_gid if server.group else user.pw_gid
    except KeyError as error:
        raise ConfigError("settings", "server.group", expected="a group of this system", got=server.group) from error
    return user.pw_uid, group


def _become(server: Server) -> None:
    user, group = _ids(server)
    if (os.geteuid(), os.getegid()) == (user, group):
        return
    try:
        os.initgroups(server.user, group)
        os.setgid(group)
        os.setuid(user)
    except PermissionError as error:
        raise _not_root(error) from error


def _not_root(error: OSError) -> ConfigError:
    return ConfigError("settings", "server.user", expected="to be started by root", got=str(error))
