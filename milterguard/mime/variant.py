# SPDX-License-Identifier: GPL-3.0-or-later
"""What a mail program or a file system may turn one file name into.

Each step is one habit: decode encoded words, drop backslashes, keep what follows the last slash, drop what cannot be
seen. They are applied to what earlier steps yielded too, because programs combine them; a count ends it.

*Source:* RFC 2047, RFC 2183 section 2.3 (paths), Unicode TR 36; Windows' naming rules. *Errors:* none.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator
from itertools import islice

from milterguard.mime import charset, extended
from milterguard.mime.dialect import BLANKS, without_comments
from milterguard.mime.encoded_word import decoded
from milterguard.mime.reading import unescaped

MAX_CHARACTERS = 1000
_MOST = 40
_DEPTH = 3
_ORDINARY = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_+,-]|[ .](?=[A-Za-z0-9_+,-]))*+")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\uffff\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_PERCENT = re.compile(r"%[0-9A-Fa-f]{2}")
_DECLARED = re.compile(r"([A-Za-z0-9_:.+-]{0,40})'([A-Za-z0-9-]{0,20})'(.*)\Z", re.DOTALL)
_SEPARATOR = re.compile(r"[/\\]")
_ENDING_JUNK = " .\t\r\n\f\v\0\xa0\u3000\"'"


def variants(name: str) -> Iterator[str]:
    """Yield a name and everything that it may become, the plainest first; at most 40, of at most 1,000 characters."""
    if len(name) <= MAX_CHARACTERS and _ORDINARY.fullmatch(name):
        yield name
        return
    yield from islice(_reached(name), _MOST)


def _reached(name: str) -> Iterator[str]:
    """Yield what the steps make of a name, one step away first."""
    found = dict.fromkeys(each for first in _shown(charset.whole(name)) for each in _bounded(first))
    yield from found
    level = list(found)
    for _ in range(_DEPTH):
        following: list[str] = []
        for each in level:
            for step in _STEPS:
                for value in step(each):
                    for kept in _bounded(charset.whole(value)):
                        if kept and kept not in found:
                            found[kept] = None
                            following.append(kept)
                            yield kept
        level = following


def _shown(name: str) -> Iterator[str]:
    """Yield a name as most programs show it, then as it came."""
    try:
        text = name.encode("latin-1").decode("utf-8")
    except UnicodeError:
        text = name
    yield charset.whole(decoded(text))
    yield text
    yield name


def _bounded(name: str) -> Iterator[str]:
    """Yield a name, or of one that is too long its tail, where the ending is, and its head."""
    if len(name) <= MAX_CHARACTERS:
        yield name
    else:
        yield name[-MAX_CHARACTERS:]
        yield name[:MAX_CHARACTERS]


def _words(name: str) -> Iterator[str]:
    if "=?" in name:
        yield decoded(name)
        yield decoded(name, is_joined=False)
        # Programs that end a word at the next quote or blank, or that look for no word's end at all.
        yield decoded("".join(name.split()))


def _eight_bit(name: str) -> Iterator[str]:
    """Yield the octets that Latin-1 text stands for as UTF-8 and as the most common code pages."""
    if name.isascii():
        return
    try:
        octets = name.encode("latin-1")
    except UnicodeEncodeError:
        return
    text = octets.decode("utf-8", "replace")
    yield text
    yield octets.decode("ascii", "ignore")
    if "\ufffd" in text:
        yield octets.decode("cp1252", "replace")


def _percent(name: str) -> Iterator[str]:
    declared = _DECLARED.match(name)
    if declared:
        yield declared[3]
        yield charset.text(_octets(declared[3]), declared[1])
    if _PERCENT.search(name):
        yield charset.guessed(_octets(name))


def _octets(name: str) -> bytes:
    return extended.octets(name) if name.isascii() else extended.octets(name.encode("utf-8").decode("latin-1"))


def _controls(name: str) -> Iterator[str]:
    found = _CONTROLS.search(name)
    if found:
        yield _CONTROLS.sub("", name)
        yield name[: found.start()]
        yield _CONTROLS.sub(" ", name)
        yield name.partition("\0")[0]
        yield re.sub(r"\r?\n[ \t]*", "", name)


def _invisible(name: str) -> Iterator[str]:
    if not name.isascii():
        yield _INVISIBLE.sub("", name)


def _normal(name: str) -> Iterator[str]:
    """Yield the compatible form: a wide or raised letter or dot as the plain one. Only ever of short text."""
    if not name.isascii():
        yield unicodedata.normalize("NFKC", name)


def _pairs(name: str) -> Iterator[str]:
    if "\\" in name:
        yield unescaped(name)


def _base(name: str) -> Iterator[str]:
    if _SEPARATOR.search(name):
        yield _SEPARATOR.split(name)[-1]
        yield name.rpartition("/")[2]
        yield name.rpartition("\\")[2]
        yield _SEPARATOR.split(name.rstrip("/\\ ."))[-1]


def _ending(name: str) -> Iterator[str]:
    yield name.rstrip(_ENDING_JUNK)
    yield name.strip(BLANKS)


def _marks(name: str) -> Iterator[str]:
    if '"' in name or "'" in name:
        yield name.replace('"', "")
        yield name.strip("\"' ")
        yield name.partition('"')[0]
    if name[:1] in "<[({":
        yield name.strip("<>[](){}")
    if "(" in name:
        yield without_comments(name)
    if ";" in name:
        yield name.partition(";")[0].rstrip(BLANKS)
    if ":" in name:
        # A stream of a file (evil.exe:x), or a drive.
        yield name.partition(":")[0]
        yield name.rpartition(":")[2]


_STEPS: tuple[Callable[[str], Iterator[str]], ...] = (
    _words,
    _eight_bit,
    _percent,
    _pairs,
    _base,
    _ending,
    _controls,
    _invisible,
    _normal,
    _marks,
)
