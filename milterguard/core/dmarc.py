# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a message comes from the domain that its From field names, and what that domain wants if it does not.

Who asks the DNS is handed in: a function from a name to its TXT records, which raises DnsError for
a temporary error. No list of public suffixes: the tree walk finds who is in charge.

*Source:* RFC 9989 (DMARC), which took the place of RFC 7489 and RFC 9091; ``pct``, ``rf`` and ``ri`` of old records
are ignored. *Errors:* DnsError, from the function that was handed in.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from milterguard.errors import DnsError

Ask = Callable[[str], Sequence[bytes]]
"""From a name to its TXT records; nothing where there are none. Raises DnsError."""
_VERSION = re.compile(r"v[ \t]*=[ \t]*DMARC1[ \t]*(?:;|\Z)")
_ADDRESS = re.compile(r"mailto:[^\s@,!]+@[^\s@,!]+", re.IGNORECASE)
_MOST_LABELS = 8
"""A longer name is shortened to seven labels after the first question. *Source:* RFC 9989, tree walk."""
_MAX_RECORD_OCTETS = 8192


class Wish(StrEnum):
    """What a domain asks for mail that it did not send."""

    NONE = "none"
    QUARANTINE = "quarantine"
    REJECT = "reject"

    @property
    def milder(self) -> "Wish":
        return Wish.QUARANTINE if self is Wish.REJECT else Wish.NONE


class Psd(StrEnum):
    """Whether a record is that of a public suffix."""

    YES = "y"
    NO = "n"
    UNKNOWN = "u"


@dataclass(frozen=True, slots=True)
class Record:
    """A DMARC record."""

    wish: Wish
    """``p``: for the domain itself."""
    below: Wish | None = None
    """``sp``: for domains below it that exist."""
    nowhere: Wish | None = None
    """``np``: for domains below it that do not exist."""
    psd: Psd = Psd.UNKNOWN
    is_dkim_strict: bool = False
    is_spf_strict: bool = False
    is_test: bool = False
    """``t``: the domain asks not to be taken at its word yet."""


@dataclass(frozen=True, slots=True)
class Found:
    """A record, and where it was."""

    domain: str
    record: Record


@dataclass(frozen=True, slots=True)
class Passed:
    """Domains that were proven otherwise."""

    spf: str = ""
    """Of MAIL FROM, or of HELO for the null sender, if SPF passed."""
    dkim: tuple[str, ...] = ()
    """``d=`` of each signature that holds."""
    unsure_spf: str = ""
    unsure_dkim: tuple[str, ...] = ()
    """These may have been proven as well, had the DNS answered."""

    @property
    def unsure(self) -> tuple[str, ...]:
        return tuple(filter(None, (self.unsure_spf, *self.unsure_dkim)))


@dataclass(frozen=True, slots=True)
class Judgement:
    """What DMARC says of one author domain."""

    result: str
    """``pass``, ``fail``, ``none`` or ``temperror`` (RFC 8601 section 2.7.4)."""
    domain: str
    published: Wish | None = None
    """What the domain asks; None where it has published nothing."""
    wish: Wish = Wish.NONE
    """What is to be done about a failure, a test counted in."""
    by: str = ""
    """Which of its proofs was aligned: ``spf`` or ``dkim``."""
    policy_domain: str = ""
    """Whose record it is."""
    reason: str = ""
    """Of a temporary error."""


def judged(domain: str, passed: Passed, ask: Ask, exists: Callable[[str], bool]) -> Judgement:
    """Return what DMARC says of an author domain (A-labels, small letters). Raises DnsError.

    Nobody but the domain itself can make that a temporary error: of domains that have nothing to do with it
    no name server is asked, and that theirs are silent does not count. Nor does it once the domain is proven.
    ``exists`` tells whether the DNS has a name at all.
    """
    walker = _Walker(ask)
    applied = walker.applied(domain)
    if applied is None:
        return Judgement("none", domain, by=walker.aligned(domain, passed, Record(Wish.NONE)))
    record = applied.record
    by = walker.aligned(domain, passed, record)
    if by:
        return Judgement("pass", domain, _shown(domain, applied, exists), by=by, policy_domain=applied.domain)
    published = _published(domain, applied, exists)
    if walker.aligned(domain, Passed(passed.unsure_spf, passed.unsure_dkim), record):
        return Judgement("temperror", domain, published, policy_domain=applied.domain)
    wish = published.milder if record.is_test else published
    return Judgement("fail", domain, published, wish, policy_domain=applied.domain)


def is_aligned(one: str, other: str, ask: Ask) -> bool:
    """Whether two domains belong together, in the relaxed way. Raises DnsError."""
    return _Walker(ask).is_relaxed(one, other)


def organization_of(domain: str, ask: Ask) -> str:
    """Return who is in charge of a domain. Raises DnsError."""
    return organizational_domain(domain, _Walker(ask).walk(domain))


def record_of(texts: Iterable[bytes]) -> Record | None:
    """Return the record among the TXT records of a name; None where there is none, or more than one."""
    records = [text for each in texts if (text := _text(each)) is not None and _VERSION.match(text)]
    return _record(records[0]) if len(records) == 1 else None


