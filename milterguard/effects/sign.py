# SPDX-License-Identifier: GPL-3.0-or-later
"""Signs what goes out and seals what goes on: which messages, with whose keys, over what.

What is signed is what the MTA will send, so this comes after all other edits.

*Source:* amavis ``dkim_key``, ``$enable_dkim_signing``; RFC 6376 section 5, RFC 8617 section 5.1.
*Errors:* SignError.
"""

import time
from collections.abc import Sequence

from milterguard.config.signing import SIGNED_FIELDS, Signing
from milterguard.core.authors import addresses, author_domains
from milterguard.core.domain import ascii_domain, domain_of
from milterguard.core.edited import edited, field_of
from milterguard.core.envelope import Traffic
from milterguard.core.finding import Category, Finding
from milterguard.core.given import Given
from milterguard.core.levels import aligned_author
from milterguard.core.message import Field
from milterguard.core.policy import Sign
from milterguard.core.verdict import InsertField, Outcome
from milterguard.dkim.body import body_digests
from milterguard.dkim.canonical import BodyDigest, BodyKind, Canonical
from milterguard.dkim.chain import chain_of, has_chain, has_ended, last_instance
from milterguard.dkim.compose import Manner, SigningKey, arc_set, dkim_signature
from milterguard.dkim.signature import Malformed
from milterguard.errors import ContentError, SignError
from milterguard.keys.ring import KeyRing

_UNSIGNED = frozenset((Category.VIRUS, Category.SPAM, Category.SPAMMY, Category.FORGED))
"""What we do not answer for (amavis: not for virus, spam, spammy)."""
_LAST_SECONDS = 0.5
"""Of the deadline, for the answer: whoever has no more than that signs nothing."""
_ARC_BODY = BodyKind(Canonical.RELAXED)


class Signer:
    """Adds signatures and seals. Shared by all messages of a worker."""

    def __init__(self, settings: Signing, keys: KeyRing) -> None:
        self._settings = settings
        self._keys = keys
        self._manner = Manner(
            names=frozenset(name.lower().encode("ascii") for name in settings.sign_fields or SIGNED_FIELDS),
            oversigned=tuple(name.lower().encode("ascii") for name in settings.oversign_fields),
            header_way=settings.header_canonicalization,
            body_way=settings.body_canonicalization,
            expire_seconds=settings.expire_seconds,
        )

    def edits(self, given: Given) -> tuple[InsertField, ...]:
        """Return the fields to be put above all others, in the order in which they are. Raises SignError."""
        removed = frozenset(given.decision.removed)
        accepted = [each for each in given.decision.outcomes if each.address not in removed]
        fields = edited(given.message.fields, given.edits)
        keys = self._signing_keys(given, accepted, fields)
        seal = self._seal_keys(given, accepted)
        if not keys and not seal:
            return ()
        kinds = ([self._manner.body] if keys else []) + ([_ARC_BODY] if seal else [])
        try:
            bodies = body_digests(given.message.content, kinds, deadline=given.deadline)
        except ContentError as error:
            raise SignError(f"content: {error}") from error
        added = self._signatures(fields, keys, bodies[self._manner.body]) if keys else []
        if seal:
            above = [field_of(edit.name, edit.value) for edit in reversed(added)]
            added += self._arc(given, (*above, *fields), seal[0], bodies[_ARC_BODY])
        return tuple(added)

    def close(self) -> None:
        self._keys.close()

    def _signatures(self, fields: Sequence[Field], keys: Sequence[SigningKey], body: BodyDigest) -> list[InsertField]:
        now = int(time.time())
        return [
            InsertField(
                "DKIM-Signature", dkim_signature(fields, body, key, self._keys.sign, manner=self._manner, now=now)
            )
            for key in keys
        ]

    def _signing_keys(
        self, given: Given, accepted: Sequence[Outcome], fields: Sequence[Field]
    ) -> tuple[SigningKey, ...]:
        """Return whose signatures a message gets: those of its author, else of its sender."""
        wish = given.decision.outcomes[0].policy.dkim_sign
        is_ours = given.message.envelope.traffic is not Traffic.INBOUND
        if not self._settings.enabled or wish is Sign.NEVER or not (is_ours or wish is Sign.ALWAYS):
            return ()
        if any(not _UNSIGNED.isdisjoint(each.categories) for each in accepted):
            return ()
        proven = {aligned_author(each) for each in given.findings if each.check == "dmarc"}
        for domain in _domains(fields, given.message.envelope.sender):
            if not is_ours and domain not in proven:
                continue  # anybody can say that he is one of ours
            _leave_time(given)
            keys = self._keys.keys(domain)
            if keys:
                return () if _is_signed_by(keys[0].domain, fields, given.findings) else keys
        return ()

    def _seal_keys(self, given: Given, accepted: Sequence[Outcome]) -> tuple[SigningKey, ...]:
        domain = self._settings.arc_domain
        if not domain or not given.results or not any(each.policy.arc_seal for each in accepted):
            return ()
        _leave_time(given)
        keys = self._keys.keys(domain)
        # RFC 8617 section 4.1 knows no other algorithm.
        usable = tuple(key for key in keys if key.algorithm == "rsa-sha256")
        if not usable:
            raise SignError(f"no RSA key of {domain}")
        return usable

    def _arc(self, given: Given, fields: Sequence[Field], key: SigningKey, body: BodyDigest) -> list[InsertField]:
        """Return a further set; nothing where the chain has ended, or nobody knows whether it holds."""
        found = next((each.result for each in given.findings if each.check == "arc"), "")
        mine = given.message.fields
        if not found and not has_chain(mine):
            found = "none"
        if found not in ("none", "pass", "fail"):
            return []
        try:
            if has_ended(mine):
                return []
            added = arc_set(
                fields,
                body,
                key,
                self._keys.sign,
                manner=self._manner,
                results=given.results,
                chain=chain_of(mine) if found == "pass" else (),
                instance=last_instance(mine) + 1,
                cv=found,
                now=int(time.time()),
            )
        except Malformed:
            return []
        return [InsertField(name, value) for name, value in added]


def _leave_time(given: Given) -> None:
    """Raise SignError when nothing can be signed any more without being late."""
    if time.monotonic() > given.deadline - _LAST_SECONDS:
        raise SignError("no time left")


def _domains(fields: Sequence[Field], sender: str) -> Sequence[str]:
    """Return the domains to look for a key of: of the author, if he is the only one, of Sender, of the envelope."""
    authors = author_domains(fields)
    named = [addresses(field.value) for field in fields if field.is_named(b"Sender")]
    found = [
        authors[0] if len(authors) == 1 else None,
        ascii_domain(domain_of(named[0][0])) if len(named) == 1 and len(named[0]) == 1 else None,
        ascii_domain(domain_of(sender)),
    ]
    return [domain for domain in dict.fromkeys(found) if domain]


def _is_signed_by(domain: str, fields: Sequence[Field], findings: Sequence[Finding]) -> bool:
    """Whether there is a signature by that domain: one that holds, or any where nobody has looked."""
    results = [each for each in findings if each.check == "dkim"]
    if results:
        return any(each.result == "pass" and ("header.d", domain) in each.properties for each in results)
    return any(field.is_named(b"DKIM-Signature") and _names(field, domain) for field in fields)


def _names(field: Field, domain: str) -> bool:
    tags = (part.partition(b"=") for part in field.value.split(b";"))
    return any(name.strip() == b"d" and value.strip().lower() == domain.encode("ascii") for name, _, value in tags)
