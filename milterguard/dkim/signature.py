# SPDX-License-Identifier: GPL-3.0-or-later
"""What a DKIM-Signature or ARC field says of itself, read strictly: a slip is told, never guessed around.

*Source:* RFC 6376 sections 3.2, 3.5 and 6.1.1, RFC 8301 (no SHA-1), RFC 8463 (Ed25519), RFC 8617 section 4.1.
*Errors:* Malformed.
"""

import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping
from dataclasses import dataclass

from dkim.util import InvalidTagValueList, parse_tag_value

from milterguard.core.domain import ascii_domain, domain_of
from milterguard.core.message import Field
from milterguard.dkim.canonical import BodyKind, Canonical

ALGORITHMS = {b"rsa-sha256": "rsa", b"ed25519-sha256": "ed25519"}
"""What is verified, and the kind of key that belongs to it."""
MAX_FIELD_BYTES = 16384
"""A longer signature is none: the longest that keys of 4096 bits and a hundred names make has 3,000 octets."""
CLOCK_SLACK_SECONDS = 300
_NUMBER = re.compile(rb"[0-9]{1,12}\Z")
_LENGTH = re.compile(rb"[0-9]{1,76}\Z")
_BLANK = re.compile(rb"[ \t\r\n]+")
# The value of b=, in a field as it stands: from its = to the next ; or the end.
_B_VALUE = re.compile(rb"(?:\A|(?<=;))([ \t\r\n]*+b[ \t\r\n]*+=)[^;]*+")
Tags = Mapping[bytes, bytes]


class Malformed(ValueError):  # noqa: N818  (said of mail, and told in the result)
    """A signature that cannot be one; its words are fit for the result's reason."""


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature over fields, and over a body where it says so."""

    field: Field
    domain: str
    """``d=`` in small letters, as A-labels."""
    selector: str
    algorithm: str
    """Such as ``rsa-sha256``."""
    names: tuple[bytes, ...]
    """``h=``, in small letters."""
    header_way: Canonical
    body: BodyKind
    body_digest: bytes
    octets: bytes
    """``b=``, decoded."""
    identity: str = ""
    """``i=`` as written; empty where there is none."""
    signed_at: int | None = None
    expires_at: int | None = None

    @property
    def key_name(self) -> str:
        """The name under which its key is published."""
        return f"{self.selector}._domainkey.{self.domain}"

    @property
    def identity_domain(self) -> str:
        return (ascii_domain(domain_of(self.identity)) if self.identity else None) or self.domain


def tags_of(field: Field) -> Tags:
    """Return the tags of a field, blanks around names and values gone. Raises Malformed."""
    if len(field.value) > MAX_FIELD_BYTES:
        raise Malformed("too long")
    try:
        tags: Tags = parse_tag_value(field.value)
    except (InvalidTagValueList, ValueError) as error:
        raise Malformed("not a list of tags") from error
    return tags


def signature_of(field: Field) -> Signature:
    """Return what a DKIM-Signature says. Raises Malformed."""
    tags = tags_of(field)
    if tags.get(b"v") != b"1":
        raise Malformed("v= is not 1")
    signature = _signature(field, tags, default=Canonical.SIMPLE)
    if b"i" in tags:
        domain = ascii_domain(domain_of(_text(tags[b"i"], "i="))) or ""
        if domain != signature.domain and not domain.endswith(f".{signature.domain}"):
            raise Malformed("i= is not of d=")
    if b"q" in tags and b"dns/txt" not in _list(tags[b"q"]):
        raise Malformed("q= is unknown")
    return signature


def message_signature_of(field: Field) -> Signature:
    """Return what an ARC-Message-Signature says; it may cover no field. Raises Malformed.

    *Source:* RFC 8617 section 4.1.2, where ``i=`` is the instance.
    """
    signature = _signature(field, tags_of(field), default=Canonical.RELAXED, is_dkim=False)
    if b"arc-seal" in signature.names:
        raise Malformed("h= names ARC-Seal")
    return signature


def seal_of(field: Field) -> Signature:
    """Return what an ARC-Seal says: it is over ARC fields only. Raises Malformed. *Source:* RFC 8617 section 4.1.3."""
    tags = tags_of(field)
    if b"h" in tags or b"bh" in tags:
        raise Malformed("h= or bh= in a seal")
    domain, selector, algorithm = _signer(tags)
    return Signature(
        field,
        domain=domain,
        selector=selector,
        algorithm=algorithm,
        names=(),
        header_way=Canonical.RELAXED,
        body=BodyKind(Canonical.RELAXED),
        body_digest=b"",
        octets=_octets(tags, b"b"),
        signed_at=_time(tags, b"t"),
    )


def without_value(field: Field) -> Field:
    """Return a signature's field with nothing in ``b=``, as it is signed itself. *Source:* RFC 6376 section 3.7."""
    return Field(field.name, _B_VALUE.sub(rb"\1", field.value, count=1))


