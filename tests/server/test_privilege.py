# SPDX-License-Identifier: GPL-3.0-or-later
"""Root is given up for good. Runs as root, like the tests with daemons."""

import json
import subprocess
import sys

import pytest

from milterguard.config.settings import Server
from milterguard.errors import ConfigError
from milterguard.server.privilege import drop_privileges
from tests.server.tree import REPOSITORY

PROGRAM = """
import json, os
from pathlib import Path
from milterguard.config.settings import Server
from milterguard.server.privilege import drop_privileges
drop_privileges(Server(user="nobody", group="mail"))
drop_privileges(Server(user="nobody", group="mail"))
status = dict(line.split(":\\t", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":\\t" in line)
try:
    os.setuid(0)
except PermissionError:
    print(json.dumps([os.getresuid(), os.getresgid(), status["NoNewPrivs"]]))
"""


def test_root_is_given_up_for_good() -> None:
    """All user and group ids, no new privileges, and no way back."""
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=30, check=True)
    users, groups, no_new = json.loads(done.stdout)
    assert len(set(users)) == len(set(groups)) == 1
    assert 0 not in {*users, *groups}
    assert no_new == "1"


@pytest.mark.parametrize("server", [Server(user="no-such-user"), Server(user="nobody", group="no-such-group")])
def test_unknown_names_are_configuration_errors(server: Server) -> None:
    """Before anything was changed."""
    with pytest.raises(ConfigError, match=r"server\.(user|group)"):
        drop_privileges(server)
