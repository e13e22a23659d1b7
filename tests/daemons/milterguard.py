# SPDX-License-Identifier: GPL-3.0-or-later
"""``milterguard serve`` as a service manager runs it: started, waited for by sd_notify, reloaded, stopped.

*Source:* sd_notify(3).
"""

import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from tests.daemons import toml
from tests.daemons.folder import socket_path
from tests.daemons.postfix import DOMAINS
from tests.daemons.process import Daemon, DaemonError
from tests.fakes.dns import DnsServer

REPOSITORY = Path(__file__).parents[2]
IS_COVERED = "COVERAGE_PROCESS_CONFIG"
"""Set by coverage for the processes below the tests."""


@cache
def empty_dns() -> DnsServer:
    """A name server that knows of nothing, so that no test asks strangers; it ends with the process."""
    return DnsServer()


class Milterguard(Daemon):
    """The filter under test; ``socket`` is where the MTA finds it."""

    stop_seconds = 45.0  # stop_grace_seconds is 30 unless a test says otherwise

    def __init__(
        self,
        folder: Path,
        *,
        clamd: str = "",
        spamd: str = "",
        release: str = "",
        listen: str = "",
        settings: toml.Table | None = None,
        environment: Mapping[str, str] | None = None,
        options: tuple[str, ...] = (),
    ) -> None:
        """Addresses are in our words; a scanner without address is switched off.

        :param listen: default: a unix socket in ``folder``.
        :param options: of ``serve``.
        :param settings: laid over ours, as nested tables: ``{"policy": {"spam_destiny": "pass"}}``.
        """
        super().__init__("milterguard", folder)
        self.socket = listen or f"unix:{socket_path(folder / 'milter.sock')}"
        self.configuration = folder / "milterguard.toml"
        self.quarantine = folder / "quarantine"
        self.settings = toml.merged(self._own_settings(clamd=clamd, spamd=spamd, release=release), settings or {})
        self._environment = environment or {}
        self._options = options
        self._notified: list[str] = []
        self._notify: socket.socket | None = None

    def prepare(self) -> None:
        self.write_settings({})
        self.quarantine.mkdir(mode=0o750, exist_ok=True)
        (self.folder / "state").mkdir(mode=0o750, exist_ok=True)

    def write_settings(self, settings: toml.Table) -> None:
        """Lays more settings over the present ones in the file; ``reload`` makes them hold."""
        self.settings = toml.merged(self.settings, settings)
        self.configuration.write_text(toml.written(self.settings))

    def command(self) -> list[str]:
        program = "tests.daemons.traced" if IS_COVERED in os.environ else "milterguard"
        return [sys.executable, "-m", program, "serve", "--config", str(self.configuration), *self._options]

    def environment(self) -> Mapping[str, str]:
        return {
            "NOTIFY_SOCKET": str(self._notify_path),
            "PYTHONPATH": str(REPOSITORY),
            "PYTHONUNBUFFERED": "1",
            **self._environment,
        }

    def is_ready(self) -> bool:
        self._receive(0.0)
        return self._notify is not None and "READY=1" in self._notified

    def reload(self, *, seconds: float = 30.0) -> None:
        """SIGHUP, and back when the new workers are ready. Raises TimeoutError when that is never said."""
        self._receive(0.0)
        self._notified.clear()
        self.signal(signal.SIGHUP)
        self.wait_notified("RELOADING=1", seconds=seconds)
        self.wait_notified("READY=1", seconds=seconds)

    def wait_notified(self, assignment: str, *, seconds: float = 30.0) -> None:
        """Returns when the service manager was told so since the start or the last ``reload``."""
        deadline = time.monotonic() + seconds
        while assignment not in self._notified:
            if not self.is_running:
                raise DaemonError(f"milterguard ended:\n{self._log_tail()}")
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"{assignment} was not told within {seconds:g} s, only {self._notified}")
            self._receive(min(left, 0.2))

    @property
    def notified(self) -> tuple[str, ...]:
        """All assignments that the service manager was told, still known after the end."""
        self._receive(0.0)
        return tuple(self._notified)

    def worker_pids(self) -> tuple[int, ...]:
        """The processes that serve sessions."""
        return self.child_pids()

    def cli(self, *arguments: str, timeout_seconds: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Another command of the program under the same configuration, such as ``cli("quarantine", "list")``."""
        return subprocess.run(
            [sys.executable, "-m", "milterguard", *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_seconds,
            cwd=self.folder,
            env={**os.environ, **self._environment, "PYTHONPATH": str(REPOSITORY), **self._configured()},
        )

    def _configured(self) -> dict[str, str]:
        return {"MILTERGUARD_CONFIG": str(self.configuration)}

    def _own_settings(self, *, clamd: str, spamd: str, release: str) -> toml.Table:
        return {
            # Not the group of smtpd's user, which differs between systems: the folder is ours alone anyway.
            "server": {
                "listen": [self.socket],
                "socket_mode": 0o666,
                "workers": 2,
                "state_directory": str(self.folder / "state"),
            },
            "local": {"domains": list(DOMAINS), "networks": ["127.0.0.0/8"]},
            "dns": {"servers": [empty_dns().address]},
            "checks": {
                "clamd": {"sockets": [clamd]} if clamd else {"enabled": False},
                "spamd": {"sockets": [spamd]} if spamd else {"enabled": False},
            },
            "store": {"url": f"sqlite:///{self.folder / 'milterguard.db'}"},
            "quarantine": {"store": f"file:{self.quarantine}"},
            "release": {"smtp": release} if release else {},
        }

    @property
    def _notify_path(self) -> Path:
        return self.folder / "notify.sock"

    def _launch(self) -> None:
        self._notify_path.unlink(missing_ok=True)
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.bind(str(socket_path(self._notify_path)))
        self._notify_path.chmod(0o666)  # a worker may have given up root
        self._notified.clear()
        super()._launch()

    def _end_all(self) -> None:
        try:
            super()._end_all()
        finally:
            self._deafen()

    def _receive(self, seconds: float) -> None:
        """Takes the notices that have come, waiting a while for the first."""
        while self._notify is not None and select.select([self._notify], [], [], seconds)[0]:
            self._notified += self._notify.recv(65536).decode(errors="replace").splitlines()
            seconds = 0.0

    def _deafen(self) -> None:
        self._receive(0.0)
        if self._notify is not None:
            self._notify.close()
        self._notify = None