def _signature(field: Field, tags: Tags, *, default: Canonical, is_dkim: bool = True) -> Signature:
    domain, selector, algorithm = _signer(tags)
    header_way, body_way = _ways(tags.get(b"c"), default)
    if b"h" not in tags:
        raise Malformed("no h=")
    names = tuple(_list(tags[b"h"].lower()))
    if is_dkim and b"from" not in names:
        raise Malformed("h= does not name From")
    signed_at, expires_at = _time(tags, b"t"), _time(tags, b"x")
    if signed_at is not None and expires_at is not None and expires_at <= signed_at:
        raise Malformed("x= is not after t=")
    return Signature(
        field,
        domain=domain,
        selector=selector,
        algorithm=algorithm,
        names=names,
        header_way=header_way,
        body=BodyKind(body_way, _length(tags.get(b"l"))),
        body_digest=_octets(tags, b"bh"),
        octets=_octets(tags, b"b"),
        identity=_text(tags.get(b"i", b""), "i=") if is_dkim else "",
        signed_at=signed_at,
        expires_at=expires_at,
    )


def _signer(tags: Tags) -> tuple[str, str, str]:
    algorithm = _needed(tags, b"a").lower()
    if algorithm not in ALGORITHMS:
        raise Malformed("a= is not accepted" if algorithm == b"rsa-sha1" else "a= is unknown")
    domain = ascii_domain(_decoded(_needed(tags, b"d"), "d="))
    selector = ascii_domain(_decoded(_needed(tags, b"s"), "s="))
    if domain is None or "." not in domain:
        raise Malformed("d= is no domain")
    if selector is None:
        raise Malformed("s= is no selector")
    return domain, selector, algorithm.decode("ascii")


def _ways(value: bytes | None, default: Canonical) -> tuple[Canonical, Canonical]:
    if value is None:
        return default, default
    header, _, body = value.lower().partition(b"/")
    try:
        return Canonical(header.decode("ascii")), Canonical((body or b"simple").decode("ascii"))
    except ValueError:
        raise Malformed("c= is unknown") from None


def _needed(tags: Tags, name: bytes) -> bytes:
    value = tags.get(name, b"")
    if not value:
        raise Malformed(f"no {name.decode('ascii')}=")
    return value


def _octets(tags: Tags, name: bytes) -> bytes:
    try:
        return b64decode(_BLANK.sub(b"", _needed(tags, name)), validate=True)
    except Base64Error:
        raise Malformed(f"{name.decode('ascii')}= is not base64") from None


def _list(value: bytes) -> list[bytes]:
    return [name for part in value.split(b":") if (name := part.strip(b" \t\r\n"))]


def _time(tags: Tags, name: bytes) -> int | None:
    value = tags.get(name)
    if value is None:
        return None
    if not _NUMBER.match(value):
        raise Malformed(f"{name.decode('ascii')}= is no number")
    return int(value)


def _length(value: bytes | None) -> int | None:
    if value is None:
        return None
    if not _LENGTH.match(value):
        raise Malformed("l= is no number")
    return min(int(value), 1 << 60)


def _text(value: bytes, what: str) -> str:
    """Return a value that may be folded anywhere as text."""
    return _decoded(_BLANK.sub(b"", value), what)


def _decoded(value: bytes, what: str) -> str:
    """Return a value as text; domains of international mail become A-labels where they are looked up."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed(f"{what} is not text") from None
