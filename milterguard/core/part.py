# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of a message as a tree: what was declared of each, and what was found in it.

A tree is a tuple of parts, every parent before its children; ``Part.parent`` is an index into it.
Where a message can be read in more than one way, the parts of all readings stand in the one tree.

*Source:* RFC 2045 to 2047; amavis' part attributes M, T, N, A, U, C, B, D, S, L.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class Flag(StrEnum):
    """What else is known about a part."""

    ENCRYPTED = "encrypted"
    """It, or a member's content, cannot be read without a password (amavis: U and C)."""
    OVER_LIMITS = "over limits"
    """Not all of it was looked into: depth, count, octets, time."""
    UNDECODABLE = "undecodable"
    """It is of a kind that we open, and could not be opened (amavis: U)."""
    AMBIGUOUS = "ambiguous"
    """Two programs may read it differently (amavis: B)."""
    DIRECTORY = "directory"
    LINK = "link"
    SPECIAL = "special"
    """A device, a pipe or a socket."""
    MACRO = "macro"
    """Carries macros."""
    AUTOEXEC = "autoexec"
    """Carries macros that start themselves."""
    JAVASCRIPT = "javascript"
    """A PDF with JavaScript."""
    AUTOACTION = "autoaction"
    """A PDF that does something by itself when it is opened."""
    EMBEDDED = "embedded"
    """Carries other files in it: OLE objects, attachments of a PDF or a note."""
    EXTERNAL = "external"
    """Fetches something from elsewhere when it is opened: a remote template, message/external-body."""
    FRAGMENT = "fragment"
    """One piece of several (message/partial, a volume of an archive)."""
    MAIL_PASSWORD = "mail password"  # noqa: S105
    """It was encrypted, and opened with a word that stands in the mail, or one of the operator's."""


UNCHECKED_FLAGS = (Flag.AMBIGUOUS, Flag.OVER_LIMITS, Flag.ENCRYPTED, Flag.UNDECODABLE)
"""Why a part is UNCHECKED, the most alarming first; each is the minor of that name."""


@dataclass(frozen=True, slots=True)
class Part:
    """One node: a MIME entity, or a member of an archive or document. All text is hostile."""

    placement: str
    """``1``, ``1/2``, ``1/2/1``: counted from 1 on each level; unique in its tree (amavis: L)."""
    parent: int = -1
    """Index of the part that it stands in; -1 for the message itself."""
    types: tuple[str, ...] = ()
    """MIME types that were declared, in lower case; several when the declaration is ambiguous (amavis: M)."""
    names: tuple[str, ...] = ()
    """Every name that some program might show or save it under, raw and decoded; a member's full path (amavis: N)."""
    kinds: tuple[str, ...] = ()
    """amavis' short names of what its octets are, without the dot: ``exe``, ``exe-ms``, ``zip`` (amavis: T)."""
    size: int | None = None
    """Octets, decoded; None for a multipart, and where it is not known."""
    digest: str = ""
    """SHA-256 of the decoded octets in hex; empty where they were not read."""
    flags: frozenset[Flag] = frozenset()
    detail: str = ""
    """Why it is flagged, in our words, with names from the mail in them."""
    reading: str = ""
    """How it was come by where that is not by the book: ``boundary Y``, ``carved``; else empty."""
    is_member: bool = False
    """Out of an archive or a document, rather than of the MIME structure."""


Tree = tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with the structure of a message."""

    flag: Flag | None
    """AMBIGUOUS or OVER_LIMITS; None for what is only untidy (BAD_HEADER, minor mime)."""
    detail: str
    """Which construct: ``two boundaries``. Fixed words of ours, nothing from the mail."""
    placement: str = ""
    """The part where it was seen."""


def leaves(tree: Tree) -> Iterator[int]:
    """Yield the indexes of the parts without children, breadth first (amavis' order of leaves)."""
    parents = {part.parent for part in tree}
    inner = [index for index in range(len(tree)) if index not in parents]
    yield from sorted(inner, key=lambda index: tree[index].placement.count("/"))
