# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lists of a recipient say about the senders of a message.

Asked are the envelope sender and then the authors in From. For each, ``wblist`` of the database comes
first, then the lists of the closest entry to the farthest: in each those who are denied, then those
who are allowed. The first hard answer holds. Points of ``wblist`` add up until there is one; only
where it has none the tables of ``score_senders`` count, each with its first match.

Who is allowed by From alone must be the only author: of several a mail program shows one.

*Source:* amavis 2.6. It asks every list of denied senders before any of allowed ones; here a closer
entry outdoes a farther one, as it does everywhere else. *Errors:* none.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from milterguard.core.listed import NOT_LISTED, Listed, Listing, SeenIn
from milterguard.lookup.address import match_keys
from milterguard.lookup.layer import SenderEntry
from milterguard.lookup.table import Table

_ALLOWING = frozenset("WYT")
_DENYING = frozenset("BNF")


@dataclass(frozen=True, slots=True)
class SenderLists:
    """The lists of one entry."""

    denied: Table[None]
    allowed: Table[None]
    points: Table[float]
    origin: str


@dataclass(frozen=True, slots=True)
class Sender:
    """One address to be looked for."""

    address: str
    seen_in: SeenIn
    keys: tuple[str, ...]
    may_be_allowed: bool = True


def senders_of(envelope: str, authors: Sequence[str], *, delimiter: str) -> tuple[Sender, ...]:
    """Return who is to be looked for, in this order."""
    others = [author for author in dict.fromkeys(authors) if author != envelope]
    is_alone = len(set(authors)) == 1
    return (
        Sender(envelope, SeenIn.ENVELOPE, match_keys(envelope, delimiter=delimiter)),
        *(Sender(each, SeenIn.FROM, match_keys(each, delimiter=delimiter), is_alone) for each in others),
    )


def listed(senders: Sequence[Sender], lists: Sequence[SenderLists], entries: Sequence[SenderEntry] = ()) -> Listed:
    """Return what all lists say.

    ``lists`` are the recipient's, the closest first; ``entries`` what ``wblist`` has for him, those of
    his closest ``users.id`` first, in each the highest priority.
    """
    listing, sender, origin = _hard_answer(senders, lists, entries)
    points = tuple(_points_of_entries(senders, entries)) or tuple(_points_of_tables(senders, lists))
    if listing is None and not points:
        return NOT_LISTED
    return Listed(
        listing=listing,
        points=sum(value for value, _ in points) if points else None,
        seen_in=sender.seen_in if sender else SeenIn.ENVELOPE,
        origins=(*([origin] if listing else []), *(origin for _, origin in points)),
    )


def _hard_answer(
    senders: Sequence[Sender], lists: Sequence[SenderLists], entries: Sequence[SenderEntry]
) -> tuple[Listing | None, Sender | None, str]:
    """Return the first answer that is none in numbers, of whom it is, and where it stands."""
    for sender in senders:
        for entry in _matching(sender, entries):
            word = entry.wb.strip().upper()[:1]
            if not word or (word in _ALLOWING and not sender.may_be_allowed):
                return None, None, ""
            if word in _ALLOWING or word in _DENYING:
                listing = Listing.ALLOWED if word in _ALLOWING else Listing.DENIED
                return listing, sender, _entry_words(sender, entry)
        for each in lists:
            if found := each.denied.find(sender.keys):
                return Listing.DENIED, sender, f"{found[0]} in deny_senders, {each.origin}"
            if sender.may_be_allowed and (found := each.allowed.find(sender.keys)):
                return Listing.ALLOWED, sender, f"{found[0]} in allow_senders, {each.origin}"
    return None, None, ""


def _matching(sender: Sender, entries: Iterable[SenderEntry]) -> Iterator[SenderEntry]:
    return (entry for entry in entries if entry.key in sender.keys)


def _points_of_entries(senders: Sequence[Sender], entries: Sequence[SenderEntry]) -> Iterator[tuple[float, str]]:
    """Yield the points of the database, each row's once, up to the first hard answer of each sender."""
    seen: set[SenderEntry] = set()
    for sender in senders:
        for entry in _matching(sender, entries):
            points = _number(entry.wb)
            if points is None:
                break
            if entry not in seen:
                seen.add(entry)
                yield points, _entry_words(sender, entry)


def _points_of_tables(senders: Sequence[Sender], lists: Iterable[SenderLists]) -> Iterator[tuple[float, str]]:
    """Yield the points of each table that has some, for the first sender whom it knows."""
    for each in lists:
        found = next((hit for sender in senders if (hit := each.points.find(sender.keys))), None)
        if found:
            yield found[1], f"{found[0]} in score_senders, {each.origin}"


def _number(text: str) -> float | None:
    try:
        points = float(text)
    except ValueError:
        return None
    return points if math.isfinite(points) else None


def _entry_words(sender: Sender, entry: SenderEntry) -> str:
    return f"{entry.key} in wblist of users.id {entry.rid}" + (" (From)" if sender.seen_in is SeenIn.FROM else "")
