# SPDX-License-Identifier: GPL-3.0-or-later
"""DMARC: whether a message is from the domain in its From field, and what is to be done if not.

Where From may be read to name several domains none of them is shown as proven, and the strictest of their
wishes counts. A temporary error never refuses anything.

*Source:* RFC 9989. *Errors:* none; what goes wrong is a result.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from milterguard.core.authors import author_domains, beside_domains
from milterguard.core.dmarc import Judgement, Passed, Wish, judged, organization_of
from milterguard.core.finding import Category, Finding
from milterguard.core.levels import aligned_author
from milterguard.core.message import Field
from milterguard.dns import Lookup
from milterguard.errors import DnsError

NAME = "dmarc"
_MOST_DOMAINS = 10
"""As many as ``core/authors.py`` names of one field."""
_SEVERAL = "several author domains"
_WISHES = (Wish.NONE, Wish.QUARANTINE, Wish.REJECT)
Exempt = Callable[[str], str]
"""From an author domain to who vouches for the message all the same; empty for nobody. Raises DnsError."""


def look_ahead(fields: Sequence[Field], lookup: Lookup) -> tuple[str, ...]:
    """Ask what the authors' domains publish before anybody else is asked, each in a share of the time.

    Return who is in charge of them.

    The answers are kept by ``lookup``. Never raises.
    """
    domains = _known(author_domains(fields))
    return tuple(
        _organization(domain, lookup, share=1 / (len(domains) - index)) for index, domain in enumerate(domains)
    )


def _organization(domain: str, lookup: Lookup, *, share: float) -> str:
    """Return who is in charge of a domain, or itself where that cannot be had in its share of the time."""
    with lookup.limited(share):
        try:
            judged(domain, Passed(), lookup.txt, lookup.exists)
            return organization_of(domain, lookup.txt)
        except DnsError:
            return domain


def check_dmarc(fields: Sequence[Field], passed: Passed, lookup: Lookup, exempt: Exempt) -> Finding:
    """Return the result: FORGED where an author's domain asks for something to be done. Never raises."""
    domains = author_domains(fields)
    each = [_judged(domain, passed, lookup) for domain in _known(domains)]
    if len(domains) == 1 and each:
        found = _finding(each[0], exempt)
        # Who is shown depends on the reader; but that a stranger's address stands there is no reason to refuse.
        is_doubtful = aligned_author(found) and not beside_domains(fields) <= {each[0].domain}
        return Finding(NAME, Category.CLEAN, detail=_SEVERAL, result="permerror") if is_doubtful else found
    if len(domains) > _MOST_DOMAINS:
        # No honest mail has so many, and the one that is meant may be any of them.
        said = "too many author domains"
        return Finding(NAME, Category.FORGED, Wish.REJECT.value, said, result="permerror")
    wishes = [one for one in each if one.result == "fail" and one.wish is not Wish.NONE]
    if wishes:
        strictest = max(wishes, key=lambda one: _WISHES.index(one.wish))
        return replace(_finding(strictest, lambda _: ""), detail=f"{_SEVERAL}, {_asks(strictest)}")
    if any(one.result == "temperror" for one in each):
        return Finding(NAME, Category.CLEAN, detail=_SEVERAL, result="temperror")
    if not domains:
        return Finding(NAME, Category.CLEAN, detail="no author domain", result="none")
    said = _SEVERAL if len(domains) > 1 else "author domain cannot be read"
    return Finding(NAME, Category.CLEAN, detail=said, result="permerror")


def _known(domains: Sequence[str | None]) -> tuple[str, ...]:
    return tuple(domain for domain in domains if domain is not None)[:_MOST_DOMAINS]


def _judged(domain: str, passed: Passed, lookup: Lookup) -> Judgement:
    """Return what DMARC says of one author domain; that its DNS fails is nobody else's affair."""
    try:
        return judged(domain, passed, lookup.txt, lookup.exists)
    except DnsError as error:
        return Judgement("temperror", domain, reason=str(error))


def _finding(said: Judgement, exempt: Exempt) -> Finding:
    properties = [("header.from", said.domain)]
    if said.published is not None:
        properties.append(("policy.dmarc", said.published.value))
    if said.by:
        properties.append(("policy.aligned", said.by))
    properties_of = tuple(properties)
    finding = Finding(NAME, Category.CLEAN, detail=said.reason, result=said.result, properties=properties_of)
    if said.result != "fail" or said.wish is Wish.NONE:
        return finding
    try:
        voucher = exempt(said.domain)
    except DnsError as error:
        return replace(finding, result="temperror", detail=str(error))
    if voucher:
        return replace(finding, detail=voucher)
    return replace(finding, category=Category.FORGED, minor=said.wish.value, detail=_asks(said))


def _asks(said: Judgement) -> str:
    return f"{said.domain} asks to {said.wish.value} what is not from there"
