# SPDX-License-Identifier: GPL-3.0-or-later
"""The service manager is told in its own words, or nobody is."""

import os
import socket
import time
from pathlib import Path

from milterguard.server.notify import Notifier


def test_every_notice_reaches_the_socket(tmp_path: Path) -> None:
    """READY with a status, RELOADING with the time, STOPPING, WATCHDOG."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(5)
        notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify")})
        notifier.ready("Serving")
        assert manager.recv(1000) == b"READY=1\nSTATUS=Serving"
        notifier.reloading()
        words = dict(line.split("=") for line in manager.recv(1000).decode().splitlines())
        assert words["RELOADING"] == "1"
        assert abs(int(words["MONOTONIC_USEC"]) / 1e6 - time.monotonic()) < 5
        notifier.stopping()
        assert manager.recv(1000).startswith(b"STOPPING=1")
        notifier.alive()
        assert manager.recv(1000) == b"WATCHDOG=1"


def test_an_abstract_socket_is_reached() -> None:
    """A leading @ stands for a NUL."""
    name = f"milterguard-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0{name}")
        manager.settimeout(5)
        Notifier({"NOTIFY_SOCKET": f"@{name}"}).alive()
        assert manager.recv(1000) == b"WATCHDOG=1"


def test_without_a_manager_nothing_happens(tmp_path: Path) -> None:
    """No variable, or a socket that is gone."""
    Notifier({}).ready("x")
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready("x")


def test_the_watchdog_is_fed_at_half_of_its_time() -> None:
    """Unless it is meant for another process."""
    assert Notifier({"WATCHDOG_USEC": "30000000"}).watchdog_seconds == 15.0
    assert Notifier({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}).watchdog_seconds == 15.0
    assert Notifier({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}).watchdog_seconds == 0.0
    assert Notifier({"WATCHDOG_USEC": "soon"}).watchdog_seconds == 0.0
