# SPDX-License-Identifier: GPL-3.0-or-later
"""Private keys for DKIM: read, made, used, and what of them is published.

RSA by OpenSSL: dkimpy's own arithmetic takes seven times as long and is not of constant time.

*Source:* RFC 6376 section 3.6.1, RFC 8463, RFC 8301 (sizes). *Errors:* SignError, which never repeats a key.
"""

from base64 import b64encode
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from milterguard.errors import SignError

MIN_BITS = 1024


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A key that signs."""

    key: RSAPrivateKey | Ed25519PrivateKey

    @property
    def algorithm(self) -> str:
        """As ``a=`` has it."""
        return "rsa-sha256" if isinstance(self.key, RSAPrivateKey) else "ed25519-sha256"

    @property
    def bits(self) -> int:
        return self.key.key_size if isinstance(self.key, RSAPrivateKey) else 256

    def sign(self, digest: bytes) -> bytes:
        """Return the signature over a SHA-256 digest."""
        if isinstance(self.key, RSAPrivateKey):
            return self.key.sign(digest, PKCS1v15(), Prehashed(SHA256()))
        return self.key.sign(digest)

    @property
    def record(self) -> str:
        """What is published of it, as the text of a TXT record."""
        kind = "rsa" if isinstance(self.key, RSAPrivateKey) else "ed25519"
        return f"v=DKIM1; k={kind}; p={b64encode(self._public_octets()).decode('ascii')}"

    def pem(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def _public_octets(self) -> bytes:
        public = self.key.public_key()
        if isinstance(self.key, RSAPrivateKey):
            return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return public.public_bytes(Encoding.Raw, PublicFormat.Raw)


def generated(kind: str, *, bits: int = 2048) -> PrivateKey:
    """Return a new key; ``kind``: ``rsa`` or ``ed25519``."""
    if kind == "ed25519":
        return PrivateKey(Ed25519PrivateKey.generate())
    return PrivateKey(rsa.generate_private_key(public_exponent=65537, key_size=bits))


def read_pem(octets: bytes, *, where: str) -> PrivateKey:
    """Return the key of a PEM text, of PKCS#1 or PKCS#8; ``where`` it is, for messages. Raises SignError."""
    try:
        key = load_pem_private_key(octets, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SignError(f"{where}: not a private key in PEM without a passphrase") from error
    if not isinstance(key, RSAPrivateKey | Ed25519PrivateKey):
        raise SignError(f"{where}: neither RSA nor Ed25519")
    if isinstance(key, RSAPrivateKey) and key.key_size < MIN_BITS:
        raise SignError(f"{where}: an RSA key of {key.key_size} bits, which nobody takes")
    return PrivateKey(key)
