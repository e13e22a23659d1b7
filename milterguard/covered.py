# SPDX-License-Identifier: GPL-3.0-or-later
"""Which fields the valid signatures of a message cover, so that our edits can spare them, or tell that they broke.

*Source:* RFC 6376 section 5.4. *Errors:* none.
"""

from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from milterguard.core.finding import Finding
from milterguard.core.message import Field
from milterguard.core.verdict import ChangeField, Edit, InsertField, RemoveField
from milterguard.dkim.signature import Signature
from milterguard.dkim.verify import signatures_of

_MOST = 100


@dataclass(frozen=True, slots=True)
class Covered:
    """One valid signature."""

    domain: str
    signed: frozenset[str]
    """Names of fields, in small letters, that it covers as they are."""
    frozen: frozenset[str]
    """Names of which it covers that there are no more."""


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
    present = Counter(field.key for field in fields)
    return tuple(
        _covered(each, present)
        for each in signatures_of(fields, most=_MOST)
        if isinstance(each, Signature) and any(each.domain == d and _begins(each, b) for d, b in held)
    )


def broken_by(edits: Iterable[Edit], covered: Sequence[Covered]) -> tuple[str, ...]:
    """Return the domains whose signatures these edits break."""
    made = tuple(edits)
    return tuple(dict.fromkeys(each.domain for each in covered if any(_breaks(edit, each) for edit in made)))


def _breaks(edit: Edit, covered: Covered) -> bool:
    match edit:
        case InsertField(name):
            return name.lower() in covered.frozen
        case ChangeField(name) | RemoveField(name):
            return name.lower() in covered.signed
        case _:
            return False


def _covered(signature: Signature, present: Mapping[bytes, int]) -> Covered:
    counts = Counter(signature.names)
    return Covered(
        signature.domain,
        signed=frozenset(_text(name) for name in counts if present.get(name)),
        frozen=frozenset(_text(name) for name, count in counts.items() if count > present.get(name, 0)),
    )


def _text(name: bytes) -> str:
    return name.decode("ascii", "replace")


def _begins(signature: Signature, shown: str | None) -> bool:
    return bool(shown) and b64encode(signature.octets).decode("ascii").startswith(shown or "")
