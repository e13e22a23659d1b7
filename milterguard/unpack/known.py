# SPDX-License-Identifier: GPL-3.0-or-later
"""Every short type that a part may be told to have, in lower case, as rules are written.

*Source:* the tables of those who tell them.
"""

from milterguard.unpack import document, kind, looks, magic_kind, signature

_BY_SHAPE = (
    *("empty", "dat", "asc", "txt", "html", "xml", "svg", "bat", "perl", "python", "php", "ruby", "bash", "sh", "node"),
    *("movie", "avi", "audio", "wav", "image", "webp", "bmp", "riff", "o", "exe-unix", "msi", "xlsm", "docm", "reg"),
)
"""What is told by its shape and stands in no table."""

KNOWN = frozenset(
    each.lower()
    for kinds in (
        *(kinds for _, kinds in signature.BEGINNINGS),
        *(kinds for _, _, kinds in signature.INSIDE),
        *(kinds for _, kinds in signature.CMS),
        *(kinds for _, kinds in signature.OLE_STREAMS),
        *(kinds for _, kinds in signature.ZIP_NAMES),
        *(kinds for kinds, _ in document.LOOKS),
        *magic_kind.KINDS,
        kind.OPENABLE,
        kind.LOCKED,
        looks.UNOPENED,
        _BY_SHAPE,
    )
    for each in kinds
)
