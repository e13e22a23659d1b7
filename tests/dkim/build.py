# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages and keys for tests of signatures, without a name server."""

from collections.abc import Mapping, Sequence

from milterguard.core.message import Field
from milterguard.dkim.body import body_digests
from milterguard.dkim.canonical import BodyDigest, BodyHasher, BodyKind, Canonical
from milterguard.dkim.compose import Manner, SigningKey, dkim_signature
from milterguard.dkim.key import key_for
from milterguard.dkim.signature import Malformed, Signature
from milterguard.dkim.verify import Checked, signatures_of, verified
from milterguard.keys.private import PrivateKey, generated
from tests.core.build import Octets

RSA, ED25519 = generated("rsa", bits=2048), generated("ed25519")
NOW = 1_700_000_000
NAMES = frozenset((b"from", b"to", b"subject"))


def split(octets: bytes) -> tuple[list[Field], bytes]:
    """Return fields and body of a message with CRLF line ends, octet for octet."""
    head, _, body = octets.partition(b"\r\n\r\n")
    fields: list[Field] = []
    for line in head.split(b"\r\n"):
        if line[:1] in (b" ", b"\t") and fields:
            fields[-1] = Field(fields[-1].name, fields[-1].value + b"\n" + line)
        elif b":" in line:
            name, _, value = line.partition(b":")
            fields.append(Field(name, value))
    return fields, body


def checked(octets: bytes, records: Mapping[str, bytes | Sequence[bytes]], *, now: float = NOW) -> list[Checked]:
    """Return what becomes of each signature of a message, with these key records by name."""
    fields, body = split(octets)
    found = signatures_of(fields, most=100)
    hasher = BodyHasher(each.body for each in found if isinstance(each, Signature))
    hasher.update(body)
    bodies = hasher.finish()
    results = []
    for each in found:
        known = records.get(each.key_name, ()) if isinstance(each, Signature) else ()
        results.append(each if isinstance(each, Checked) else _one(each, fields, bodies, known, now))
    return results


def _one(
    signature: Signature,
    fields: Sequence[Field],
    bodies: Mapping[BodyKind, BodyDigest],
    known: bytes | Sequence[bytes],
    now: float,
) -> Checked:
    try:
        key = key_for(signature, [known] if isinstance(known, bytes) else known, min_bits=1024)
    except Malformed as error:
        return Checked("permerror", str(error), signature)
    return verified(signature, key, fields, bodies, now=now)


def signed(
    octets: bytes,
    key: PrivateKey = RSA,
    *,
    domain: str = "example.com",
    ways: tuple[Canonical, Canonical] = (Canonical.RELAXED, Canonical.RELAXED),
    oversigned: tuple[bytes, ...] = (),
    expire_seconds: int = 0,
    now: int = NOW,
) -> bytes:
    """Return a message with a signature of ours on top."""
    fields, body = split(octets)
    manner = Manner(NAMES, oversigned, *ways, expire_seconds=expire_seconds)
    (digest,) = body_digests(Octets(body), [BodyKind(ways[1])]).values()
    public = SigningKey(domain, "test", key.algorithm)
    value = dkim_signature(fields, digest, public, lambda _, digest: key.sign(digest), manner=manner, now=now)
    return Field(b"DKIM-Signature", b" " + value.encode()).octets() + octets


def records(key: PrivateKey = RSA, domain: str = "example.com", extra: str = "") -> dict[str, bytes]:
    return {f"test._domainkey.{domain}": (key.record + extra).encode()}
