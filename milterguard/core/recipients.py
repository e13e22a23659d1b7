# SPDX-License-Identifier: GPL-3.0-or-later
"""Where an accepted message goes: extensions, other addresses, blind copies, and whom it does not go to.

What is edited is the difference between two sets, the recipients that the MTA has and those that
shall get the message. An address in both stays untouched, so that nothing is added that is there
(Postfix would deliver it twice) or removed that was added (Postfix removes both). Additions come
before removals: when the milter dies in between, an MTA that accepts all the same delivers to too
many and not to nobody.

*Source:* amavis ``addr_extension_maps``, ``addr_rewrite_maps_by_ccat``, ``always_bcc_by_ccat``,
``$replace_existing_extension`` = 1; RFC 3461 sections 4.1 (NOTIFY), 4.2 (ORCPT) and 4 (xtext).
*Errors:* none.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from milterguard.core.by_category import ByCategory, said_of
from milterguard.core.destiny import Destiny
from milterguard.core.envelope import Recipient, Traffic
from milterguard.core.finding import Category
from milterguard.core.mailbox import is_never_split, is_plain_local, split_extension
from milterguard.core.verdict import AddRecipient, Decision, Edit, Outcome, RemoveRecipient

_LONGEST_LOCAL = 64
"""Octets (RFC 5321 section 4.5.3.1.1)."""
_EXTENSION = re.compile(r"(?!.*\.\.)[A-Za-z0-9#$&'*+/=?^_`{|}~.-]{0,63}[A-Za-z0-9#$&'*+/=?^_`{|}~-]\Z")
_ORCPT = re.compile(r"ORCPT=[A-Za-z0-9-]{1,40};[!-~]{1,500}\Z", re.IGNORECASE)
_EVENTS = "(?:SUCCESS|FAILURE|DELAY)"
_NOTIFY = re.compile(rf"NOTIFY=(?:NEVER|{_EVENTS}(?:,{_EVENTS}){{0,2}})\Z", re.IGNORECASE)
_NEVER = "NOTIFY=NEVER"


@dataclass(frozen=True, slots=True)
class Routing:
    """Where a message goes in the end."""

    edits: tuple[Edit, ...] = ()
    """Additions, then removals."""
    moved: tuple[tuple[str, str], ...] = ()
    """Recipients who get it at another address, with that address."""
    bcc: tuple[str, ...] = ()
    """Who gets it as well, without having been a recipient."""


def routing(decision: Decision, *, traffic: Traffic, delimiter: str) -> Routing:
    """Return where an accepted message goes, the same in whatever order the recipients come.

    ``delimiter`` as in ``local.recipient_delimiter``. Mail that did not come by SMTP keeps its
    recipients, because Postfix does not remove what it has completed: it gets blind copies only.
    """
    if decision.answer is not Destiny.PASS:
        return Routing()
    removed = frozenset(decision.removed)
    accepted = [outcome for outcome in decision.outcomes if outcome.address not in removed]
    goals = [(each, _goal(each, delimiter) if traffic is not Traffic.LOCAL else each.address) for each in accepted]
    present = {each.address.lower() for each in decision.outcomes}
    added = _added(goals, present)
    taken = {goal.lower() for _, goal in goals}
    bcc = {address.lower(): address for address in sorted(_copies(accepted))}
    copies = tuple(address for key, address in sorted(bcc.items()) if key not in taken and key not in present)
    stays = taken | bcc.keys()
    leaving = sorted({each.address for each in decision.outcomes if each.address.lower() not in stays})
    return Routing(
        edits=(
            *added,
            *(AddRecipient(address, (_NEVER,)) for address in copies),
            *(RemoveRecipient(address) for address in leaving),
        ),
        moved=tuple(sorted({(each.address, goal) for each, goal in goals if goal != each.address})),
        bcc=copies,
    )


def is_extension(text: str) -> bool:
    """Whether a text may stand behind a user name; a delimiter in front of it is taken off later."""
    return bool(_EXTENSION.match(text))


def extended(address: str, extension: str, delimiter: str) -> str:
    """Return an address with that extension in place of the one it has; as it is where that cannot be.

    Neither quoted and odd local parts nor ``postmaster`` get one, nor what would become too long.
    """
    local, at, domain = address.rpartition("@")
    word = extension.lstrip(delimiter)
    if not (at and delimiter and is_extension(word)) or not is_plain_local(local, delimiter):
        return address
    if is_never_split(local, delimiter):
        return address
    changed = f"{split_extension(local, delimiter)[0]}{delimiter[0]}{word}"
    return address if len(changed.encode()) > _LONGEST_LOCAL else f"{changed}{at}{domain}"


def parameters_of(recipient: Recipient) -> tuple[str, ...]:
    """Return what is said of a recipient whose address becomes another one: who he was, whom to tell.

    Only what has the form of RFC 3461 is passed on. Without ORCPT it is what the MTA would have made of him.
    """
    orcpt = next((each for each in recipient.parameters if _ORCPT.match(each)), "")
    notify = next((each.upper() for each in recipient.parameters if _NOTIFY.match(each)), "")
    return (*((notify,) if notify else ()), orcpt or f"ORCPT=rfc822;{xtext(recipient.address)}")


def xtext(text: str) -> str:
    """Return text as RFC 3461 section 4 has it: ``+``, ``=`` and what is not printable ASCII in hexadecimal."""
    octets = text.encode("utf-8", "replace")
    return "".join(chr(each) if 0x21 <= each <= 0x7E and each not in b"+=" else f"+{each:02X}" for each in octets)


def _goal(outcome: Outcome, delimiter: str) -> str:
    """Return the address at which a recipient gets the message."""
    policy, recipient = outcome.policy, outcome.recipient
    address = recipient.address
    if recipient.is_local:
        word = said_of(policy.addr_extension, _with_spam(outcome.categories, policy.addr_extension))
        address = extended(address, word, delimiter) if word else address
    return said_of(policy.addr_rewrite, outcome.categories) or address


def _with_spam(categories: frozenset[Category], table: ByCategory) -> frozenset[Category]:
    """Return the categories with SPAM where a SPAMMY one has no word of its own (amavis: one table for both)."""
    if Category.SPAMMY not in categories or any(category is Category.SPAMMY for category, _ in table):
        return categories
    return categories | {Category.SPAM}


def _added(goals: Iterable[tuple[Outcome, str]], present: Iterable[str]) -> list[AddRecipient]:
    """Return the addresses that are new, each once; of several recipients behind one, one is named.

    Preferred is one who wants to be told of a failure.
    """
    known = frozenset(present)
    found: dict[str, tuple[bool, str, AddRecipient]] = {}
    for outcome, goal in goals:
        key = goal.lower()
        if key in known:
            continue
        parameters = parameters_of(outcome.recipient)
        candidate = (_NEVER in parameters, repr((outcome.address, goal, parameters)), AddRecipient(goal, parameters))
        found[key] = min(found.get(key, candidate), candidate, key=lambda each: each[:2])
    return [edit for _, (_, _, edit) in sorted(found.items(), key=lambda each: each[0])]


def _copies(accepted: Sequence[Outcome]) -> set[str]:
    said = (said_of(each.policy.always_bcc, each.categories) for each in accepted)
    return {address for address in said if address}
