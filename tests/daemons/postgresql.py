# SPDX-License-Identifier: GPL-3.0-or-later
"""A private PostgreSQL on a loopback port, without fsync: only a crash of the machine loses what it holds.

*Source:* initdb(1), postgres(1). It refuses to be run by root.
"""

import subprocess
import uuid
from pathlib import Path

import psycopg

from tests.daemons import become
from tests.daemons.folder import free_port
from tests.daemons.process import Daemon

PROGRAMS = Path("/usr/lib/postgresql")
USER = "tester"


class Postgresql(Daemon):
    """PostgreSQL; ``new_database`` makes an empty database and returns its URL."""

    driver = "postgresql+psycopg"

    def __init__(self, folder: Path) -> None:
        super().__init__("postgresql", folder)
        self.port = free_port()
        self._programs = max(PROGRAMS.glob("*/bin"), key=lambda path: int(path.parent.name))

    def prepare(self) -> None:
        data = self.folder / "data"
        if data.exists():
            return
        become.own(self.folder)
        command = [f"{self._programs}/initdb", f"--pgdata={data}", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8"]
        subprocess.run(
            [*become.prefix(), *command, "--auth=trust", f"--username={USER}"],
            check=True,
            capture_output=True,
            cwd=self.folder,
        )

    def command(self) -> list[str]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": self.folder,
            "fsync": "off",
            "full_page_writes": "off",
            "shared_buffers": "32MB",
            "dynamic_shared_memory_type": "mmap",
            "max_connections": 60,
        }
        given = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        return [*become.prefix(), f"{self._programs}/postgres", "-D", str(self.folder / "data"), *given]

    def is_ready(self) -> bool:
        try:
            self.run("SELECT 1")
        except psycopg.OperationalError as error:
            raise ConnectionError(str(error)) from error
        return True

    def new_database(self) -> str:
        """Make an empty database; return its SQLAlchemy URL."""
        name = f"mg_{uuid.uuid4().hex[:12]}"
        self.run(f"CREATE DATABASE {name}")
        return f"{self.driver}://{USER}@127.0.0.1:{self.port}/{name}"

    def run(self, statement: str) -> None:
        with psycopg.connect(
            host="127.0.0.1", port=self.port, user=USER, dbname="postgres", autocommit=True
        ) as connection:
            connection.execute(statement.encode())
