# SPDX-License-Identifier: GPL-3.0-or-later
"""How a file name ends, in every way in which some program may read it.

Windows drops dots and blanks at the end, a program in C stops at a NUL, a font shows nothing for a
zero-width space, an old code page makes a Latin letter of a full-width one. Whoever hides an ending
needs one such reader; whoever looks for it needs them all. Total, linear, never raises.

*Source:* Microsoft, "Naming Files, Paths, and Namespaces"; Unicode Technical Report 36.
"""

import re
import unicodedata

LONGEST = 1000
"""Characters of a name that are looked at: its head and its tail."""
_LONGEST_UNSEEN = 16 * LONGEST
_BARE = re.compile(r"[ !#-.0-9;-\[\]-~]*\Z")
"""What needs no second reading: printable ASCII without quote, slash, colon or backslash."""
_LINE_END = re.compile(r"[\0-\x1f\x7f]")
_AT_END = " .\"';,\u00a0"
_NO_WIDTH = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u3164\ufe00-\ufe0f\uffa0]")
"""Shown as nothing although Unicode counts them among letters and marks."""


def endings(name: str, *, is_member: bool = False) -> frozenset[str]:
    """Return the extensions that a name may be taken to have, in lower case, without the dot.

    The last one and the last two together: ``exe`` and ``jpg.exe``. A member of an archive whose
    name ends in a slash is a folder and has none.
    """
    if len(name) <= LONGEST and _BARE.match(name):
        return _endings_of(name.lower())
    found: set[str] = set()
    # What is not seen may stand within an ending, and more of it than is looked at.
    for each in {clipped(name, LONGEST), seen(name)}:
        for reading in _readings(each):
            found |= _endings_of(_base(reading, is_member=is_member))
    return frozenset(found)


def plain(name: str) -> str:
    """Return a name without what cannot be seen, in compatible letters and plain blanks: ``ａ.ｅｘｅ`` is ``a.exe``."""
    if name.isascii() and name.isprintable():
        return name
    seen = "".join(each if each.isprintable() else " " if _is_blank(each) else "" for each in name)
    return unicodedata.normalize("NFKC", _NO_WIDTH.sub("", seen))


def seen(name: str) -> str:
    """Return what is seen of a name, at most ``LONGEST`` characters: ``plain`` before it is clipped."""
    return clipped(plain(clipped(name, _LONGEST_UNSEEN)), LONGEST)


def clipped(text: str, limit: int) -> str:
    """Return text of at most ``limit`` characters: a third of them from its head, the rest from its tail."""
    if len(text) <= limit:
        return text
    head = limit // 3
    return text[:head] + text[head - limit :]


def _readings(name: str) -> set[str]:
    """Return a name as a whole, up to its first control character, and up to a stream's colon."""
    cut = {name, _LINE_END.split(name, maxsplit=1)[0]}
    whole = {plain(each).lower() for each in cut}
    return whole | {each.partition(":")[0] for each in whole if each.find(":") > 1}


def _base(name: str, *, is_member: bool) -> str:
    """Return what stands behind the last slash of either kind."""
    path = name.replace("\\", "/")
    return (path if is_member else path.rstrip("/" + _AT_END)).rpartition("/")[2]


def _endings_of(base: str) -> frozenset[str]:
    pieces = [piece.strip() for piece in base.strip(" \"'").rstrip(_AT_END).split(".")[-3:]]
    if len(pieces) == 1:
        return frozenset()
    return frozenset((pieces[-1], ".".join(pieces[-2:]))) if len(pieces) == 3 else frozenset(pieces[-1:])


def _is_blank(character: str) -> bool:
    """Whether a character that is not printable takes room on a line all the same."""
    return unicodedata.category(character)[0] == "Z"