def organizational_domain(domain: str, found: Sequence[Found]) -> str:
    """Return who is in charge of a domain, by the records found on the way up from it, the longest name first."""
    for each in found:
        if each.record.psd is Psd.NO:
            return each.domain
        if each.record.psd is Psd.YES and each.domain != domain:
            labels = domain.split(".")
            return ".".join(labels[-(each.domain.count(".") + 2) :])
    return found[-1].domain if found else domain


class _Walker:
    """Asks for records, those of each domain once."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._known: dict[str, tuple[Found, ...]] = {}
        self._records: dict[str, Record | None] = {}

    def walk(self, domain: str) -> tuple[Found, ...]:
        """Return the records on the way up from a domain, its own first. At most eight questions."""
        known = self._known.get(domain)
        if known is None:
            known = self._known[domain] = tuple(self._walk(domain))
        return known

    def applied(self, domain: str) -> Found | None:
        """Return the record that holds; above a domain that has its own nobody is asked."""
        own = self._record(domain)
        return Found(domain, own) if own is not None else _applied(domain, self.walk(domain))

    def aligned(self, domain: str, passed: Passed, record: Record) -> str:
        """Return what proves the author domain: ``dkim``, ``spf`` or nothing. Raises DnsError if something might.

        The same name needs no question, so it comes first.
        """
        if domain in passed.dkim:
            return "dkim"
        if domain == passed.spf:
            return "spf"
        others = [] if record.is_dkim_strict else [("dkim", each) for each in dict.fromkeys(passed.dkim)]
        others += [("spf", passed.spf)] if passed.spf and not record.is_spf_strict else []
        trouble: DnsError | None = None
        for proof, other in others:
            try:
                if self.is_relaxed(domain, other):
                    return proof
            except DnsError as error:
                trouble = error
        if trouble is not None:
            raise trouble
        return ""

    def is_relaxed(self, one: str, other: str) -> bool:
        """Whether the same organization is in charge of both; of ``one`` for sure, so it is asked first."""
        if one == other:
            return True
        organization = organizational_domain(one, self.walk(one))
        if other != organization and not other.endswith(f".{organization}"):
            return False
        return organizational_domain(other, self.walk(other)) == organization

    def _record(self, name: str) -> Record | None:
        if name not in self._records:
            self._records[name] = record_of(self._ask(f"_dmarc.{name}"))
        return self._records[name]

    def _walk(self, domain: str) -> Iterator[Found]:
        for name in _names(domain):
            record = self._record(name)
            if record is None:
                continue
            yield Found(name, record)
            if record.psd is Psd.NO or (record.psd is Psd.YES and name != domain):
                return


def _names(domain: str) -> Iterator[str]:
    """Yield a domain and those above it; of a long one the seven labels on the right come next."""
    yield domain
    labels = domain.split(".")
    labels = labels[-(_MOST_LABELS - 1) :] if len(labels) >= _MOST_LABELS else labels[1:]
    while labels:
        yield ".".join(labels)
        labels = labels[1:]


def _applied(domain: str, found: Sequence[Found]) -> Found | None:
    """Return the record that holds: the domain's own, that of who is in charge, that of the public suffix."""
    organization = organizational_domain(domain, found)
    by_name = {each.domain: each for each in found}
    suffix = next((each for each in found if each.record.psd is Psd.YES), None)
    return by_name.get(domain) or by_name.get(organization) or suffix


def _shown(domain: str, applied: Found, exists: Callable[[str], bool]) -> Wish:
    """Return what a domain asks that is proven: nothing depends on it, so one that cannot be asked about exists."""
    try:
        return _published(domain, applied, exists)
    except DnsError:
        return _published(domain, applied, lambda _: True)


def _published(domain: str, applied: Found, exists: Callable[[str], bool]) -> Wish:
    record = applied.record
    if applied.domain == domain:
        return record.wish
    below = record.wish if record.below is None else record.below
    if record.nowhere is None or record.nowhere is below:
        return below
    return below if exists(domain) else record.nowhere


def _record(text: str) -> Record | None:
    tags: dict[str, str] = {}
    for part in text.split(";")[1:]:
        name, sign, value = part.partition("=")
        if sign:
            tags.setdefault(name.strip(" \t").lower(), value.strip(" \t"))
    wish = _wish(tags.get("p"))
    if wish is None:
        # Whoever asks for reports has meant a record, if only to watch; anything else is none.
        if not _ADDRESS.search(tags.get("rua", "")):
            return None
        wish = Wish.NONE
    psd = tags.get("psd", "u").lower()
    return Record(
        wish,
        below=_wish(tags.get("sp")),
        nowhere=_wish(tags.get("np")),
        psd=Psd(psd) if psd in list(Psd) else Psd.UNKNOWN,
        is_dkim_strict=tags.get("adkim", "r").lower() == "s",
        is_spf_strict=tags.get("aspf", "r").lower() == "s",
        is_test=tags.get("t", "n").lower() == "y",
    )


def _wish(text: str | None) -> Wish | None:
    word = (text or "").lower()
    return Wish(word) if word in list(Wish) else None


def _text(octets: bytes) -> str | None:
    """Return a record as text; None for what is too long to be one. Other octets than ASCII stand in errors only."""
    return octets.decode("latin-1") if len(octets) <= _MAX_RECORD_OCTETS else None
