# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands before the parameters: a type or a disposition, with everything that may be mistaken for it.

*Source:* RFC 2045 section 5.1, RFC 2183 section 2. *Errors:* none.
"""

import re
from collections.abc import Iterator, Sequence

from milterguard.mime.dialect import BLANKS, without_comments
from milterguard.mime.encoded_word import decoded

_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,100}/[a-z0-9!#$&^_.+-]{1,100}")
_CLEAN = re.compile(r"[a-z0-9!#$&^_.+'{}|~`-]+(?:/[a-z0-9!#$&^_.+'{}|~`-]+)?")
_SEPARATORS = re.compile(r"[\s,;:()<>\"'\[\]\x00-\x1f\x7f]+")
_BLANKS_AND_QUOTES = re.compile(r"[\s\"'\x00-\x1f\x7f]+")
_BEYOND = re.compile(r"[^\x21-\x7e]+")
_MOST = 16
_MAX_CHARACTERS = 2000


def mains_of(heads: Sequence[str]) -> tuple[bytes, ...]:
    """Return every reading of what the dialects put before the parameters, the one by the book first."""
    book = heads[0].strip(BLANKS).lower()[:_MAX_CHARACTERS]
    if _CLEAN.fullmatch(book) and all(each.strip(BLANKS).lower() in (book, "") for each in heads):
        return (book.encode("latin-1"),)
    found = {book: None} if _CLEAN.fullmatch(book) else {}
    for head in dict.fromkeys(heads):
        found.update(dict.fromkeys(_types(head.lower()[:_MAX_CHARACTERS])))
    if not found and book and "=" not in book:
        found[book[:200]] = None
    return tuple(each.encode("latin-1", "ignore") for each in list(found)[:_MOST])


def _types(head: str) -> Iterator[str]:
    """Yield everything in a head that has the form of a type."""
    forms = [without_comments(head), without_comments(head, filler=" "), head, head.partition("\0")[0]]
    if "=?" in head:
        forms.append(decoded(head).lower())
    for form in dict.fromkeys(forms):
        for word in (
            *_SEPARATORS.split(form),
            _BLANKS_AND_QUOTES.sub("", form),
            _BEYOND.sub("", form),
            form.partition(",")[0].strip(BLANKS),
        ):
            if _TYPE.fullmatch(word):
                yield word
