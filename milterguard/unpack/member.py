# SPDX-License-Identifier: GPL-3.0-or-later
"""What the filter asks of the sealed child, and what it is told: values of the member listing protocol."""

from dataclasses import dataclass

from milterguard.core.part import Flag


@dataclass(frozen=True, slots=True)
class Request:
    """One leaf of a message to look into. Its octets come as a descriptor beside it."""

    names: tuple[str, ...] = ()
    """What the mail calls it; hostile."""
    kinds: tuple[str, ...] = ()
    """What its first and last octets look like (``kind.kinds_of``)."""
    give_all: bool = False
    """Give the octets of every member; else only of those that clamd cannot reach by itself."""
    max_depth: int = 14
    """Archives in archives are opened so deep (amavis: ``$MAXLEVELS``)."""
    max_members: int = 1500
    """Members looked into, of all levels together (amavis: ``$MAXFILES``)."""
    max_bytes: int = 104_857_600
    """Octets that may come out, of all levels together (amavis: ``$MAX_EXPANSION_QUOTA``)."""
    passwords: tuple[str, ...] = ()
    """Tried, in this order, on what is encrypted; empty: nothing is tried."""


@dataclass(frozen=True, slots=True)
class Member:
    """One thing inside: told after its parent. All text is hostile, even that of our own child."""

    path: tuple[int, ...]
    """Counted from 1 on each level; ``()`` is the leaf itself, told when more became known of it."""
    names: tuple[str, ...] = ()
    """Every name that the container gives it, full path included; two when its directories disagree."""
    kinds: tuple[str, ...] = ()
    size: int | None = None
    """Octets that came out; the declared size where it was not read; None when unknown."""
    digest: str = ""
    """SHA-256 in hex; empty where it was not read to its end."""
    flags: frozenset[Flag] = frozenset()
    detail: str = ""
    has_octets: bool = False
    """Its ``size`` octets follow."""
