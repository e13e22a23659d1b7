# SPDX-License-Identifier: GPL-3.0-or-later
"""SPF: whether a client may send for the domain of MAIL FROM, and for the name that it says it has.

pyspf evaluates, by our DNS. Explanations that a domain publishes (``exp=``) are fetched by nobody: they are a
stranger's words.

*Source:* RFC 7208. *Errors:* none; what goes wrong is ``temperror`` or ``permerror``.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import spf

from milterguard.core.domain import domain_of
from milterguard.core.envelope import Envelope
from milterguard.core.finding import Category, Finding
from milterguard.core.text import printable
from milterguard.dns import Lookup, wire_name
from milterguard.errors import DnsError

NAME = "spf"
_RESULTS = frozenset(("pass", "fail", "softfail", "neutral", "none", "temperror", "permerror"))
_DETAIL_LIMIT = 120
_MOST_NAMES = 10
"""Of a client, for ``ptr``. *Source:* RFC 7208 section 4.6.4."""
_SHARE_OF_NAMES = 0.25
"""Of the time that is left, for the names of a client."""
_MAX_EXPANDED = 200_000
"""Letters looked at for the macros of one identity's records; a thousand are many."""
_MAX_RECORD_OCTETS = 4096
"""The longest that anybody has is some 2,000; RFC 7208 section 3.4 wants less than 512."""
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*+)"\Z', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Spf:
    """What SPF says of one identity."""

    result: str
    """``pass``, ``fail``, ``softfail``, ``neutral``, ``none``, ``temperror`` or ``permerror``."""
    domain: str
    """Whose record was asked."""
    reason: str = ""


def check_host(lookup: Lookup, *, address: str, sender: str, helo: str) -> Spf:
    """Return whether a client may send for ``sender``; an empty one means the HELO identity. Never raises."""
    domain = domain_of(sender) if sender else helo
    try:
        query = _Query(lookup, address=address, sender=sender, helo=helo)
        result, _, said = query.check()
    except spf.PermError as error:
        return Spf("permerror", domain, printable(str(error), _DETAIL_LIMIT))
    except Exception as error:  # noqa: BLE001  (pyspf on a stranger's record: whatever Python raised)
        return Spf("permerror", domain, type(error).__name__)
    if result not in _RESULTS:
        return Spf("permerror", domain, "ambiguous record")
    is_error = result in ("permerror", "temperror")
    return Spf(result, domain, _reason(said) if is_error else "")


def findings_of(helo: Spf | None, sender: Spf | None, envelope: Envelope) -> tuple[Finding, ...]:
    """Return the results as findings, that of HELO first."""
    found = []
    if helo is not None:
        found.append(_finding(helo, ("smtp.helo", envelope.client.helo)))
    if sender is not None:
        found.append(_finding(sender, ("smtp.mailfrom", envelope.sender)))
    return tuple(found)


def _finding(said: Spf, about: tuple[str, str]) -> Finding:
    return Finding(NAME, Category.CLEAN, detail=said.reason, result=said.result, properties=(about,))


def _reason(text: str) -> str:
    """Return pyspf's words without its preface."""
    return printable(text.partition("Error: ")[2] or text, _DETAIL_LIMIT)


def _unquoted(address: str) -> str:
    """Return an address with its local part as it is meant. *Source:* RFC 5321 section 4.1.2."""
    local, sign, domain = address.rpartition("@")
    match = _QUOTED.match(local)
    return re.sub(r"\\(.)", r"\1", match[1]) + sign + domain if match else address


class _Query(spf.query):
    """pyspf's evaluation, asking as we ask: absolute names, a budget, temporary errors told apart."""

    def __init__(self, lookup: Lookup, *, address: str, sender: str, helo: str) -> None:
        self._lookup = lookup
        self._expanded = 0
        super().__init__(address, _unquoted(sender), helo, strict=True)
        if sender:
            # pyspf takes the first @, which may stand in quotes.
            self.l, _, self.o = _unquoted(sender).rpartition("@")
            self.l, self.d = self.l or "postmaster", self.o

    def validated_ptrs(self) -> list[str]:
        """Return the names of the client that have its address; those that cannot be asked about are left out.

        *Source:* RFC 7208 section 5.5.
        """
        # The client's own name servers must not use up the time of the domain whose record it is.
        with self._lookup.limited(_SHARE_OF_NAMES):
            try:
                names = self.dns_ptr(self.i)
            except spf.TempError:
                return []
            return [name for name in names[:_MOST_NAMES] if self._has_this_address(name)]

    def _has_this_address(self, name: str) -> bool:
        try:
            return bool(self.cidrmatch(self.dns_a(name, self.A), self.cidrmax))
        except spf.TempError:
            return False

    def expand(self, s: str, stripdot: bool = True) -> str:
        """Return a text with its macros expanded, or raise PermError where a record wants too much of that.

        pyspf searches the whole text once for each label, and copies what a macro stands for letter by letter.
        """
        longest = max(len(getattr(self, letter)) for letter in "lodhi")
        self._expanded += (s.count(".") + 1) * len(s) + s.count("%") * longest
        if self._expanded > _MAX_EXPANDED:
            raise spf.PermError("too many macros")
        return str(spf.query.expand(self, s, stripdot))  # type: ignore[attr-defined]

    def get_explanation(self, spec: str) -> None:
        """Return no explanation: nobody would be told it."""
        del spec

    def dns(self, name: str, qtype: str, cnames: Any = None, ignore_void: bool = False) -> list[Any]:
        """Return what a name has, in pyspf's forms."""
        del cnames
        if wire_name(str(name)) is None:
            return []
        try:
            found = self._asked(str(name), qtype)
        except DnsError as error:
            raise spf.TempError(f"{qtype} of {name}: {error}") from error
        if not found and not ignore_void:
            self.void_lookups += 1
            if self.void_lookups > spf.MAX_VOID_LOOKUPS:
                raise spf.PermError("too many questions without an answer")
        return list(found)

    def _asked(self, name: str, kind: str) -> Sequence[Any]:
        match kind:
            case "TXT":
                records = self._lookup.txt(name)
                if any(len(record) > _MAX_RECORD_OCTETS and record[:6].lower() == b"v=spf1" for record in records):
                    raise spf.PermError("record too long")  # pyspf takes quadratic time to expand macros
                return [(record,) for record in records]
            case "MX":
                return self._lookup.exchanges(name)
            case "PTR":
                return self._lookup.pointers(name)
            case "A" | "AAAA":
                return self._lookup.addresses(name, kind)
            case _:
                return []
