# SPDX-License-Identifier: GPL-3.0-or-later
"""Which addresses a From field may be read to name: readers differ in which of several they show.

Not a parser that rejects: what no grammar allows is counted as the most credulous reader would.
Linear in the octets, whatever they are. Never raises.

*Source:* RFC 5322 sections 3.4 and 4.4 (comments, quoted strings, groups, routes).
"""

import re
from binascii import Error as Base64Error
from binascii import a2b_base64, a2b_qp
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice, pairwise

from milterguard.core.domain import ascii_domain, domain_of
from milterguard.core.message import Field

_OUTSIDE = re.compile(rb'\\.|"(?:[^"\\]|\\.)*+"|\(', re.DOTALL)
"""What hides specials outside of comments. A quote that is not closed hides nothing."""
_ATOM = re.compile(rb"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+\Z")
_QUOTES = re.compile(rb'["\\\s]')
_IN_COMMENT = re.compile(rb"\\.|\(+|\)", re.DOTALL)
_ANGLE = re.compile(rb"<([^<>]*)>?")
_SEPARATOR = re.compile(rb"[,;]")
_BREAK = re.compile(rb"[\s,<>:;]+")
_MOST_ADDRESSES = 10
_MORE = "\N{HORIZONTAL ELLIPSIS}@"
"""Stands for those beyond the limit: an address of no domain."""
_ENCODED = re.compile(rb"=\?[^?\s]{1,60}\?([bBqQ])\?([^?\s]*)\?=")
_AS_BLANKS = bytes.maketrans(b'<>,;:()"\\\0', b" " * 10)
"""What parts addresses from each other, or hides them."""
_JOINTS = ((b" @", b"@"), (b"@ ", b"@"), (b" .", b"."), (b". ", b"."))
_MARKS = ".'`\"()[]{}\N{NO-BREAK SPACE}\\!?"
"""What programs put around addresses by mistake; no reader takes it for a part of the domain."""
_AT = re.compile(rb"[^\s,@]\s*+@")
"""An address: something before the sign. In a route (``<@a,@b:user@c>``) there is nothing before the first ones."""


def address_count(value: bytes) -> int:
    """Return how many addresses the value of a From field may be read to name.

    A display name that looks like an address is none when an address in angle brackets follows. A
    value without any domain counts as one address unless nothing is left of it.
    """
    return max(map(_count, _readings_of(value)))


def addresses(value: bytes) -> tuple[str, ...]:
    """Return the addresses that the value of a From field may be read to name, each once.

    Of more than ten the first ten, and one of no domain. Words without a domain are no address. Blanks and comments
    beside ``@`` and dots are read both ways: some readers join what stands around them.
    """
    found: dict[bytes, None] = {}
    for place in _read_places(value):
        for word in _words(place):
            found.update(dict.fromkeys(_parts_of(word)))
        if len(found) > _MOST_ADDRESSES:
            break
    told = tuple(each.decode("utf-8", "replace") for each in islice(found, _MOST_ADDRESSES))
    return (*told, _MORE) if len(found) > _MOST_ADDRESSES else told


def beside_domains(fields: Iterable[Field]) -> frozenset[str]:
    """Return the domains of what looks like an address beside the one in angle brackets, and is not quoted.

    No grammar allows it, and some readers take it for the author: ``a@x.example <b@y.example>``.
    """
    values = [field.value for field in fields if field.is_named(b"From")]
    items = (item for value in values for plain in _readings_of(value) for item in _items(plain) if not _may_name(item))
    words = (word for item in items for word in _words(item))
    domains = (_domain_of(word.decode("utf-8", "replace")) for word in words)
    return frozenset(domain for domain in domains if domain is not None and "." in domain)


def _read_places(value: bytes) -> Iterator[bytes]:
    """Yield where addresses may stand; and where there is none, what quotes, comments and encoded words hide there."""
    normal, *others = _readings_of(value)
    everything = _plain(value, shows=_always)
    places = zip(_ANGLE.findall(normal), _ANGLE.findall(everything), strict=False)
    items = zip(_items(normal), _items(everything), strict=False)
    bare = ((item.replace(b"<>", b" "), all_of_it.translate(_AS_BLANKS)) for item, all_of_it in items if _is_bare(item))
    for place, all_of_it in chain(places, bare):
        seen = _ENCODED.sub(_decoded, place)
        yield seen if any(_words(seen)) else _ENCODED.sub(_decoded, all_of_it)
    for other in others:
        yield from _places(other)


def _decoded(word: re.Match[bytes]) -> bytes:
    """Return what an encoded word says, without what would part addresses (RFC 2047); itself where it says nothing."""
    is_base64 = word[1] in b"bB"
    try:
        text = a2b_base64(word[2] + b"==") if is_base64 else a2b_qp(word[2], header=True)
    except Base64Error:
        return word[0]
    return text.translate(_AS_BLANKS)


