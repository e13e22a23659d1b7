# SPDX-License-Identifier: GPL-3.0-or-later
"""Private daemons for tests, demo, chaos and bench: each in a folder of its own, gone without a trace afterwards."""

from tests.daemons.clamd import Clamd
from tests.daemons.folder import free_port, free_ports, private_folder
from tests.daemons.mariadb import Mariadb
from tests.daemons.milterguard import Milterguard
from tests.daemons.postfix import Postfix
from tests.daemons.postgresql import Postgresql
from tests.daemons.process import Daemon, DaemonError, wait_until
from tests.daemons.sink import Delivered, Sink
from tests.daemons.slapd import Slapd
from tests.daemons.smtp import Dialogue, Reply, Smtp, send
from tests.daemons.spamd import Spamd

__all__ = [
    "Clamd",
    "Daemon",
    "DaemonError",
    "Delivered",
    "Dialogue",
    "Mariadb",
    "Milterguard",
    "Postfix",
    "Postgresql",
    "Reply",
    "Sink",
    "Slapd",
    "Smtp",
    "Spamd",
    "free_port",
    "free_ports",
    "private_folder",
    "send",
    "wait_until",
]
