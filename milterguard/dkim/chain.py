# SPDX-License-Identifier: GPL-3.0-or-later
"""The ARC chain of a message: which sets it has, and whether they hold.

*Source:* RFC 8617 sections 4.2 and 5.2. *Errors:* Malformed, for a chain that is none; what is merely wrong
with signatures is a result.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from milterguard.core.message import Field
from milterguard.dkim.canonical import relaxed_field
from milterguard.dkim.signature import (
    Malformed,
    Signature,
    message_signature_of,
    seal_of,
    tags_of,
    without_value,
)

RESULTS, MESSAGE_SIGNATURE, SEAL = b"ARC-Authentication-Results", b"ARC-Message-Signature", b"ARC-Seal"
_NAMES = {name.lower(): name for name in (RESULTS, MESSAGE_SIGNATURE, SEAL)}
MAX_SETS = 50


@dataclass(frozen=True, slots=True)
class ArcSet:
    """What one forwarder has added."""

    instance: int
    results: Field
    """What he had found himself."""
    message_signature: Signature
    seal: Signature
    cv: str
    """What he says of the chain before him: ``none``, ``pass`` or ``fail``."""


def has_chain(fields: Sequence[Field]) -> bool:
    """Whether anything of ARC is there, well formed or not."""
    return any(field.key in _NAMES for field in fields)


def last_instance(fields: Sequence[Field]) -> int:
    """Return the highest instance that any ARC field has, 0 for none; what cannot be read is left out."""
    return max((_instance_or_zero(each, name) for each in fields if (name := _NAMES.get(each.key))), default=0)


def has_ended(fields: Sequence[Field]) -> bool:
    """Whether the last seal says that the chain has failed, be the rest of it whatever it may.

    *Source:* RFC 8617 section 5.1: nobody seals it any further.
    """
    seals = [(_instance_or_zero(field, SEAL), field) for field in fields if field.is_named(SEAL)]
    last = max((instance for instance, _ in seals), default=0)
    return any(tags_of(seal).get(b"cv", b"").lower() == b"fail" for instance, seal in seals if instance == last > 0)


def chain_of(fields: Sequence[Field], *, most: int = MAX_SETS) -> tuple[ArcSet, ...]:
    """Return the sets of a message, the first forwarder's first; nothing where there is no ARC. Raises Malformed."""
    found: dict[int, dict[bytes, Field]] = {}
    for field in fields:
        name = _NAMES.get(field.key)
        if name is None:
            continue
        one = found.setdefault(_instance(field, name), {})
        if name in one:
            raise Malformed("a field of a set stands twice")
        one[name] = field
        if len(found) > most:
            raise Malformed("too many sets")
    if sorted(found) != list(range(1, len(found) + 1)):
        raise Malformed("a set is missing")
    return tuple(_set(instance, found[instance]) for instance in range(1, len(found) + 1))


def seal_digests(chain: Sequence[ArcSet]) -> tuple[bytes, ...]:
    """Return for each set the SHA-256 of what its seal covers: all sets up to it. *Source:* RFC 8617 section 5.1.1."""
    before = hashlib.sha256()
    digests: list[bytes] = []
    for each in chain:
        before.update(relaxed_field(each.results) + relaxed_field(each.message_signature.field))
        own = before.copy()
        own.update(relaxed_field(without_value(each.seal.field)).removesuffix(b"\r\n"))
        digests.append(own.digest())
        before.update(relaxed_field(each.seal.field))
    return tuple(digests)


def contradiction(chain: Sequence[ArcSet]) -> str:
    """Return what is wrong with what the forwarders say of each other; empty when nothing is."""
    if chain[-1].cv == "fail":
        return "the last seal says that the chain had failed"
    for each in chain:
        if each.cv != ("none" if each.instance == 1 else "pass"):
            return f"cv= of set {each.instance} is {each.cv}"
    return ""


def _set(instance: int, parts: Mapping[bytes, Field]) -> ArcSet:
    if len(parts) < len(_NAMES):
        raise Malformed(f"set {instance} is not complete")
    seal_tags = tags_of(parts[SEAL])
    cv = seal_tags.get(b"cv", b"").lower()
    if cv not in (b"none", b"pass", b"fail"):
        raise Malformed(f"cv= of set {instance} is unknown")
    return ArcSet(
        instance,
        results=parts[RESULTS],
        message_signature=message_signature_of(parts[MESSAGE_SIGNATURE]),
        seal=seal_of(parts[SEAL]),
        cv=cv.decode("ascii"),
    )


def _instance_or_zero(field: Field, name: bytes) -> int:
    try:
        return _instance(field, name)
    except Malformed:
        return 0


def _instance(field: Field, name: bytes) -> int:
    """Return ``i=`` of a field: the first thing in one with results, a tag in the others."""
    if name == RESULTS:
        start, _, _ = field.value.partition(b";")
        tag, _, number = start.partition(b"=")
        if tag.strip().lower() != b"i":
            raise Malformed("i= is missing")
    else:
        number = tags_of(field).get(b"i", b"")
    number = number.strip()
    if not number.isdigit() or len(number) > 3 or not 1 <= int(number) <= MAX_SETS:
        raise Malformed("i= is out of range")
    return int(number)
