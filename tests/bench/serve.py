# SPDX-License-Identifier: GPL-3.0-or-later
"""Becomes ``milterguard serve`` with a configuration for the harness: journal and log on, as in production.

Nobody beyond loopback is asked: who sent a message is found out only with ``--proofs``, of a name server of its own.
"""

import argparse
import os
import sys
from pathlib import Path

from tests.daemons import toml
from tests.fakes.dns import DnsServer, Zone

ZONE: Zone = {
    "sender.example": [{"TXT": "v=spf1 ip4:127.0.0.0/8 -all"}],
    "_dmarc.sender.example": [{"TXT": "v=DMARC1; p=reject"}],
}
"""Of the envelope's senders; there is no other name."""


def main() -> None:
    """Write the configuration, make the database, and become the server. Does not return."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--socket", required=True)
    parser.add_argument("--clamd", default="")
    parser.add_argument("--spamd", default="")
    parser.add_argument("--closed", action="store_true", help="do not take messages apart")
    parser.add_argument("--proofs", action="store_true", help="find out who sent a message")
    options = parser.parse_args()
    folder: Path = options.folder
    (folder / "state").mkdir(parents=True, exist_ok=True)
    configuration = folder / "milterguard.toml"
    settings = _settings(folder, options)
    if options.proofs:
        settings = toml.merged(settings, {"dns": {"servers": [_name_server()]}})
    configuration.write_text(toml.written(settings))
    arguments = [sys.executable, "-m", "milterguard"]
    status = os.spawnv(os.P_WAIT, sys.executable, [*arguments, "db", "upgrade", "--config", str(configuration)])
    if status:
        sys.exit(status)
    os.execv(sys.executable, [*arguments, "serve", "--config", str(configuration)])


def _name_server() -> str:
    """Start a name server that ends with the last process of what this one becomes; its address."""
    told, tell = os.pipe()
    ended, alive = os.pipe()
    if os.fork() == 0:
        os.close(told)
        os.close(alive)
        with DnsServer(ZONE) as server:
            os.write(tell, server.address.encode())
            os.read(ended, 1)
        os._exit(0)
    os.close(tell)  # so that a name server that does not start is an end of file here
    os.close(ended)
    os.set_inheritable(alive, True)
    address = os.read(told, 100).decode()
    os.close(told)
    if not address:
        sys.exit("the name server did not start")
    return address


def _settings(folder: Path, options: argparse.Namespace) -> toml.Table:
    return {
        "server": {
            "listen": [f"unix:{options.socket}"],
            "socket_mode": 0o666,
            "state_directory": str(folder / "state"),
            "spool_directory": str(folder),
            "deadline_seconds": 120.0,
        },
        "local": {"domains": ["rcpt.example"], "networks": ["192.168.254.0/30"]},
        "checks": {
            "clamd": {"sockets": [f"unix:{options.clamd}"]} if options.clamd else {"enabled": False},
            # 500 KiB like its peers, which leave longer messages out altogether.
            "spamd": {"sockets": [f"unix:{options.spamd}"], "max_scan_bytes": 512000}
            if options.spamd
            else {"enabled": False},
            "authentication": {"enabled": bool(options.proofs)},
            **({name: {"enabled": False} for name in ("parts", "banned", "bad_header")} if options.closed else {}),
        },
        "policy": {"spam_kill_level": 15.0},
        "store": {"url": f"sqlite:///{folder / 'milterguard.db'}"},
        "quarantine": {"store": f"file:{folder / 'quarantine'}"},
    }


if __name__ == "__main__":
    main()
