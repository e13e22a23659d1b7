# SPDX-License-Identifier: GPL-3.0-or-later
"""A private clamd with the options that milterguard needs, on the machine's signatures or on EICAR's alone."""

import hashlib
from pathlib import Path

from tests.daemons.address import connect, inet
from tests.daemons.folder import free_port, socket_path
from tests.daemons.process import Daemon
from tests.daemons.sample import CLAMAV_DIGEST, CLAMAV_NAME, EICAR, EICAR_NAME

PROGRAM = Path("/usr/sbin/clamd")
MACHINE_DATABASE = Path("/var/lib/clamav")


class Clamd(Daemon):
    """clamd; ``socket`` is its address in our words."""

    start_seconds = 120.0  # the full set of signatures takes its time

    def __init__(
        self,
        folder: Path,
        *,
        eicar_only: bool = True,
        tcp: bool = False,
        stream_max_length: str = "30M",
        options: dict[str, str] | None = None,
    ) -> None:
        """``options`` are further lines of clamd.conf, or others in place of ours."""
        super().__init__("clamd", folder)
        self.socket = inet(free_port()) if tcp else f"unix:{socket_path(folder / 'clamd.sock')}"
        self.eicar_only = eicar_only or not _has_signatures(MACHINE_DATABASE)
        self._stream_max_length = stream_max_length
        self._options = options or {}

    def prepare(self) -> None:
        database = self.folder / "signatures" if self.eicar_only else MACHINE_DATABASE
        if self.eicar_only:
            write_signatures(database)
        (self.folder / "scratch").mkdir(exist_ok=True)
        options = {
            "Foreground": "yes",
            "DatabaseDirectory": str(database),
            "OfficialDatabaseOnly": "no",
            "TemporaryDirectory": str(self.folder / "scratch"),
            "StreamMaxLength": self._stream_max_length,
            "AlertExceedsMax": "yes",
            "AlertEncrypted": "yes",
            "MaxThreads": "12",
            "SelfCheck": "3600",
            "Bytecode": "no",
            **self._listen(),
            **self._options,
        }
        configuration = "".join(f"{name} {value}\n" for name, value in options.items())
        self._configuration.write_text(configuration)

    def command(self) -> list[str]:
        return [str(PROGRAM), "--config-file", str(self._configuration)]

    def is_ready(self) -> bool:
        return self.ask("PING") == "PONG"

    def ask(self, command: str, *, timeout_seconds: float = 5.0) -> str:
        """The answer to a one-line command such as PING or VERSION. Raises OSError."""
        answer = b""
        with connect(self.socket, timeout_seconds=timeout_seconds) as connection:
            connection.sendall(b"z" + command.encode() + b"\0")
            while received := connection.recv(4096):
                answer += received
        return answer.rstrip(b"\0").decode()

    def scan(self, octets: bytes, *, timeout_seconds: float = 30.0) -> str:
        """The answer to one INSTREAM, such as ``stream: OK``. Raises OSError."""
        with connect(self.socket, timeout_seconds=timeout_seconds) as connection:
            connection.sendall(b"zINSTREAM\0" + len(octets).to_bytes(4) + octets + bytes(4))
            answer = b""
            while received := connection.recv(4096):
                answer += received
        return answer.rstrip(b"\0").decode()

    @property
    def _configuration(self) -> Path:
        return self.folder / "clamd.conf"

    def _listen(self) -> dict[str, str]:
        kind, _, rest = self.socket.partition(":")
        if kind == "unix":
            return {"LocalSocket": rest, "LocalSocketMode": "666", "FixStaleSocket": "yes"}
        port, _, host = rest.partition("@")
        return {"TCPSocket": port, "TCPAddr": host}


def write_signatures(folder: Path) -> None:
    """A database that knows two test files: EICAR, by digest and by its text anywhere, and ClamAV's, by digest."""
    folder.mkdir(exist_ok=True)
    folder.joinpath("eicar.ndb").write_text(f"{EICAR_NAME}:0:*:{EICAR.hex()}\n")
    digest = hashlib.md5(EICAR, usedforsecurity=False).hexdigest()
    folder.joinpath("eicar.hdb").write_text(f"{digest}:{len(EICAR)}:{EICAR_NAME}\n")
    folder.joinpath("test.hdb").write_text(f"{CLAMAV_DIGEST}:{CLAMAV_NAME}\n")


def _has_signatures(folder: Path) -> bool:
    return any(folder.glob("*.c[vl]d"))
