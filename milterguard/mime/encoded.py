# SPDX-License-Identifier: GPL-3.0-or-later
"""Multiparts and messages in base64 or quoted-printable: forbidden, and opened by some programs.

*Source:* RFC 2045 6.4. *Errors:* none; what is over the limit of decoded octets is cut off.
"""

from milterguard.mime import decode, delimiter
from milterguard.mime.ambiguity import Construct
from milterguard.mime.declaration import Declaration
from milterguard.mime.header import read
from milterguard.mime.walk import Span, Walk

_FIRST_LOOK = 4096
_SECOND_LOOK = 65_536
"""Fields of transport alone may take more than the first."""
_MOST_OTHER = 8_388_608
"""Octets of a container that are decoded where its encoding is not base64."""


def spans(state: Walk, index: int, declared: Declaration, body: Span) -> list[Span]:
    """Return the octets of a multipart or message in every encoding that it is declared in."""
    found = [body] if "identity" in declared.encodings else []
    placement = state.entities[index].placement
    for encoding in declared.encodings:
        if encoding == "identity":
            continue
        plain = _count(state, declared, body)
        octets = _decode(state, body, encoding, placement)
        decoded = state.keep(octets)
        count = _count(state, declared, decoded)
        if plain and body not in found:
            state.note(Construct.ENCODED_AND_PLAIN, placement)
            found.append(body)
        if count and (count != plain or encoding != "base64"):
            if count != plain:
                state.note(Construct.ENCODED_COMPOSITE, placement)
            found.append(decoded)
        elif not count:
            state.leaf(index, body, reading=f"{encoding}, of what has no parts", encoding=encoding)
    return found or [body]


def _count(state: Walk, declared: Declaration, span: Span) -> int:
    """Return how many parts a container has when read as it is; 1 for a message that begins with a field."""
    octets = state.sources[span.source]
    count = 0
    for boundary in declared.boundaries:
        if state.may_scan(span):
            count += len(delimiter.split(octets, boundary, span.start, end=span.end, allowance=10_000).parts)
    if count or declared.boundaries:
        return count
    first = read(octets[span.start : min(span.end, span.start + _FIRST_LOOK)])
    if not first.is_ended:
        first = read(octets[span.start : min(span.end, span.start + _SECOND_LOOK)])
    return int(bool(first.fields) or (first.is_ended and first.end > 2))


def _decode(state: Walk, body: Span, encoding: str, placement: str) -> bytes:
    """Return the decoded octets of a container, by the book; cut where the limit is."""
    left = state.may_decode()
    # Beside base64 the others are slow, and nobody puts large messages in them.
    octets, end = state.sources[body.source], body.end
    if encoding != "base64" and body.start + _MOST_OTHER < body.end:
        state.note(Construct.TOO_MUCH, placement)
        end = octets.rfind(b"\n", body.start, body.start + _MOST_OTHER) + 1 or body.start + _MOST_OTHER
    blocks: list[bytes] = []
    for block in decode.decodings(octets, body.start, end, encoding)[0].blocks():
        if left < len(block):
            state.note(Construct.TOO_MUCH, placement)
            break
        left -= len(block)
        blocks.append(block)
    return b"".join(blocks)
