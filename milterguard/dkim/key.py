# SPDX-License-Identifier: GPL-3.0-or-later
"""A public key as it is published, and whether a signature was made with it.

*Source:* RFC 6376 section 3.6.1, RFC 8301 section 3.2 (1024 bits at least), RFC 8463. *Errors:* Malformed.
"""

from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key
from dkim.util import InvalidTagValueList, parse_tag_value

from milterguard.dkim.signature import ALGORITHMS, Malformed, Signature

_MAX_RECORD_OCTETS = 16384
_MAX_BITS = 8192
"""A longer key takes too long to verify with, and nobody has one."""
_ED25519_OCTETS = 32
_BLANKS = str.maketrans("", "", " \t\r\n")


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that a domain has published."""

    key: RSAPublicKey | Ed25519PublicKey
    is_test: bool = False
    """``t=y``: the domain is trying DKIM out."""
    is_strict: bool = False
    """``t=s``: ``i=`` must be of the very domain, not of one below it."""

    @property
    def kind(self) -> str:
        return "rsa" if isinstance(self.key, RSAPublicKey) else "ed25519"

    @property
    def bits(self) -> int:
        return self.key.key_size if isinstance(self.key, RSAPublicKey) else 256

    def verifies(self, signature: bytes, digest: bytes) -> bool:
        """Whether this is a signature over a SHA-256 digest, made with the private half. Never raises."""
        try:
            if isinstance(self.key, RSAPublicKey):
                self.key.verify(signature, digest, PKCS1v15(), Prehashed(SHA256()))
            else:
                self.key.verify(signature, digest)
        except (InvalidSignature, ValueError, UnsupportedAlgorithm):
            return False
        return True


def key_for(signature: Signature, records: Sequence[bytes], *, min_bits: int) -> PublicKey:
    """Return the key that a signature was made with, of the records under its name. Raises Malformed.

    Of several records the first that fits counts: which one is meant is nowhere said.
    """
    trouble = Malformed("no key")
    for record in records:
        try:
            return _key(signature, record, min_bits=min_bits)
        except Malformed as error:
            if str(trouble) == "no key":
                trouble = error
    raise trouble


def public_key(record: bytes) -> PublicKey:
    """Return the key that a record holds for mail that is signed over SHA-256. Raises Malformed."""
    tags = _tags(record)
    services = _words(tags.get(b"s", b"*"))
    if b"*" not in services and b"email" not in services:
        raise Malformed("key is not for mail")
    if b"h" in tags and b"sha256" not in _words(tags[b"h"]):
        raise Malformed("key is not for SHA-256")
    kind = tags.get(b"k", b"rsa").lower()
    octets = _octets(tags)
    key: object
    try:
        if kind == b"ed25519":
            if len(octets) != _ED25519_OCTETS:
                raise Malformed("key is damaged")
            key = Ed25519PublicKey.from_public_bytes(octets)
        elif kind == b"rsa":
            # SubjectPublicKeyInfo, or a bare RSAPublicKey: both are in use (erratum 3017).
            key = load_der_public_key(octets)
        else:
            raise Malformed("k= is unknown")
    except (ValueError, UnsupportedAlgorithm, TypeError) as error:
        if isinstance(error, Malformed):
            raise
        raise Malformed("key is damaged") from error
    if not isinstance(key, RSAPublicKey | Ed25519PublicKey):
        raise Malformed("key is of another kind")
    flags = _words(tags.get(b"t", b""))
    return PublicKey(key, is_test=b"y" in flags, is_strict=b"s" in flags)


def _key(signature: Signature, record: bytes, *, min_bits: int) -> PublicKey:
    key = public_key(record)
    if key.kind != ALGORITHMS[signature.algorithm.encode("ascii")]:
        raise Malformed("key is of another kind")
    if key.kind == "rsa" and key.bits < min_bits:
        raise Malformed(f"key of {key.bits} bits is too short")
    if key.bits > _MAX_BITS:
        raise Malformed(f"key of {key.bits} bits is too long")
    if key.is_strict and signature.identity_domain != signature.domain:
        raise Malformed("i= is not of d=, as the key asks")
    return key


def _tags(record: bytes) -> dict[bytes, bytes]:
    if len(record) > _MAX_RECORD_OCTETS:
        raise Malformed("key record is too long")
    try:
        tags = parse_tag_value(record)
    except (InvalidTagValueList, ValueError) as error:
        raise Malformed("key record is not a list of tags") from error
    if tags.get(b"v", b"DKIM1") != b"DKIM1":
        raise Malformed("key record is of another version")
    return tags


def _octets(tags: dict[bytes, bytes]) -> bytes:
    if b"p" not in tags:
        raise Malformed("no key")
    text = tags[b"p"].decode("latin-1").translate(_BLANKS)
    if not text:
        raise Malformed("key is revoked")
    try:
        return b64decode(text, validate=True)
    except (Base64Error, ValueError):
        raise Malformed("key is damaged") from None


def _words(value: bytes) -> list[bytes]:
    return [word.strip().lower() for word in value.split(b":")]
