# SPDX-License-Identifier: GPL-3.0-or-later
"""Root is given up for good. Runs as root, like the tests with daemons."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from milterguard.config.settings import Server
from milterguard.errors import ConfigError
from milterguard.server.privilege import drop_privileges
from tests.daemons import private_folder
from tests.daemons.unprivileged import Unprivileged, opened
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


@pytest.fixture
def closed_library(tmp_path: Path) -> Path:
    """A library that only root can read, found before the real one."""
    folder = tmp_path / "closed"
    (folder / "aiospamc").mkdir(parents=True)
    (folder / "aiospamc/__init__.py").touch()
    folder.chmod(0o700)
    return folder


READING = """
import os, sys
from milterguard.config.settings import Server
from milterguard.errors import ConfigError
from milterguard.server.privilege import check_readable
try:
    check_readable(Server(user="nobody", group="mail"))
except ConfigError as error:
    print(error)
print(*os.getresuid(), *os.getresgid(), "milter" in sys.modules)
"""


def test_a_library_that_only_root_can_read_is_told_of_before_the_workers_miss_it(closed_library: Path) -> None:
    """The error says who cannot read what and what to do; root is root again, and libmilter was not loaded."""
    said = read_as_nobody(closed_library)
    assert len(said) == 2
    assert f"nobody, who cannot read {closed_library}/aiospamc/__init__.py (Permission denied)" in said[0]
    assert "server.user" in said[0]
    assert "install both where everybody can" in said[0]
    assert said[1] == "0 0 0 0 0 0 False"


def test_libraries_that_everybody_can_read_are_no_trouble() -> None:
    """Nothing is said, and root is root as before."""
    assert read_as_nobody(REPOSITORY) == ["0 0 0 0 0 0 False"]


def read_as_nobody(first: Path) -> list[str]:
    command = opened([sys.executable, "-c", READING])
    environment = {**os.environ, "PYTHONPATH": str(first)}
    done = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=30, check=True
    )
    return done.stdout.splitlines()


def test_serve_ends_at_once_when_its_user_could_not_go_on(closed_library: Path) -> None:
    """Exit status 78, and no traceback of a worker."""
    with private_folder() as folder:
        milterguard = Unprivileged(folder)
        milterguard.prepare()
        environment = {**os.environ, **milterguard.environment(), "PYTHONPATH": f"{closed_library}:{REPOSITORY}"}
        done = subprocess.run(
            milterguard.command(), env=environment, capture_output=True, text=True, timeout=30, check=False
        )
        assert not Path(milterguard.socket.removeprefix("unix:")).exists()
    assert done.returncode == 78
    assert "who cannot read" in done.stderr
    assert "Traceback" not in done.stderr
