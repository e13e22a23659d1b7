# SPDX-License-Identifier: GPL-3.0-or-later
"""Recognises a message that an operator has released, by the token it carries (``core/token.py``).

*Errors:* ContentError when the octets are gone before they could be compared.
"""

import hashlib
import time

from milterguard.core.marks import TOKEN_FIELD
from milterguard.core.message import Content, Message
from milterguard.core.text import decoded
from milterguard.core.token import Token, bind, read


def recognised(message: Message, key: bytes) -> Token | None:
    """Return the one token of ours in a message's header section; forged ones are nothing. Never raises."""
    name = TOKEN_FIELD.encode("ascii")
    values = (decoded(b" ".join(each.value.split())) for each in message.fields if each.is_named(name))
    tokens = [token for token in (read(value, key) for value in values) if token is not None]
    return tokens[0] if len(tokens) == 1 else None


def fits(token: Token, message: Message, deadline: float) -> bool:
    """Whether a token is of this message, with this envelope and body, and not expired.

    Reads the body, until ``deadline`` on the monotonic clock. Raises ContentError.
    """
    envelope = message.envelope
    digest = body_digest(message.content, deadline=deadline)
    bound = bind(envelope.sender, (each.address for each in envelope.recipients), digest)
    return token.bound == bound and time.time() <= token.expires


def body_digest(content: Content, *, deadline: float | None = None) -> str:
    """Return the hexadecimal SHA-256 of a body. Raises ContentError."""
    digest = hashlib.sha256()
    reader = content.open(deadline=deadline)
    try:
        while block := reader.read(65536):
            digest.update(block)
    finally:
        reader.close()
    return digest.hexdigest()
