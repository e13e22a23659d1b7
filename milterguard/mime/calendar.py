# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that stand in a calendar as properties: Outlook makes attachments of them.

*Source:* RFC 5545 sections 3.1 (folding) and 3.8.1.1 (ATTACH); MS-OXCICAL for the names. *Errors:* none.
"""

import re
from collections.abc import Iterator

_FOLD = re.compile(rb"\r?\n[ \t]")
_ATTACH = re.compile(rb"(?mi)^ATTACH(;(?:[^:\"\r\n]++|\"[^\"\r\n]*+\")*+):([^\r\n]*+)")
_BASE64 = re.compile(rb"(?i);ENCODING=\"?(?:BASE64|B)\b")
_NAME = re.compile(rb"(?i);(?:X-[A-Z-]{0,30})?FILENAME=(?:\"([^\"]*+)\"|([^;:]*+))")


def attached(octets: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the name, or nothing, and the base64 of each file in a calendar."""
    unfolded = _FOLD.sub(b"", octets)
    for found in _ATTACH.finditer(unfolded):
        if _BASE64.search(found[1]):
            name = _NAME.search(found[1])
            yield (name[1] or name[2] or b"").decode("utf-8", "replace") if name else "", found[2]
