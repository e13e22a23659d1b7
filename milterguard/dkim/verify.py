# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the signatures of a message hold, once its body is hashed and the keys are known.

*Source:* RFC 6376 section 6.1, RFC 8601 section 2.7.1 (the words). *Errors:* none: what is wrong is a result.
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from milterguard.core.message import Field
from milterguard.dkim.canonical import BodyDigest, BodyKind, canonical_field, selected
from milterguard.dkim.key import PublicKey
from milterguard.dkim.signature import CLOCK_SLACK_SECONDS, Malformed, Signature, signature_of, without_value

FIELD_NAME = b"DKIM-Signature"
PASS, FAIL, PERMERROR, TEMPERROR = "pass", "fail", "permerror", "temperror"


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of one signature."""

    result: str
    """``pass``, ``fail``, ``permerror`` or ``temperror``."""
    reason: str = ""
    """Why, in a few plain words."""
    signature: Signature | None = None
    """None where the field could not be read."""
    is_partial: bool = False
    """It covers the beginning of the body only (``l=``): anybody may have added something."""
    is_test: bool = False
    """By a key that says it is being tried out."""

    @property
    def proves(self) -> bool:
        """Whether the whole message is proven to come from the signature's domain."""
        return self.result == PASS and not self.is_partial


def signatures_of(fields: Iterable[Field], *, most: int) -> tuple[Signature | Checked, ...]:
    """Return the signatures of a message, the topmost first, at most so many; a Checked for what is none."""
    found: list[Signature | Checked] = []
    for field in fields:
        if len(found) == most:
            break
        if not field.is_named(FIELD_NAME):
            continue
        try:
            found.append(signature_of(field))
        except Malformed as error:
            found.append(Checked(PERMERROR, str(error)))
    return tuple(found)


def verified(
    signature: Signature,
    key: PublicKey,
    fields: Sequence[Field],
    bodies: Mapping[BodyKind, BodyDigest],
    *,
    now: float,
) -> Checked:
    """Return whether a signature holds. ``now`` in seconds since the epoch."""
    is_test = key.is_test
    trouble = untimely(signature, now) or uncovered(signature, fields) or _other_body(signature, bodies)
    if trouble:
        return Checked(FAIL, trouble, signature, is_test=is_test)
    if not key.verifies(signature.octets, signed_digest(signature, fields)):
        return Checked(FAIL, "signature does not match", signature, is_test=is_test)
    length = signature.body.length
    is_partial = length is not None and length < bodies[signature.body].size
    reason = "l= covers a part of the body" if is_partial else ""
    return Checked(PASS, reason, signature, is_partial=is_partial, is_test=is_test)


def signed_digest(signature: Signature, fields: Sequence[Field]) -> bytes:
    """Return the SHA-256 of what is signed: the fields named, then the signature without its value.

    *Source:* RFC 6376 section 3.7.
    """
    digest = hashlib.sha256()
    # Whoever names the field of the signature itself means others of that name (RFC 6376 section 3.5).
    for field in selected([each for each in fields if each is not signature.field], signature.names):
        digest.update(canonical_field(field, signature.header_way))
    own = canonical_field(without_value(signature.field), signature.header_way)
    digest.update(own.removesuffix(b"\r\n"))
    return digest.digest()


def body_digest_matches(signature: Signature, bodies: Mapping[BodyKind, BodyDigest]) -> bool:
    return hmac.compare_digest(bodies[signature.body].sha256, signature.body_digest)


def _other_body(signature: Signature, bodies: Mapping[BodyKind, BodyDigest]) -> str:
    length, body = signature.body.length, bodies[signature.body]
    if length is not None and length > body.size:
        return "body is shorter than l="
    return "" if body_digest_matches(signature, bodies) else "body has changed"


def uncovered(signature: Signature, fields: Sequence[Field]) -> str:
    """Return that not every From field is signed; empty when they are.

    A From field above those that are signed is what a reader would see. *Source:* RFC 6376 section 8.15.
    """
    present = sum(1 for field in fields if field.is_named(b"From"))
    return "a From field is not signed" if present > signature.names.count(b"from") else ""


def untimely(signature: Signature, now: float) -> str:
    """Return that a signature has expired or is of the future; empty when it is neither."""
    if signature.expires_at is not None and signature.expires_at < now - CLOCK_SLACK_SECONDS:
        return "signature has expired"
    if signature.signed_at is not None and signature.signed_at > now + CLOCK_SLACK_SECONDS:
        return "signature is of the future"
    return ""
