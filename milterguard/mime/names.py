# SPDX-License-Identifier: GPL-3.0-or-later
"""Every file name that some mail program may show for a part, or save it under.

A name is banned if any of these is. The set is small for honest mail and bounded for any other; where it would
overflow, a name with an ending not seen yet goes before one with an ending that was.

*Source:* RFC 2183 section 2.3, RFC 2045 (name), RFC 2047, RFC 2231. *Errors:* none.
"""

from collections.abc import Iterator, Sequence
from itertools import chain, islice, zip_longest

from milterguard.mime import charset
from milterguard.mime.encoded_word import decoded_words
from milterguard.mime.parameter import NAMES, parse
from milterguard.mime.variant import variants

__all__ = ["candidates", "decoded_words"]

MAX_NAMES = 64
_MAX_FIELDS = 16
_MAX_VALUES = 400
_MAX_FOUND = 4000


def candidates(dispositions: Sequence[bytes], types: Sequence[bytes], others: Sequence[bytes] = ()) -> tuple[str, ...]:
    """Return every name of a part, the most telling first. Never raises.

    ``dispositions``, ``types``: the octets of its Content-Disposition and Content-Type fields; ``others``: of fields
    that are a name as a whole. At most 64 names of at most 1,000 characters, without lone surrogates.
    """
    values = dict.fromkeys(
        islice(chain(_values(dispositions, "filename"), _values(types, "name"), _wholes(others)), 3 * _MAX_VALUES)
    )
    if not values:
        return ()
    rounds = zip_longest(*(variants(value) for value in values))
    found = dict.fromkeys(name for each in rounds for name in each if name)
    return tuple(found) if len(found) <= MAX_NAMES else _selected(list(found)[:_MAX_FOUND])


def _values(fields: Sequence[bytes], usual: str) -> Iterator[str]:
    """Yield the values of some fields' name attributes: those of the usual attribute first."""
    parsed = [parse(value).values for value in _ends(fields)]
    for attribute in sorted(NAMES, key=lambda each: (each != usual, each)):
        for values in parsed:
            yield from values.get(attribute, ())[:_MAX_VALUES]


def _wholes(fields: Sequence[bytes]) -> Iterator[str]:
    for value in _ends(fields):
        octets = value[:8192].strip()
        yield decoded_words(octets)
        yield charset.guessed(octets)


def _ends(fields: Sequence[bytes]) -> list[bytes]:
    """Return the first and the last of too many fields."""
    half = _MAX_FIELDS // 2
    return list(fields) if len(fields) <= _MAX_FIELDS else [*fields[:half], *fields[-half:]]


def _selected(names: list[str]) -> tuple[str, ...]:
    """Return the names that tell most: the first of each ending, then the others in their order."""
    endings: dict[str, str] = {}
    for name in names:
        endings.setdefault(_ending(name), name)
    chosen = dict.fromkeys(islice(chain(endings.values(), names), MAX_NAMES))
    for name in names:
        if len(chosen) >= MAX_NAMES:
            break
        chosen.setdefault(name)
    return tuple(chosen)


def _ending(name: str) -> str:
    """Return what follows the last dot, in lower case, where it can be the ending of a program."""
    ending = name.rpartition(".")[2].lower()
    return ending if "." in name and len(ending) <= 8 and ending.isalnum() else ""
