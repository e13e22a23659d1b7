# SPDX-License-Identifier: GPL-3.0-or-later
"""Searches the XML of Office documents for what it fetches from elsewhere.

*Source:* ECMA-376 part 2 section 9.3 (relationships); their types in part 1.
"""

import html
import re

_RELATIONSHIP = re.compile(rb"<(?:\w{1,20}:)?Relationship\s[^>]{0,8000}>", re.IGNORECASE)
_FETCHED = re.compile(
    r"\bType\s*=\s*[\"'][^\"']{0,400}/(?:attachedTemplate|oleObject|frame|subDocument|aFChunk|package|externalLinkPath)[\"']",
    re.IGNORECASE,
)
_EXTERNAL = re.compile(r"\bTargetMode\s*=\s*[\"']\s*External", re.IGNORECASE)
# Word notes the template that a document was made from, on the disk of whoever made it.
_REMOTE = re.compile(
    r"\bTarget\s*=\s*[\"']\s*(?:(?!file:)[a-z][a-z0-9+.-]{1,20}:|[\\/]{2}|file:(?:/{2}[^/]|/{2,5}\\\\|\\\\|/{4}))",
    re.IGNORECASE,
)
_MAX_RELATIONSHIPS = 20_000


def plain_markup(octets: bytes) -> bytes:
    """Return markup in one octet a letter: of UTF-16 the half that says something."""
    return octets.replace(b"\0", b"")


def is_fetching(relationships: bytes) -> bool:
    """Tell whether one of them is fetched when the document is opened; links to click on are not."""
    for number, match in enumerate(_RELATIONSHIP.finditer(relationships)):
        tag = html.unescape(match[0].decode("utf-8", "replace"))
        if _EXTERNAL.search(tag) and _FETCHED.search(tag) and _REMOTE.search(tag):
            return True
        if number > _MAX_RELATIONSHIPS:
            break
    return False
