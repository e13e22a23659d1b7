# SPDX-License-Identifier: GPL-3.0-or-later
"""Searches the XML of Office documents for what it fetches from elsewhere, and what starts macros.

*Source:* ECMA-376 part 2 section 9.3 (relationships); their types in part 1.
"""

import html
import re
from collections.abc import Iterator
from itertools import islice

# Possessive, and none runs over another tag: a bracket may stand in quotes, but not the opening one.
_TAG = rb"<(?:\w{1,20}:)?%s\s(?:[^<>\"']++|\"[^\"<]*+\"|'[^'<]*+')*+>"
_RELATIONSHIP = re.compile(_TAG % b"Relationship", re.IGNORECASE)
_RIBBON = re.compile(_TAG % b"customUI", re.IGNORECASE)
_LISTENER = re.compile(_TAG % b"event-listener", re.IGNORECASE)
_ON_LOAD = re.compile(r"\sonLoad\s*=", re.IGNORECASE)
_STARTING = re.compile(
    r"event-name\s*=\s*[\"'](?:dom|office):"
    r"(?:load|load-finished|start-app|create|new|view-created|focus|unload|close-app)",
    re.IGNORECASE,
)
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
_MAX_TAGS = 20_000


def plain_markup(octets: bytes) -> bytes:
    """Return markup in one octet a letter: of UTF-16 the half that says something."""
    return octets.replace(b"\0", b"")


def is_fetching(relationships: bytes) -> bool:
    """Tell whether one of them is fetched when the document is opened; links to click on are not."""
    return any(
        _EXTERNAL.search(tag) and _FETCHED.search(tag) and _REMOTE.search(tag)
        for tag in _tags(_RELATIONSHIP, relationships)
    )


def starts_macros(markup: bytes) -> bool:
    """Tell whether a ribbon or an event of the document calls a macro when it is opened."""
    return any(_ON_LOAD.search(tag) for tag in _tags(_RIBBON, markup)) or any(
        _STARTING.search(tag) for tag in _tags(_LISTENER, markup)
    )


def _tags(pattern: re.Pattern[bytes], markup: bytes) -> Iterator[str]:
    """Yield the tags of a name, character references resolved."""
    for match in islice(pattern.finditer(markup), _MAX_TAGS):
        yield html.unescape(match[0].decode("utf-8", "replace"))
