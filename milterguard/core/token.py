# SPDX-License-Identifier: GPL-3.0-or-later
"""The token by which our milter recognises a message that an operator has released.

A released message goes through the MTA again and would be caught again. So it carries one field
that only a holder of the key can write: bound to the quarantined message's id, the envelope and the
octets of the body, valid for minutes, good for one pass (``store/tokens.py`` keeps the marks).
The header section is not bound, because the MTA may complete or rewrite it on the way in.

*Source:* RFC 2104 (HMAC) with SHA-256.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass

_FORM = re.compile(
    r"v=1; id=(?P<id>[A-Za-z0-9_-]{12}); x=(?P<expires>[0-9]{1,12}); n=(?P<nonce>[A-Za-z0-9_-]{16,64}); "
    r"b=(?P<bound>[0-9a-f]{64}); h=(?P<mac>[0-9a-f]{64})\Z"
)


@dataclass(frozen=True, slots=True)
class Token:
    """An authentic token: we have written it. Whether it fits is another question."""

    mail_id: str
    """The quarantined message it releases."""
    expires: int
    """Seconds since the epoch."""
    nonce: str
    """Makes each token different; what is marked as used."""
    bound: str
    """Hexadecimal digest of envelope and body."""

    @property
    def digest(self) -> str:
        """A file name for the mark of its use."""
        return hashlib.sha256(f"{self.mail_id} {self.nonce}".encode()).hexdigest()


def issue(key: bytes, token: Token) -> str:
    """Return the value of the field that carries the token."""
    claims = _claims(token)
    return f"{claims}; h={_mac(key, claims)}"


def read(value: str, key: bytes) -> Token | None:
    """Return the token in a field's value, or None if it is not one of ours. Never raises."""
    form = _FORM.match(value)
    if form is None:
        return None
    token = Token(form["id"], int(form["expires"]), form["nonce"], form["bound"])
    return token if hmac.compare_digest(form["mac"], _mac(key, _claims(token))) else None


def bind(sender: str, recipients: Iterable[str], body_digest: str) -> str:
    """Return the digest of envelope and body (hexadecimal SHA-256) that a token is bound to."""
    claims = "\n".join([sender, *sorted(set(recipients)), "", body_digest])
    return hashlib.sha256(claims.encode("utf-8", "surrogatepass")).hexdigest()


def _claims(token: Token) -> str:
    return f"v=1; id={token.mail_id}; x={token.expires}; n={token.nonce}; b={token.bound}"


def _mac(key: bytes, claims: str) -> str:
    return hmac.new(key, claims.encode("ascii"), hashlib.sha256).hexdigest()
