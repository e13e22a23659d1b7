# SPDX-License-Identifier: GPL-3.0-or-later
"""How many addresses a From field names, for any reader: readers differ in which of several they show.

Not a parser that rejects: what no grammar allows is counted as the most credulous reader would.
Linear in the octets, whatever they are. Never raises.

*Source:* RFC 5322 sections 3.4 and 4.4 (comments, quoted strings, groups, routes).
"""

import re
from collections.abc import Iterable, Sequence
from itertools import islice

from milterguard.core.domain import ascii_domain, domain_of
from milterguard.core.message import Field

_OUTSIDE = re.compile(rb'\\.|"(?:[^"\\]|\\.)*+"|\(', re.DOTALL)
"""What hides specials outside of comments. A quote that is not closed hides nothing."""
_QUOTES = re.compile(rb'["\\\\\s]')
_IN_COMMENT = re.compile(rb"\\.|\(+|\)", re.DOTALL)
_ANGLE = re.compile(rb"<([^<>]*)>?")
_SEPARATOR = re.compile(rb"[,;]")
_BREAK = re.compile(rb"[\s,<>:;]+")
_MOST_ADDRESSES = 10
_AT = re.compile(rb"[^\s,@]\s*+@")
"""An address: something before the sign. In a route (``<@a,@b:user@c>``) there is nothing before the first ones."""


def address_count(value: bytes) -> int:
    """Return how many addresses the value of a From field may be read to name.

    A display name that looks like an address is none when an address in angle brackets follows. A
    value without any domain counts as one address unless nothing is left of it.
    """
    plain = _plain(value)
    items = _SEPARATOR.split(_ANGLE.sub(b"<", plain))
    places = [*_ANGLE.findall(plain), *(item for item in items if b"<" not in item)]
    return sum(len(_AT.findall(place)) for place in places) or int(any(map(_names_somebody, places)))


def addresses(value: bytes) -> tuple[str, ...]:
    """Return the addresses that the value of a From field may be read to name, each once, at most ten.

    Words without a domain are no address. What is quoted in a local part is not told apart, unless it is an
    address itself.
    """
    plain = _plain(value)
    items = _SEPARATOR.split(_ANGLE.sub(b"<", plain))
    places = [*_ANGLE.findall(plain), *(item for item in items if b"<" not in item)]
    words = (word for place in places for word in _BREAK.split(place))
    found = (reading for word in words if b"@" in word[1:-1] for reading in _readings(word))
    return tuple(dict.fromkeys(each.decode("utf-8", "replace") for each in islice(found, _MOST_ADDRESSES)))


def _readings(word: bytes) -> tuple[bytes, ...]:
    """Return what a word with a sign may be taken for: with several signs, ``a@b@c``, ``a@b`` as well."""
    parts = word.split(b"@", 2)
    return (word,) if len(parts) == 2 else (word, parts[0] + b"@" + parts[1])


def authors_of(fields: Iterable[Field]) -> tuple[str, ...]:
    """Return the addresses in all From fields of a message, in their order."""
    return tuple(author for field in fields if field.is_named(b"From") for author in addresses(field.value))


def author_domains(fields: Sequence[Field]) -> tuple[str | None, ...]:
    """Return the domains of all that From may be read to name, each once; None for what is no domain."""
    domains = (ascii_domain(domain_of(author)) for author in authors_of(fields))
    return tuple(dict.fromkeys(domains))


def _names_somebody(place: bytes) -> bool:
    """Whether there is a word besides the name of a group."""
    return bool(place.rpartition(b":")[2].strip(b" \t\r\n>"))


def _plain(value: bytes) -> bytes:
    """Return the value without comments and without what is quoted.

    A comment that is not closed hides nothing: some readers would end it elsewhere.
    """
    kept: list[bytes] = []
    position = 0
    while token := _OUTSIDE.search(value, position):
        kept.append(value[position : token.start()])
        if token[0] != b"(":
            position = token.end()
            # Whoever overlooks the quotes of ``"a@b"@c`` reads an address of b.
            is_address = b"@" in token[0] and value[position : position + 1] == b"@"
            kept.append(_QUOTES.sub(b"", token[0]) if is_address else b"q")
            continue
        kept.append(b" ")
        position = _comment_end(value, token.end())
        if position < 0:
            kept.append(value[token.end() :].replace(b"(", b" "))
            return b"".join(kept)
    return b"".join(kept) + value[position:]


def _comment_end(value: bytes, position: int) -> int:
    """Return the position behind a comment that was opened before ``position``; -1 if it is not closed."""
    depth = 1
    for token in _IN_COMMENT.finditer(value, position):
        if token[0].startswith(b"("):
            depth += len(token[0])
        elif token[0] == b")":
            depth -= 1
            if depth == 0:
                return token.end()
    return -1
