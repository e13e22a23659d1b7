# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks into a message, or a mailbox of messages, that stands as a file in an archive or in another message.

*Source:* RFC 5322, RFC 2046; RFC 4155 (mbox).
"""

import mmap
import re
from collections.abc import Iterator

from milterguard.mime.octets import Octets
from milterguard.mime.structure import Limits, walk
from milterguard.unpack.quota import Quota
from milterguard.unpack.source import Child, Find, Note, Source

_FROM = b"From "
_NEXT = re.compile(rb"\n\r?\n(?=From [^\r\n]{1,200}\d\d:\d\d[^\r\n]{0,60}\d{4})")
_AS_MESSAGE = b"Content-Type: message/rfc822\r\n\r\n"
_MAX_MESSAGES = 10_000


def look(source: Source, _quota: Quota) -> Iterator[Find]:
    """Yield the parts of a message in all its readings, or the messages of a mailbox."""
    octets = source.mapped()
    if octets[:3] == b"\xef\xbb\xbf" or octets[:1] in (b"\r", b"\n"):
        octets = octets[:].removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n")
    if octets[:5] == _FROM:
        yield from _messages(source, octets)
    else:
        yield from _parts(octets)


def _messages(source: Source, octets: "mmap.mmap | bytes") -> Iterator[Child]:
    start = 0
    for _ in range(_MAX_MESSAGES):
        begin = octets.find(b"\n", start) + 1
        if not begin:
            return
        end = _next_message(octets, begin)
        yield Child(blocks=source.blocks(begin, end - begin), size=end - begin)
        if end >= len(octets):
            return
        start = end


def _next_message(octets: "mmap.mmap | bytes", start: int) -> int:
    found = _NEXT.search(octets, start)
    return found.end() if found else len(octets)


def _parts(octets: Octets) -> Iterator[Find]:
    # As the walker sees it, this is what a message attached to an empty one consists of.
    walked = walk(_AS_MESSAGE, octets, Limits(depth=20, parts=500, decoded_bytes=32 << 20))
    for problem in walked.problems:
        if problem.flag is not None:
            yield Note(frozenset({problem.flag}), problem.detail, is_hiding=True)
    for index, entity in enumerate(walked.entities):
        if entity.is_leaf:
            yield Child(
                entity.names,
                walked.octets(index),
                flags=entity.flags,
                detail=entity.reading,
                is_hidden=entity.is_suspect,
            )
