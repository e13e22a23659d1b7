# SPDX-License-Identifier: GPL-3.0-or-later
"""The one sanitiser: whatever leaves for a reply, a field, a log, a table goes through here (D11).

Everything that came with a message or from a scanner is hostile: line ends that would start a
second field or reply, terminal escapes, characters that turn the reading direction, endless length.
All functions are total, linear and never raise.

*Source:* RFC 5321 section 4.2 (reply text), RFC 5322 section 2.2 (field bodies), RFC 2047.
"""

import re
from base64 import b64encode

_SAFE_ASCII = re.compile(r"[ -~]*\Z")

REPLY_LIMIT = 400
FIELD_LINE_LIMIT = 76
_WORD_OCTETS = 42
"""UTF-8 octets in one encoded word: 56 base64 characters and its 12 of frame stay below 75 (RFC 2047 section 2)."""


def printable(text: str, limit: int = 200) -> str:
    """Return text on one line that a terminal, a log and a web page may show.

    Unsafe characters become ``\\x{HEX}``; at most ``limit`` characters, an ellipsis marking a cut.
    """
    cut = text if len(text) <= limit else text[: max(0, limit - 1)] + "…"
    if cut.isprintable():
        return cut
    return "".join(each if each.isprintable() else f"\\x{{{ord(each):X}}}" for each in cut)


def ascii_printable(text: str, limit: int = REPLY_LIMIT) -> str:
    """Return text in printable ASCII only, at most ``limit`` characters: fit for an SMTP reply."""
    if len(text) <= limit and _SAFE_ASCII.match(text):
        return text
    shown = "".join(
        character if " " <= character <= "~" else f"\\x{{{ord(character):X}}}" for character in text[:limit]
    )
    return shown if len(shown) <= limit else shown[: limit - 3] + "..."


def decoded(octets: bytes) -> str:
    """Return octets as text: UTF-8 where they are, else Latin-1, so that nothing is lost or raises."""
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        return octets.decode("latin-1")


def storable(text: str, limit: int = 255) -> str:
    """Return text that any database column takes: no NUL, no surrogate, at most ``limit`` characters."""
    return text[:limit].replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def field_text(text: str, limit: int = 900) -> str:
    """Return text fit for a field body: one line, RFC 2047 encoded words when it is not ASCII."""
    safe = "".join(each if each.isprintable() else " " for each in text[:limit])
    if safe.isascii():
        return safe
    return _encoded_words(safe)


def _encoded_words(text: str) -> str:
    """Return text as UTF-8 encoded words, folded, none splitting a character."""
    words: list[bytes] = [b""]
    for character in text:
        octets = character.encode("utf-8")
        if len(words[-1]) + len(octets) > _WORD_OCTETS:
            words.append(b"")
        words[-1] += octets
    return "\n ".join(f"=?utf-8?B?{b64encode(word).decode('ascii')}?=" for word in words)


def folded(parts: list[str], *, first: int = 0, separator: str = "") -> str:
    """Join parts into one field body, folding with LF and a blank before a line grows too long.

    ``first`` is the width that the field's name takes on the first line. A part is never broken.
    """
    lines = [""]
    width = first
    for index, part in enumerate(parts):
        piece = part + (separator if index < len(parts) - 1 else "")
        if lines[-1] and width + len(piece) > FIELD_LINE_LIMIT:
            lines.append("")
            width = 1
        lines[-1] += piece
        width += len(piece)
    return "\n ".join(lines)
