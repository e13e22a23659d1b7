# SPDX-License-Identifier: GPL-3.0-or-later
"""What a look yields, taken as ``examine`` takes it."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from milterguard.core.part import Flag
from milterguard.unpack.document import LOOKS
from milterguard.unpack.quota import Quota
from milterguard.unpack.source import Child, Look, Source

CLAM = Path("/usr/share/clamav-testfiles")
"""Where Debian's package puts them."""


@dataclass
class Seen:
    """What there was."""

    flags: set[Flag] = field(default_factory=set)
    kinds: list[str] = field(default_factory=list)
    children: list[tuple[tuple[str, ...], bytes]] = field(default_factory=list)
    hidden: int = 0
    """How many of the children clamd does not see by itself."""


def quota(*, max_bytes: int = 32 << 20) -> Quota:
    return Quota(max_depth=8, max_members=1000, max_bytes=max_bytes)


def look_at(look: Look, octets: bytes, *, passwords: tuple[str, ...] = ()) -> Seen:
    """Have somebody look into octets. Raises what the look raises."""
    descriptor = os.memfd_create("sample")
    try:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(octets)
        seen, shared = Seen(), quota()
        for find in look(Source(descriptor, passwords=passwords), shared):
            seen.flags |= find.flags
            if isinstance(find, Child):
                blocks = []
                for block in find.blocks or ():
                    shared.take(len(block))
                    blocks.append(block)
                seen.children.append((find.names, b"".join(blocks)))
                seen.hidden += find.is_hidden
            else:
                seen.kinds += find.kinds
        return seen
    finally:
        os.close(descriptor)


def look_for(kind: str) -> Look:
    return next(look for kinds, look in LOOKS if kind in kinds)
