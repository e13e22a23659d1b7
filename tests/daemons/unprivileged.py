# SPDX-License-Identifier: GPL-3.0-or-later
"""milterguard started by root that becomes another user, even where only root can read the interpreter.

The tests' own Python may lie below a closed home. In a mount namespace of its own the program then
sees that home open, with nothing in it but what Python needs.

*Source:* mount_namespaces(7).
"""

import stat
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.daemons import toml
from tests.daemons.milterguard import REPOSITORY, Milterguard

USER = "nobody"
_OPEN_AND_RUN = """set -e
closed=$1; shift
mount --bind "$closed" /mnt
mount -t tmpfs -o mode=755 tmpfs "$closed"
while [ "$1" != -- ]; do
    mkdir -p "$1"; mount --bind "/mnt/${1#"$closed"/}" "$1"; shift
done
shift
umount /mnt
exec "$@"
"""


class Unprivileged(Milterguard):
    """Becomes ``nobody`` once its socket is open."""

    def prepare(self) -> None:
        self.settings = toml.merged(self.settings, {"server": {"user": USER}})
        super().prepare()

    def command(self) -> list[str]:
        # Not traced: coverage could not write its data as another user.
        return opened([sys.executable, "-m", "milterguard", "serve", "--config", str(self.configuration)])

    def environment(self) -> Mapping[str, str]:
        return {**super().environment(), "COVERAGE_PROCESS_CONFIG": ""}


def opened(command: list[str]) -> list[str]:
    """Return a command under which everybody can read Python and this project; only root may run it."""
    needed = [Path(sys.base_prefix).resolve(), Path(sys.prefix).resolve(), REPOSITORY]
    folders = [folder for path in needed for folder in (*reversed(path.parents), path)]
    closed = next((each for each in folders if not each.stat().st_mode & stat.S_IXOTH), None)
    if closed is None:
        return command
    within = [str(path) for path in needed if path.is_relative_to(closed)]
    return ["unshare", "--mount", "sh", "-c", _OPEN_AND_RUN, "sh", str(closed), *within, "--", *command]
