# SPDX-License-Identifier: GPL-3.0-or-later
"""ARC: whether the chain of forwarders that a message tells of holds, and whether we trust them.

A chain that holds proves nothing about its sealers' honesty. Only what those found whom the operator trusts counts.

*Source:* RFC 8617 sections 5.2 and 7.2. *Errors:* none; what goes wrong is a result.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from milterguard.checks.dkim import Keys
from milterguard.core.authres import Result, results_of
from milterguard.core.domain import ascii_domain, domain_of
from milterguard.core.finding import Category, Finding
from milterguard.core.message import Field
from milterguard.dkim.canonical import BodyDigest, BodyKind
from milterguard.dkim.chain import ArcSet, chain_of, contradiction, has_chain, seal_digests
from milterguard.dkim.signature import Malformed, Signature
from milterguard.dkim.verify import body_digest_matches, signed_digest, uncovered, untimely
from milterguard.errors import DnsError

NAME = "arc"


@dataclass(frozen=True, slots=True)
class Arc:
    """What came of a message's chain."""

    result: str
    """``none``, ``pass``, ``fail`` or ``temperror``."""
    reason: str = ""
    chain: tuple[ArcSet, ...] = ()
    is_whole: bool = False
    """The last signature covers every From field and all of the body, and is neither of the past nor of the future."""

    @property
    def sealer(self) -> str:
        """Who sealed last; empty without a chain."""
        return self.chain[-1].seal.domain if self.chain else ""


def read_chain(fields: Sequence[Field]) -> Arc:
    """Return the chain of a message before anything is verified: with a result where that is settled."""
    if not has_chain(fields):
        return Arc("none")
    try:
        chain = chain_of(fields)
    except Malformed as error:
        return Arc("fail", str(error))
    trouble = contradiction(chain)
    return Arc("fail" if trouble else "", trouble, chain)


def signatures_of(arc: Arc) -> tuple[Signature, ...]:
    """Return those whose keys are needed: the last one over the message, and all seals; none where it is settled."""
    return () if arc.result else (arc.chain[-1].message_signature, *(each.seal for each in arc.chain))


def bodies_of(arc: Arc) -> tuple[BodyKind, ...]:
    """Return what of the body has to be hashed: the last signature counts only."""
    return (arc.chain[-1].message_signature.body,) if not arc.result else ()


def check_chain(arc: Arc, fields: Sequence[Field], bodies: Mapping[BodyKind, BodyDigest], keys: Keys) -> Arc:
    """Return the chain with its result. Never raises."""
    if arc.result:
        return arc
    is_whole = _is_whole(arc.chain[-1].message_signature, fields, bodies)
    try:
        trouble = _broken(arc.chain, fields, bodies, keys)
    except DnsError as error:
        return Arc("temperror", f"key: {error}", arc.chain, is_whole)
    except Malformed as error:
        return Arc("fail", str(error), arc.chain)
    return Arc("fail" if trouble else "pass", trouble, arc.chain, is_whole)


def _is_whole(last: Signature, fields: Sequence[Field], bodies: Mapping[BodyKind, BodyDigest]) -> bool:
    is_partial = last.body.length is not None and last.body.length < bodies[last.body].size
    return not (is_partial or uncovered(last, fields) or untimely(last, time.time()))


def finding_of(arc: Arc) -> Finding:
    properties = (("header.d", arc.sealer), ("header.i", str(len(arc.chain)) if arc.chain else ""))
    return Finding(NAME, Category.CLEAN, detail=arc.reason, result=arc.result, properties=properties)


def vouched(arc: Arc, is_trusted: Callable[[str], bool], is_aligned: Callable[[str], bool]) -> str:
    """Return the trusted sealer who found the author's domain proven; empty when nobody did.

    Of a chain with a temporary error, who would be it if the chain holds. Every sealer since then has to be trusted
    as well: whoever comes later could have changed anything.
    """
    if arc.result not in ("pass", "temperror") or not arc.is_whole:
        return ""
    for each in reversed(arc.chain):
        if not is_trusted(each.seal.domain):
            return ""
        if any(_proves(result, is_aligned) for result in results_of(each.results.value)):
            return each.seal.domain
    return ""


def _proves(result: Result, is_aligned: Callable[[str], bool]) -> bool:
    if result.result != "pass":
        return False
    about = {
        "dmarc": ("header.from",),
        "dkim": ("header.d", "header.i"),
        "spf": ("smtp.mailfrom", "smtp.mail"),
    }.get(result.method, ())
    text = next((value for name in about if (value := result.of(name))), "")
    domain = ascii_domain(domain_of(text) or text)
    return domain is not None and is_aligned(domain)


def _broken(chain: Sequence[ArcSet], fields: Sequence[Field], bodies: Mapping[BodyKind, BodyDigest], keys: Keys) -> str:
    """Return what does not hold; empty when all does. Raises Malformed, DnsError.

    What is wrong for sure outdoes the key that nobody could be asked for.
    """
    last = chain[-1].message_signature
    if not body_digest_matches(last, bodies):
        return "body has changed"
    signed = [(f"signature of set {len(chain)}", last, signed_digest(last, fields))]
    for each, digest in zip(reversed(chain), reversed(seal_digests(chain)), strict=True):
        signed.append((f"seal of set {each.instance}", each.seal, digest))
    unasked: DnsError | None = None
    for name, signature, digest in signed:
        try:
            if not keys.of(signature).verifies(signature.octets, digest):
                return f"{name} does not match"
        except DnsError as error:
            unasked = unasked or error
    if unasked is not None:
        raise unasked
    return ""
