# SPDX-License-Identifier: GPL-3.0-or-later
"""A filter that was started by root and has given it up can do all that it must."""

import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemons import private_folder
from tests.daemons.unprivileged import USER, Unprivileged


@pytest.fixture
def milterguard() -> Iterator[Unprivileged]:
    with private_folder() as folder, Unprivileged(folder) as running:
        yield running


def users(milterguard: Unprivileged) -> set[int]:
    return {Path(f"/proc/{pid}").stat().st_uid for pid in (milterguard.pid, *milterguard.worker_pids())}


def test_the_settings_are_reloaded_although_root_owns_the_socket(milterguard: Unprivileged) -> None:
    """Its group and mode are right already, so nobody has to be allowed to change them."""
    path = Path(milterguard.socket.removeprefix("unix:"))
    assert path.stat().st_uid == os.getuid()
    assert users(milterguard) == {pwd.getpwnam(USER).pw_uid}
    former = set(milterguard.worker_pids())
    milterguard.write_settings({"server": {"workers": 1}})
    milterguard.reload()
    assert "reloaded: 1 workers" in milterguard.log()
    assert set(milterguard.worker_pids()) - former


def test_another_mode_is_refused_with_what_to_do(milterguard: Unprivileged) -> None:
    """The operator wants what only root may do: the log says that it takes a restart."""
    milterguard.write_settings({"server": {"socket_mode": 0o600}})
    milterguard.reload()
    assert "not reloaded" in milterguard.log()
    assert "for others restart milterguard" in milterguard.log()


def test_a_mode_changed_by_hand_does_not_hold_up_a_reload(milterguard: Unprivileged) -> None:
    """The settings did not ask for it: a warning, and the socket keeps what it has."""
    path = Path(milterguard.socket.removeprefix("unix:"))
    path.chmod(0o777)
    milterguard.write_settings({"server": {"workers": 1}})
    milterguard.reload()
    assert "keeps the group and mode that it has" in milterguard.log()
    assert "reloaded: 1 workers" in milterguard.log()
    assert stat.S_IMODE(path.stat().st_mode) == 0o777
