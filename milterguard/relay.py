# SPDX-License-Identifier: GPL-3.0-or-later
"""Warns of mail that a stranger sends to somebody elsewhere through us: an open relay, or wrong settings.

*Source:* amavis: "Open relay? Nonlocal recips but not originating". *Errors:* none.
"""

import logging
import threading
import time
from collections.abc import Callable

from milterguard.core.envelope import Envelope, Traffic
from milterguard.core.text import printable

log = logging.getLogger(__name__)
_PAUSE_SECONDS = 60.0


def is_open_relay(envelope: Envelope) -> bool:
    """Whether neither the client is ours nor some recipient."""
    return envelope.traffic is Traffic.INBOUND and not all(each.is_local for each in envelope.recipients)


class RelayWarning:
    """Says it for the first message, and then once a minute with a number. Safe for several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._next = float("-inf")
        self._unsaid = 0

    def say(self, log_id: str, client: str) -> None:
        """Warn, unless that was done just now."""
        with self._lock:
            now = self._clock()
            if now < self._next:
                self._unsaid += 1
                return
            more, self._unsaid, self._next = self._unsaid, 0, now + _PAUSE_SECONDS
        log.warning(
            "(%s) open relay? [%s] is neither in local.networks nor authenticated, and some recipient not in "
            "local.domains; %d more since the last warning",
            log_id,
            printable(client, 60),
            more,
        )