def _readings_of(value: bytes) -> tuple[bytes, ...]:
    """Return a value without comments as those read it who know what quotes are, and as those who do not."""
    return tuple(dict.fromkeys((_plain(value), _plain(value, shows=_before_sign))))


def _count(plain: bytes) -> int:
    places = _places(plain)
    return sum(len(_AT.findall(place)) for place in places) or int(any(map(_names_somebody, places)))


def _places(plain: bytes) -> list[bytes]:
    """Return where addresses may stand: in angle brackets, and in items without any, or with empty ones."""
    return [*_ANGLE.findall(plain), *(item.replace(b"<>", b" ") for item in _items(plain) if _may_name(item))]


def _items(plain: bytes) -> list[bytes]:
    """Return what separators part, with ``<`` for each address in angle brackets, and ``<>`` for empty ones."""
    return _SEPARATOR.split(_ANGLE.sub(lambda match: b"<" if match[1].strip() else b"<>", plain))


def _words(text: bytes) -> Iterator[bytes]:
    """Yield what may be an address in a text, with blanks beside signs and dots read both ways."""
    for each in dict.fromkeys((text, _joined(text))):
        yield from (word for word in _BREAK.split(each) if b"@" in word[1:-1])


def _may_name(item: bytes) -> bool:
    """Whether what stands outside of angle brackets may be an address."""
    return b"<" not in item or (b"@" in item and _is_bare(item))


def _is_bare(item: bytes) -> bool:
    """Whether there are no angle brackets, or empty ones only."""
    return b"<" not in item.replace(b"<>", b"")


def _joined(text: bytes) -> bytes:
    """Return a text without the blanks beside signs and dots."""
    joined = b" ".join(text.split())
    for apart, together in _JOINTS:
        joined = joined.replace(apart, together)
    return joined


def _parts_of(word: bytes) -> tuple[bytes, ...]:
    """Return what a word with a sign may be taken for: with several signs, as in ``a@b@c``, ``a@b`` as well."""
    parts = word.split(b"@", _MOST_ADDRESSES)[:-1]
    return (word, *(one + b"@" + other for one, other in pairwise(parts) if one))


def authors_of(fields: Iterable[Field]) -> tuple[str, ...]:
    """Return the addresses in all From fields of a message, in their order."""
    return tuple(author for field in fields if field.is_named(b"From") for author in addresses(field.value))


def author_domains(fields: Sequence[Field]) -> tuple[str | None, ...]:
    """Return the domains of all that From may be read to name, each once; None for what is no domain."""
    return tuple(dict.fromkeys(_domain_of(author) for author in authors_of(fields)))


def _domain_of(author: str) -> str | None:
    """Return the domain of an address as it is shown: without what cannot be seen at its ends."""
    domain = domain_of(author)
    return ascii_domain(domain.strip(_MARKS + "".join(each for each in set(domain) if not each.isprintable())))


def _names_somebody(place: bytes) -> bool:
    """Whether there is a word besides the name of a group."""
    return bool(place.rpartition(b":")[2].strip(b" \t\r\n>"))


def _nothing(_text: bytes, *, is_before_sign: bool) -> bytes | None:  # noqa: ARG001
    """Return nothing: quotes and comments hide what is in them."""
    return None


def _before_sign(text: bytes, *, is_before_sign: bool) -> bytes | None:
    """Return what those read who overlook the quotes of ``"a@b"@c``: an address of b."""
    return _QUOTES.sub(b"", text) if is_before_sign and b"@" in text else None


def _always(text: bytes, *, is_before_sign: bool) -> bytes | None:  # noqa: ARG001
    """Return what is hidden, without what would part addresses."""
    return text.translate(_AS_BLANKS)


def _plain(value: bytes, *, shows: Callable[..., bytes | None] = _nothing) -> bytes:
    """Return the value without comments and without what is quoted, but for what ``shows`` says of them.

    A comment that is not closed hides nothing: some readers would end it elsewhere.
    """
    kept: list[bytes] = []
    position = 0
    while token := _OUTSIDE.search(value, position):
        kept.append(value[position : token.start()])
        if token[0] != b"(":
            position = token.end()
            kept.append(_unquoted(token[0], shows, is_before_sign=value[position : position + 1] == b"@"))
            continue
        kept.append(b" ")
        position = _comment_end(value, token.end())
        if position < 0:
            kept.append(value[token.end() :].replace(b"(", b" "))
            return b"".join(kept)
        shown = shows(value[token.end() : position - 1], is_before_sign=False)
        kept.append(shown + b" " if shown else b"")
    return b"".join(kept) + value[position:]


def _unquoted(token: bytes, shows: Callable[..., bytes | None], *, is_before_sign: bool) -> bytes:
    """Return what a quoted or escaped piece is read as: itself where it hides nothing, else what no address has."""
    if token[:1] == b"\\":
        return token[1:]
    text = token[1:-1]
    if _ATOM.match(text):
        return text
    shown = shows(text, is_before_sign=is_before_sign)
    return b'"' if shown is None else shown


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
