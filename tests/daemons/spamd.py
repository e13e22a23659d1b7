# SPDX-License-Identifier: GPL-3.0-or-later
"""A private spamd: Debian's rules, local tests only, nothing learnt, and rules with points on demand.

*Source:* spamd(8p), Mail::SpamAssassin::Conf(3pm).
"""

import shutil
from pathlib import Path

from tests.daemons.address import connect, inet
from tests.daemons.folder import free_port, socket_path
from tests.daemons.process import Daemon
from tests.daemons.sample import POINTS, points_phrase, points_rule

PROGRAM = Path("/usr/sbin/spamd")
SITE_FOLDER = Path("/etc/spamassassin")
RULES_FOLDER = Path("/usr/share/spamassassin")

LOCAL_CF = """\
required_score 5
report_safe 0
use_bayes 0
use_auto_welcomelist 0
skip_rbl_checks 1
dns_available no
trusted_networks 127.0.0.0/8
score NO_RELAYS 0
score NO_RECEIVED 0
score RCVD_ILLEGAL_IP 0
add_header all Tests-Scores _TESTSSCORES(,)_
"""


class Spamd(Daemon):
    """spamd; ``socket`` is its address in our words."""

    def __init__(self, folder: Path, *, tcp: bool = False, children: int = 2, configuration: str = "") -> None:
        """``configuration`` is added to local.cf."""
        super().__init__("spamd", folder)
        self.socket = inet(free_port()) if tcp else f"unix:{socket_path(folder / 'spamd.sock')}"
        self._children = children
        self._configuration = configuration

    def prepare(self) -> None:
        site = self.folder / "site"
        site.mkdir(exist_ok=True)
        for plugins in SITE_FOLDER.glob("*.pre"):
            shutil.copyfile(plugins, site / plugins.name)
        (site / "local.cf").write_text(LOCAL_CF + "".join(map(_rule, POINTS)) + self._configuration)
        # A spamd that was killed leaves its socket; the next one takes the file for a living spamd's.
        self._socket_file.unlink(missing_ok=True)

    def command(self) -> list[str]:
        return [
            str(PROGRAM),
            "--local",
            "--nouser-config",
            "--username=nobody",
            "--syslog=stderr",
            f"--siteconfigpath={self.folder / 'site'}",
            f"--configpath={RULES_FOLDER}",
            f"--pidfile={self.folder / 'spamd.pid'}",
            f"--max-children={self._children}",
            f"--min-children={self._children}",
            f"--min-spare={self._children}",
            f"--max-spare={self._children}",
            "--max-conn-per-child=10000",
            *self._listen(),
        ]

    def is_ready(self) -> bool:
        return "PONG" in self.ask("PING")

    def ask(self, command: str, octets: bytes = b"", *, timeout_seconds: float = 30.0) -> str:
        """The whole answer to one request such as PING, SYMBOLS or HEADERS. Raises OSError."""
        request = f"{command} SPAMC/1.5\r\nContent-length: {len(octets)}\r\n\r\n".encode() if octets else b""
        answer = b""
        with connect(self.socket, timeout_seconds=timeout_seconds) as connection:
            connection.sendall(request + octets or f"{command} SPAMC/1.5\r\n\r\n".encode())
            while received := connection.recv(65536):
                answer += received
        return answer.decode(errors="replace")

    @property
    def _socket_file(self) -> Path:
        return self.folder / "spamd.sock"

    def _listen(self) -> list[str]:
        kind, _, rest = self.socket.partition(":")
        if kind == "unix":
            return [f"--socketpath={rest}", "--socketmode=0666"]
        port, _, host = rest.partition("@")
        return [f"--port={port}", f"--listen={host}", "--allowed-ips=127.0.0.1"]


def _rule(name: str) -> str:
    rule = points_rule(name)
    return f"body {rule} /\\b{points_phrase(name)}\\b/\nscore {rule} {POINTS[name]}\ndescribe {rule} {name} points\n"
