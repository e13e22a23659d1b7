# SPDX-License-Identifier: GPL-3.0-or-later
"""What shall become of a message: the four answers a milter can stand behind.

amavis' D_BOUNCE does not exist: mail is answered while its sender is still connected, so
nobody is ever written to.

*Source:* amavis ``final_*_destiny``.
"""

from enum import StrEnum


class Destiny(StrEnum):
    PASS = "pass"  # noqa: S105
    """Accepted and delivered, with marks."""
    TEMPFAIL = "tempfail"
    """451: the client keeps the message and comes again."""
    DISCARD = "discard"
    """Accepted and not delivered; a copy is kept."""
    REJECT = "reject"
    """554: the client keeps the message and tells its sender."""


class Mixed(StrEnum):
    """What to do when some recipients of one message pass and others do not (D1)."""

    REMOVE = "remove"
    """Accept; the blocked recipients are removed and their copy is quarantined first."""
    SPLIT = "split"
    """Ask the client at RCPT to send to recipients of another policy separately (452 4.5.3)."""
    STRICTEST = "strictest"
    """The most severe answer holds for all."""
