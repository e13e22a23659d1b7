# SPDX-License-Identifier: GPL-3.0-or-later
"""What all private daemons have in common: start and prove ready, stop, kill, pause; nothing left behind.

*Errors:* DaemonError when one does not start, with the end of what it said.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.daemons import keeper

POLL_SECONDS = 0.02
LOG_TAIL_CHARACTERS = 4000


class DaemonError(RuntimeError):
    """A daemon did not start, or not stay, or not end."""


def wait_until(condition: Callable[[], object], *, seconds: float, what: str) -> None:
    """Returns as soon as the condition is true. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:g} s")
        time.sleep(POLL_SECONDS)


class Daemon:
    """A foreground daemon in a session of its own, below a keeper that dies with it and with us.

    May be started again after ``stop`` or ``kill``; its addresses stay.
    """

    start_seconds = 60.0
    stop_seconds = 20.0

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder
        """Holds everything the daemon writes; made when missing, removed by who made it."""
        self.output = folder / f"{name}.log"
        """Standard output and error."""
        self._keeper: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._told = b""

    def prepare(self) -> None:
        """Writes the configuration."""

    def command(self) -> list[str]:
        """The argv of the daemon, which must stay in the foreground."""
        raise NotImplementedError

    def environment(self) -> Mapping[str, str]:
        """What the daemon's environment has beside ours."""
        return {}

    def is_ready(self) -> bool:
        """Whether it answers; OSError counts as no."""
        raise NotImplementedError

    def start(self) -> Self:
        """Returns when the daemon answers. Raises DaemonError with its log when it does not."""
        if self._keeper is not None:
            raise DaemonError(f"{self.name} was started before and not stopped")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.prepare()
        if self._answers():
            raise DaemonError(f"{self.name}: another process answers at its address")
        try:
            self._launch()
            self._await_ready()
        except BaseException:
            self._end_all()
            raise
        return self

    def stop(self) -> int | None:
        """Ends the daemon and all its children, the orderly way first; its status as by ``waitpid``."""
        if self._keeper is None:
            return None
        try:
            if self.is_running:
                self.signal(signal.SIGTERM)
                # Asked to end, a paused process cannot.
                self.signal(signal.SIGCONT)
                with contextlib.suppress(TimeoutError):
                    self.wait_ended(self.stop_seconds)
            return self._status()
        finally:
            self._end_all()

    def kill(self) -> None:
        """Ends the daemon with SIGKILL, as a crash would, and then whatever it left."""
        try:
            if self.is_running:
                self.signal(signal.SIGKILL)
                self.wait_ended(self.stop_seconds)
        finally:
            self._end_all()

    def restart(self) -> Self:
        self.stop()
        return self.start()

    def pause(self) -> None:
        """Stops all its processes from running: they hang, their sockets stay open."""
        for pid in self.pids():
            _send(pid, signal.SIGSTOP)

    def resume(self) -> None:
        for pid in self.pids():
            _send(pid, signal.SIGCONT)

    def signal(self, number: int) -> None:
        """Sends a signal to the daemon's first process."""
        _send(self.pid, number)

    def wait_ended(self, seconds: float) -> None:
        """Returns when the first process has ended. Raises TimeoutError."""
        wait_until(lambda: not self.is_running, seconds=seconds, what=f"{self.name} ends")

    @property
    def is_running(self) -> bool:
        return self._keeper is not None and self._status() is None

    @property
    def pid(self) -> int:
        """The daemon's first process. Raises DaemonError when it was not started."""
        self._read()
        return self._number("started")

    def pids(self) -> tuple[int, ...]:
        """All its living processes, the first one first."""
        return keeper.descendants(self._keeper.pid) if self._keeper else ()

    def child_pids(self) -> tuple[int, ...]:
        """Its processes without the first one."""
        first = self.pid
        return tuple(pid for pid in self.pids() if pid != first)

    def log(self) -> str:
        """What it said since its folder exists."""
        return self.output.read_text(errors="replace") if self.output.exists() else ""

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _launch(self) -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs, self.output.open("ab") as output:
            self._control, self._told = ours, b""
            self._keeper = subprocess.Popen(
                [sys.executable, "-I", "-S", keeper.__file__, str(theirs.fileno()), *self.command()],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self.folder,
                env={**os.environ, **self.environment()},
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )

    def _await_ready(self) -> None:
        def answers() -> bool:
            if self._status() is not None:
                raise DaemonError(f"{self.name} ended with {self._status()}:\n{self._log_tail()}")
            return b"\n" in self._told and self._answers()

        try:
            wait_until(answers, seconds=self.start_seconds, what=f"{self.name} answers")
        except TimeoutError as error:
            raise DaemonError(f"{error}:\n{self._log_tail()}") from error

    def _answers(self) -> bool:
        try:
            return self.is_ready()
        except OSError:
            return False

    def _log_tail(self) -> str:
        return self.log()[-LOG_TAIL_CHARACTERS:]

    def _status(self) -> int | None:
        self._read()
        return self._number("ended") if b"ended " in self._told else None

    def _number(self, word: str) -> int:
        for line in self._told.decode().splitlines():
            key, _, number = line.partition(" ")
            if key == word:
                return int(number)
        raise DaemonError(f"{self.name} has not {word}")

    def _read(self) -> None:
        if self._control is None:
            return
        with contextlib.suppress(BlockingIOError):
            while received := self._control.recv(4096):
                self._told += received

    def _end_all(self) -> None:
        """The end of the control socket tells the keeper to end what is left, and itself."""
        if self._control is not None:
            # A fork of ours may hold the socket too: closing would not be enough.
            with contextlib.suppress(OSError):
                self._control.shutdown(socket.SHUT_RDWR)
        if self._keeper is not None:
            self._keeper.wait(self.stop_seconds)
        if self._control is not None:
            self._control.close()
        self._keeper = self._control = None


def _send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
