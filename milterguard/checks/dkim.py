# SPDX-License-Identifier: GPL-3.0-or-later
"""DKIM: whose signatures a message has, and whether they hold.

The body is hashed as it arrives, once for all signatures that are over the same of it.

*Source:* RFC 6376, 8301, 8463. *Errors:* CheckError when the octets cannot be read; the rest is a result.
"""

import time
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from milterguard.checks.base import Budget
from milterguard.core.domain import is_below
from milterguard.core.finding import Category, Finding
from milterguard.core.message import Field, Message
from milterguard.core.proofs import PARTIAL
from milterguard.dkim.body import body_digests
from milterguard.dkim.canonical import BodyDigest, BodyKind
from milterguard.dkim.key import PublicKey, key_for
from milterguard.dkim.signature import Malformed, Signature
from milterguard.dkim.verify import PERMERROR, TEMPERROR, Checked, verified
from milterguard.dns import Lookup
from milterguard.errors import CheckError, CheckTimeout, ContentError, DnsError

NAME = "dkim"
_SHOWN_OCTETS = 8
"""Of a signature's value, to tell it from others. *Source:* RFC 6008 section 2."""


class Keys:
    """The public keys that one message needs; each name is asked about once, by ``lookup``."""

    def __init__(self, lookup: Lookup, *, min_bits: int) -> None:
        self._lookup = lookup
        self._min_bits = min_bits

    def look_ahead(self, found: Iterable[Signature | Checked], domains: Sequence[str]) -> None:
        """Ask for the keys of these domains and those below; an empty one stands for all. Never raises."""
        for each in found:
            if isinstance(each, Signature) and any(is_below(each.domain, domain) for domain in domains):
                with suppress(DnsError):
                    self._lookup.txt(each.key_name)

    def of(self, signature: Signature) -> PublicKey:
        """Return the key of a signature. Raises Malformed, DnsError."""
        return key_for(signature, self._lookup.txt(signature.key_name), min_bits=self._min_bits)


def check_signatures(
    found: Sequence[Signature | Checked], fields: Sequence[Field], bodies: Mapping[BodyKind, BodyDigest], keys: Keys
) -> tuple[Checked, ...]:
    """Return what became of each signature, in their order. Never raises."""
    now = time.time()
    return tuple(
        _checked(each, fields, bodies, keys=keys, now=now) if isinstance(each, Signature) else each for each in found
    )


def findings_of(checked: Sequence[Checked]) -> tuple[Finding, ...]:
    """Return the results as findings; ``none`` where there is no signature."""
    if not checked:
        return (Finding(NAME, Category.CLEAN, result="none"),)
    return tuple(_finding(each) for each in checked)


def digests_of(message: Message, kinds: Iterable[BodyKind], budget: Budget) -> dict[BodyKind, BodyDigest]:
    """Hash the body of a message while it arrives. Raises CheckError."""
    try:
        return body_digests(message.content, kinds, deadline=budget.deadline, stop=lambda: budget.is_cancelled)
    except ContentError as error:
        if not budget.is_cancelled and not budget.remaining():
            raise CheckTimeout(NAME, "the message had not arrived in time") from error
        raise CheckError(NAME, "cancelled" if budget.is_cancelled else f"content: {error}") from error


def _checked(
    signature: Signature, fields: Sequence[Field], bodies: Mapping[BodyKind, BodyDigest], *, keys: Keys, now: float
) -> Checked:
    try:
        key = keys.of(signature)
    except DnsError as error:
        return Checked(TEMPERROR, f"key: {error}", signature)
    except Malformed as error:
        return Checked(PERMERROR, str(error), signature)
    return verified(signature, key, fields, bodies, now=now)


def _finding(checked: Checked) -> Finding:
    signature = checked.signature
    words = [checked.reason] if checked.reason else []
    if checked.is_test:
        words.append("test key")
    if signature is None:
        return Finding(NAME, Category.CLEAN, detail=", ".join(words), result=checked.result)
    properties = [("header.d", signature.domain), ("header.s", signature.selector), ("header.a", signature.algorithm)]
    if signature.identity:
        properties.insert(1, ("header.i", signature.identity))
    properties.append(("header.b", _shown(signature)))
    return Finding(
        NAME,
        Category.CLEAN,
        minor=PARTIAL if checked.is_partial else "",
        detail=", ".join(words),
        result=checked.result,
        properties=tuple(properties),
    )


def _shown(signature: Signature) -> str:
    return b64encode(signature.octets)[:_SHOWN_OCTETS].decode("ascii")
