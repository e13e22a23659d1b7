# SPDX-License-Identifier: GPL-3.0-or-later
"""The fields a relay would have put above a message: scanners want to see them, a milter does not.

The MTA writes its own ``Received:`` only after the milters have answered. Without one clamd does
not recognise many messages as mail and finds nothing in them (D4), and SpamAssassin cannot tell
where a message comes from.

*Source:* RFC 5321 section 4.4; RFC 3848 (ESMTPA, ESMTPS, ESMTPSA).
"""

from datetime import UTC, datetime
from email.utils import format_datetime

from milterguard.core.envelope import Envelope
from milterguard.core.message import Message
from milterguard.core.text import ascii_printable


def relay_fields(message: Message) -> bytes:
    """Return ``Return-Path:`` and ``Received:`` for this message, each with CRLF. Never raises."""
    return (f"Return-Path: <{_address(message.envelope.sender)}>\r\n" + received_field(message)).encode("ascii")


def received_field(message: Message) -> str:
    """Return the ``Received:`` field our MTA is about to write, folded, with CRLF."""
    envelope = message.envelope
    date = format_datetime(datetime.fromtimestamp(message.received_at, UTC))
    queue_id = _word(envelope.queue_id) or message.mail_id
    return (
        f"Received: from {_helo(envelope)} ({_origin(envelope)})\r\n"
        f"\tby {_word(envelope.mta) or 'localhost'} (milterguard) with {_protocol(envelope)} id {queue_id};\r\n"
        f"\t{date}\r\n"
    )


def _helo(envelope: Envelope) -> str:
    return _word(envelope.client.helo) or "localhost"


def _origin(envelope: Envelope) -> str:
    client = envelope.client
    name = _word(client.name) or "unknown"
    address = _word(client.address) or "127.0.0.1"
    literal = f"IPv6:{address}" if ":" in address else address
    return f"[{literal}]" if name == f"[{address}]" else f"{name} [{literal}]"


def _protocol(envelope: Envelope) -> str:
    client = envelope.client
    return "ESMTP" + ("S" if client.tls else "") + ("A" if client.is_authenticated else "")


def _word(text: str) -> str:
    """Return text without what would end the word, the comment or the field."""
    return "".join(character for character in ascii_printable(text, 255) if character not in ' ()<>;,"\\')


def _address(text: str) -> str:
    return "".join(character for character in ascii_printable(text, 320) if character not in "<>")
