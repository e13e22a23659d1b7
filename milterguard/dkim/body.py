# SPDX-License-Identifier: GPL-3.0-or-later
"""Hashes the body of a message while it arrives, once for everybody who wants to know.

*Errors:* ContentError when the octets cannot be read, or nobody waits for them any more.
"""

from collections.abc import Callable, Iterable

from milterguard.core.message import Content
from milterguard.dkim.canonical import BodyDigest, BodyHasher, BodyKind
from milterguard.errors import ContentError

_BLOCK = 65536


def body_digests(
    content: Content,
    kinds: Iterable[BodyKind],
    *,
    deadline: float | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> dict[BodyKind, BodyDigest]:
    """Return the digests. Raises ContentError.

    ``deadline`` is on the monotonic clock; ``stop`` is asked between blocks.
    """
    wanted = tuple(kinds)
    if not wanted:
        return {}
    hasher = BodyHasher(wanted)
    reader = content.open(deadline=deadline)
    try:
        while block := reader.read(_BLOCK):
            if stop():
                raise ContentError("given up")
            hasher.update(block)
    finally:
        reader.close()
    return hasher.finish()
