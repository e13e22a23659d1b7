# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes signatures: DKIM-Signature, and the three fields of an ARC set. dkimpy composes, whoever has the key signs.

*Source:* RFC 6376 sections 3.5 and 5, RFC 8463, RFC 8617 section 5.1. *Errors:* SignError, from who signs;
Malformed for a chain that cannot be sealed.
"""

import hashlib
from base64 import b64encode
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import dkim
from milterguard.core.message import Field
from milterguard.dkim.canonical import BodyDigest, BodyKind, Canonical, relaxed_field
from milterguard.dkim.chain import MAX_SETS, MESSAGE_SIGNATURE, RESULTS, SEAL, ArcSet
from milterguard.dkim.signature import Malformed
from milterguard.dkim.verify import FIELD_NAME

_PLACEHOLDER = b"0" * 60
"""Makes dkimpy put b= on lines of its own, so that the value changes no fold before it."""
_MOST_SIGNATURES = 20
"""Signatures that a seal covers: else a stranger could make ``h=`` as long as he likes."""
NEVER_SIGNED = frozenset(
    (b"received", b"return-path", b"bcc", b"resent-bcc", b"delivered-to", b"authentication-results", b"arc-seal")
)
"""Fields that change on the way, or must not be signed (RFC 6376 section 5.4.1, RFC 8617 section 4.1.2)."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """What is public of a key that we can sign with."""

    domain: str
    selector: str
    algorithm: str
    """``rsa-sha256`` or ``ed25519-sha256``."""


Sign = Callable[[SigningKey, bytes], bytes]
"""From a SHA-256 digest to a signature over it. Raises SignError."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How signatures are written."""

    names: frozenset[bytes]
    """Fields that are signed wherever they stand, in small letters."""
    oversigned: tuple[bytes, ...] = ()
    """Fields that are signed once more than they stand, so that nobody can add one."""
    header_way: Canonical = Canonical.RELAXED
    body_way: Canonical = Canonical.RELAXED
    expire_seconds: int = 0
    """A signature is good for so long; 0: for ever."""

    @property
    def body(self) -> BodyKind:
        return BodyKind(self.body_way)


def signed_names(fields: Iterable[Field], manner: Manner) -> tuple[bytes, ...]:
    """Return the names to be signed, one for each field, and one more for each that nobody shall add."""
    wanted = (manner.names | frozenset(manner.oversigned)) - NEVER_SIGNED
    return (*(field.key for field in fields if field.key in wanted), *manner.oversigned)


def dkim_signature(
    fields: Sequence[Field], body: BodyDigest, key: SigningKey, sign: Sign, *, manner: Manner, now: int
) -> str:
    """Return the value of a DKIM-Signature, folded with LF. Raises SignError."""
    ways = f"{manner.header_way}/{manner.body_way}"
    tags = [("v", "1"), ("a", key.algorithm), ("c", ways), ("d", key.domain), ("s", key.selector), ("t", str(now))]
    if manner.expire_seconds:
        tags.append(("x", str(now + manner.expire_seconds)))
    names = signed_names(fields, manner)
    return _composed("DKIM-Signature", _tags(tags, names, body), fields, names, key=key, sign=sign, ways=ways)


def arc_set(
    fields: Sequence[Field],
    body: BodyDigest,
    key: SigningKey,
    sign: Sign,
    *,
    manner: Manner,
    results: str,
    chain: Sequence[ArcSet],
    instance: int,
    cv: str,
    now: int,
) -> tuple[tuple[str, str], ...]:
    """Return names and values of a further set, in the order in which they are put above the others.

    ``results`` is what we have found, as in Authentication-Results; ``chain`` the sets before, empty where they
    have failed. Raises SignError; Malformed where no further set may be.
    """
    if instance > MAX_SETS:
        raise Malformed("too many sets")
    told = _named(RESULTS)
    results_value = f"i={instance}; {results}"
    ways = f"{Canonical.RELAXED}/{Canonical.RELAXED}"
    common = [("a", key.algorithm), ("d", key.domain), ("s", key.selector), ("t", str(now))]
    names = tuple(name for name in signed_names(fields, manner) if not name.startswith(b"arc-"))
    # RFC 8617 section 4.1.2: the signatures that are there are covered as well, those that stand lowest.
    signature_name = FIELD_NAME.lower()
    count = sum(1 for field in fields if field.is_named(FIELD_NAME)) - names.count(signature_name)
    names += (signature_name,) * min(count, _MOST_SIGNATURES)
    tags = _tags([("i", str(instance)), ("c", ways), *common], names, body)
    signature = _composed(_named(MESSAGE_SIGNATURE), tags, fields, names, key=key, sign=sign, ways=ways)
    sealed = [part for each in chain for part in (each.results, each.message_signature.field, each.seal.field)]
    sealed += [_field(told, results_value), _field(_named(MESSAGE_SIGNATURE), signature)]
    seal_tags = [("i", str(instance)), ("cv", cv), *common, ("b", "")]
    # dkimpy takes the fields of a name from the last one upward.
    seal = _composed(
        _named(SEAL),
        seal_tags,
        tuple(reversed(sealed)),
        [field.key for field in sealed],
        key=key,
        sign=sign,
        ways=ways,
    )
    return (told, results_value), (_named(MESSAGE_SIGNATURE), signature), (_named(SEAL), seal)


def _tags(tags: Iterable[tuple[str, str]], names: Iterable[bytes], body: BodyDigest) -> list[tuple[str, str]]:
    listed = " : ".join(name.decode("ascii") for name in names)
    return [*tags, ("h", listed), ("bh", b64encode(body.sha256).decode("ascii")), ("b", "")]


def _composed(
    name: str,
    tags: Iterable[tuple[str, str]],
    fields: Iterable[Field],
    names: Sequence[bytes],
    *,
    key: SigningKey,
    sign: Sign,
    ways: str,
) -> str:
    """Return the value of a field that signs these fields and itself."""
    composer = dkim.DKIM()
    composer.headers = [(field.name, field.octets().partition(b":")[2]) for field in fields]
    composer.hasher = hashlib.sha256
    # By this name dkimpy hands the digest to whatever object it is given as a key.
    composer.signature_algorithm = b"ed25519-sha256"
    pairs = [(tag.encode("ascii"), value.encode("ascii") or _PLACEHOLDER) for tag, value in tags]
    hand = _Hand(key, sign)
    value = composer.gen_header(pairs, tuple(names), _Written(Canonical(ways.partition("/")[0])), name.encode(), hand)
    return value.decode("ascii").replace("\r\n", "\n").rstrip("\n ")


class _Written:
    """What dkimpy takes for a way to write fields: its own strips more than RFC 6376 section 3.4.2 says."""

    def __init__(self, way: Canonical) -> None:
        self._way = way

    def canonicalize_headers(self, headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        if self._way is Canonical.SIMPLE:
            return list(headers)
        parted = (relaxed_field(Field(name, value)).partition(b":") for name, value in headers)
        return [(name, value) for name, _, value in parted]


class _Hand:
    """What dkimpy takes for a private key."""

    def __init__(self, key: SigningKey, sign: Sign) -> None:
        self._key = key
        self._sign = sign
        self.signature = b""

    def sign(self, digest: bytes) -> "_Hand":
        self.signature = self._sign(self._key, digest)
        return self


def _field(name: str, value: str) -> Field:
    return Field(name.encode("ascii"), b" " + value.encode("ascii"))


def _named(name: bytes) -> str:
    return name.decode("ascii")
