# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether database, folders and the MTA that takes released mail will do when they are needed."""

import grp
import os
import pwd
import subprocess
import sys
from pathlib import Path

from milterguard.cli.database import missing_file
from milterguard.cli.probe import Row, Rows, State
from milterguard.config.settings import Server, Settings
from milterguard.config.socket import SocketSpec
from milterguard.effects.submission import NotTaken, Submission
from milterguard.errors import ConfigError, StoreError

_TIMEOUT_SECONDS = 10.0
_TRY_TO_WRITE = "import sys, tempfile; tempfile.TemporaryFile(dir=sys.argv[1]).close()"


def store_rows(settings: Settings) -> Rows:
    """Yield what can be said about everything that keeps something. Never raises."""
    yield _database_row(settings.store.url)
    yield from _account_rows(settings.server)
    yield _folder_row("quarantine", settings.quarantine.store.removeprefix("file:"), settings.server.user)
    yield _folder_row("state", settings.server.state_directory, settings.server.user)
    if settings.server.spool_directory:
        yield _folder_row("spool", settings.server.spool_directory, settings.server.user)
    yield _release_row(settings.release.smtp)


def _database_row(url: str) -> Row:
    if not url:
        return Row("database", State.WARNING, "none: explain will know nothing", "set store.url")

    advice = "run: milterguard db upgrade (as the user of the filter)"
    if missing := missing_file(url):
        return Row("database", State.ERROR, f"{missing} does not exist yet", advice)

    from milterguard.store.migrate import current, is_current

    try:
        if is_current(url):
            return Row("database", State.OK, f"answers; tables are of revision {current(url)}")
        text = f"tables are of revision {current(url) or 'none'}: records will wait"
    except (StoreError, ConfigError) as error:
        return Row("database", State.ERROR, str(error), advice)
    return Row("database", State.ERROR, text, advice)


def _account_rows(server: Server) -> Rows:
    """Yield what is wrong with users and groups that are named: the filter would not start."""
    for key, name, find in (
        ("user", server.user, pwd.getpwnam),
        ("group", server.group, grp.getgrnam),
        ("socket_group", server.socket_group, grp.getgrnam),
    ):
        try:
            find(name or "root")
        except KeyError:
            yield Row(f"server.{key}", State.ERROR, f"{name} is not known here", "correct it, or make the account")


def _folder_row(name: str, path: str, user: str) -> Row:
    """Say whether the filter's user can write there; a folder that does not exist yet is made when needed."""
    subject, folder = f"{name} folder {path}", Path(path)
    who = user or _our_name()
    if not folder.is_dir():
        above = next((parent for parent in folder.parents if parent.is_dir()), Path("/"))
        if _can_write(above, user):
            return Row(subject, State.OK, f"will be made by {who} when it is needed")
        return Row(subject, State.ERROR, f"missing, and {who} cannot make it", _install_line(path, who))
    if _can_write(folder, user):
        return Row(subject, State.OK, f"{who} can write there")
    return Row(subject, State.ERROR, f"{who} cannot write there", _install_line(path, who))


def _install_line(path: str, who: str) -> str:
    return f"run: install -d -o {who} -m 0750 {path}"


def _can_write(folder: Path, user: str) -> bool:
    """Whether a file can be made there, by that user if we may become him, else by us."""
    becoming: dict[str, str | list[str]] = {}
    if user and os.geteuid() == 0:
        becoming = {"user": user, "extra_groups": []}
        try:
            becoming["group"] = str(pwd.getpwnam(user).pw_gid)
        except KeyError:
            return False
    return _try(folder, becoming)


def _try(folder: Path, becoming: dict[str, str | list[str]]) -> bool:
    group = becoming.get("group")
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-c", _TRY_TO_WRITE, str(folder)],
            user=str(becoming["user"]) if becoming else None,
            group=int(str(group)) if group is not None else None,
            extra_groups=[] if becoming else None,
            capture_output=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0


def _our_name() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return f"user {os.geteuid()}"


def _release_row(socket: str) -> Row:
    subject = f"release {socket}"
    try:
        with Submission(SocketSpec.parse(socket), hostname="localhost", timeout_seconds=_TIMEOUT_SECONDS):
            return Row(subject, State.OK, "the MTA answers; it must ask our milter about this port too")
    except NotTaken as error:
        return Row(subject, State.ERROR, str(error), "is the MTA running? [release] smtp names its port")
