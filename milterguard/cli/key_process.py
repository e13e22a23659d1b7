# SPDX-License-Identifier: GPL-3.0-or-later
"""The process of ``milterguard dkim serve``: holds the keys, signs for the workers, ends when told to."""

import queue
import signal
import threading
from pathlib import Path

import click

from milterguard.cli import show
from milterguard.cli.options import loaded
from milterguard.cli.status import CommandError, Status
from milterguard.config.settings import Settings
from milterguard.core.text import printable
from milterguard.errors import MilterguardError
from milterguard.keys.process import KeyServer
from milterguard.keys.ring import KeyRing, NoKeys
from milterguard.keys.source import check_keys, own_ring
from milterguard.server.notify import Notifier


def serve_keys(settings: Settings) -> None:
    """Hold the keys of these settings until SIGTERM or SIGINT. Raises ConfigError, CommandError, OSError."""
    path = Path(settings.signing.signer.removeprefix("unix:"))
    server = KeyServer(path, _held(settings), group=settings.signing.signer_group)
    _until_told(server)
    server.ring.close()


def _held(settings: Settings) -> KeyRing:
    """Return the keys to be held. Raises ConfigError, CommandError."""
    check_keys(settings)
    ring = own_ring(settings)
    if isinstance(ring, NoKeys):
        raise CommandError("there is no [[dkim_key]] and no signing.keys_select: nothing to hold", Status.CONFIG)
    return ring


def _until_told(server: KeyServer) -> None:
    """Answer until SIGTERM or SIGINT; with SIGHUP take the keys of the settings as they are then."""
    told: queue.SimpleQueue[int] = queue.SimpleQueue()
    for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(each, lambda number, _: told.put(number))
    thread = threading.Thread(target=server.serve_forever, name="keys")
    thread.start()
    notifier = Notifier()
    notifier.ready("Holding keys")
    show.say(f"keys: answering at {server.path}")
    try:
        while told.get() == signal.SIGHUP:
            notifier.reloading()
            _take_over(server)
            notifier.ready("Holding keys")
    finally:
        notifier.stopping()
        server.shutdown()
        thread.join()
        server.close()


def _take_over(server: KeyServer) -> None:
    """Take new keys; wrong settings change nothing."""
    try:
        server.ring = _held(loaded().settings)
        show.say("keys: read again")
    except MilterguardError as error:
        click.echo(f"keys: the former ones stay: {printable(str(error), 2000)}", err=True)
