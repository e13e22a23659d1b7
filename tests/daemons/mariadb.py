# SPDX-License-Identifier: GPL-3.0-or-later
"""A private MariaDB on a loopback port, whose one user needs no password; it syncs nothing to the disk.

*Source:* mariadb-install-db(1), mariadbd(8).
"""

import subprocess
import uuid
from pathlib import Path

import pymysql

from tests.daemons import become
from tests.daemons.folder import free_port
from tests.daemons.process import Daemon

PROGRAM = Path("/usr/sbin/mariadbd")
INSTALL = "mariadb-install-db"
USER = "tester"
_FIRST = f"""\
CREATE USER IF NOT EXISTS {USER}@'127.0.0.1';
GRANT ALL ON *.* TO {USER}@'127.0.0.1' WITH GRANT OPTION;
"""


class Mariadb(Daemon):
    """MariaDB; ``new_database`` makes an empty database and returns its URL."""

    driver = "mysql+pymysql"

    def __init__(self, folder: Path) -> None:
        super().__init__("mariadb", folder)
        self.port = free_port()

    def prepare(self) -> None:
        if (self.folder / "data").exists():
            return
        become.own(self.folder)
        (self.folder / "first.sql").write_text(_FIRST)
        subprocess.run(
            [*become.prefix(), INSTALL, "--no-defaults", f"--datadir={self.folder / 'data'}", "--skip-test-db"],
            check=True,
            capture_output=True,
            cwd=self.folder,
        )

    def command(self) -> list[str]:
        return [
            *become.prefix(),
            str(PROGRAM),
            "--no-defaults",
            f"--datadir={self.folder / 'data'}",
            f"--socket={self.folder / 'mariadb.sock'}",
            f"--pid-file={self.folder / 'mariadb.pid'}",
            f"--tmpdir={self.folder}",
            f"--port={self.port}",
            "--bind-address=127.0.0.1",
            f"--init-file={self.folder / 'first.sql'}",
            "--skip-name-resolve",
            "--innodb-flush-log-at-trx-commit=2",
            "--innodb-buffer-pool-size=32M",
            "--innodb-log-file-size=8M",
            "--skip-innodb-doublewrite",
        ]

    def is_ready(self) -> bool:
        try:
            self.run("SELECT 1")
        except pymysql.OperationalError as error:
            raise ConnectionError(str(error)) from error
        return True

    def new_database(self) -> str:
        """Make an empty database; return its SQLAlchemy URL."""
        name = f"mg_{uuid.uuid4().hex[:12]}"
        self.run(f"CREATE DATABASE {name}")
        return f"{self.driver}://{USER}@127.0.0.1:{self.port}/{name}"

    def run(self, statement: str) -> None:
        connection = pymysql.connect(host="127.0.0.1", port=self.port, user=USER, autocommit=True)
        try:
            connection.cursor().execute(statement)
        finally:
            connection.close()
