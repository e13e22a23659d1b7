# SPDX-License-Identifier: GPL-3.0-or-later
"""Which fields the valid signatures of a message cover, so that our edits can spare them, or tell that they broke.

*Source:* RFC 6376 section 5.4. *Errors:* none.
"""

from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from milterguard.core.finding import Finding
from milterguard.core.message import Field
from milterguard.core.verdict import AddRecipient, Edit, RemoveRecipient
from milterguard.dkim.signature import Signature
from milterguard.dkim.verify import signatures_of

_MOST = 100


@dataclass(frozen=True, slots=True)
class Covered:
    """One valid signature."""

    domain: str
    names: frozenset[str]
    """Of fields, in small letters."""


def covered_by(fields: Sequence[Field], findings: Iterable[Finding]) -> tuple[Covered, ...]:
    """Return what each DKIM signature covers that was found to hold."""
    held = {
        (said.get("header.d"), said.get("header.b"))
        for finding in findings
        if finding.check == "dkim" and finding.result == "pass"
        for said in (dict(finding.properties),)
    }
    if not held:
        return ()
    return tuple(
        Covered(each.domain, frozenset(name.decode("ascii", "replace") for name in each.names))
        for each in signatures_of(fields, most=_MOST)
        if isinstance(each, Signature) and any(each.domain == d and _begins(each, b) for d, b in held)
    )


def broken_by(edits: Iterable[Edit], covered: Sequence[Covered]) -> tuple[str, ...]:
    """Return the domains whose signatures these edits break."""
    touched = {edit.name.lower() for edit in edits if not isinstance(edit, AddRecipient | RemoveRecipient)}
    return tuple(dict.fromkeys(each.domain for each in covered if not touched.isdisjoint(each.names)))


def _begins(signature: Signature, shown: str | None) -> bool:
    return bool(shown) and b64encode(signature.octets).decode("ascii").startswith(shown or "")
