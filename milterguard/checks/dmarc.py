# SPDX-License-Identifier: GPL-3.0-or-later
"""DMARC: whether a message is from the domain in its From field, and what is to be done if not.

Where From may be read to name several domains none of them is shown as proven, and the strictest of their
wishes counts. A temporary error never refuses anything.

*Source:* RFC 9989. *Errors:* none; what goes wrong is a result.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from milterguard.core.authors import author_domains
from milterguard.core.dmarc import Judgement, Passed, Wish, judged
from milterguard.core.finding import Category, Finding
from milterguard.core.message import Field
from milterguard.dns import Lookup
from milterguard.errors import DnsError

NAME = "dmarc"
_MOST_DOMAINS = 5
"""More author domains than that are asked about in no mail; the first ones are."""
_WISHES = (Wish.NONE, Wish.QUARANTINE, Wish.REJECT)
Exempt = Callable[[str], str]
"""From an author domain to who vouches for the message all the same; empty for nobody. Raises DnsError."""


def check_dmarc(fields: Sequence[Field], passed: Passed, lookup: Lookup, exempt: Exempt) -> Finding:
    """Return the result: FORGED where the author's domain asks for something to be done. Never raises."""
    domains = author_domains(fields)
    known = [domain for domain in domains if domain is not None][:_MOST_DOMAINS]
    try:
        each = [judged(domain, passed, lookup.txt, lookup.exists) for domain in known]
        if len(domains) == 1 and each:
            return _finding(each[0], exempt)
        finding = _of_several(domains, each)
        if finding is None:
            failed = max(each, key=lambda one: _WISHES.index(one.wish))
            finding = replace(_finding(failed, exempt), detail=f"several author domains, {_asks(failed)}")
    except DnsError as error:
        return Finding(NAME, Category.CLEAN, detail=str(error), result="temperror", properties=_from(known))
    return finding


def _of_several(domains: Sequence[str | None], each: Sequence[Judgement]) -> Finding | None:
    """Return the result where there is not the one author domain; None where one of them asks for something."""
    if not domains:
        return Finding(NAME, Category.CLEAN, detail="no author domain", result="none")
    if any(one.result == "fail" and one.wish is not Wish.NONE for one in each):
        return None
    if any(one.result == "temperror" for one in each):
        return Finding(NAME, Category.CLEAN, detail="several author domains", result="temperror")
    detail = "several author domains" if len(domains) > 1 else "author domain cannot be read"
    return Finding(NAME, Category.CLEAN, detail=detail, result="permerror")


def _finding(said: Judgement, exempt: Exempt) -> Finding:
    properties = [("header.from", said.domain)]
    if said.published is not None:
        properties.append(("policy.dmarc", said.published.value))
    if said.by:
        properties.append(("policy.aligned", said.by))
    finding = Finding(NAME, Category.CLEAN, result=said.result, properties=tuple(properties))
    if said.result != "fail" or said.wish is Wish.NONE:
        return finding
    voucher = exempt(said.domain)
    if voucher:
        return replace(finding, detail=voucher)
    return replace(finding, category=Category.FORGED, minor=said.wish.value, detail=_asks(said))


def _asks(said: Judgement) -> str:
    return f"{said.domain} asks to {said.wish.value} what is not from there"


def _from(domains: Sequence[str]) -> tuple[tuple[str, str], ...]:
    return tuple(("header.from", domain) for domain in domains[:1])
