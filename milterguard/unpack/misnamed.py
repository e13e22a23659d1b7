# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells what calls itself an archive and is of no kind that is opened here: its reader may know better.

WinRAR finds an archive behind a megabyte of anything; what a name promises has to be looked into, or be told.
*Errors:* none.
"""

from collections.abc import Iterable

from milterguard.core.spelling import endings

_ARCHIVES = frozenset(
    (
        *(
            "zip",
            "7z",
            "rar",
            "gz",
            "bz2",
            "xz",
            "zst",
            "lz4",
            "lz",
            "lzma",
            "lzo",
            "lrz",
            "Z",
            "F",
            "tar",
            "cpio",
            "rpm",
        ),
        *("deb", "a", "cab", "arj", "lha", "iso", "udf", "xar", "arc", "zoo", "ace", "sit", "alz", "egg", "pgp.enc"),
        *("smime.enc", "empty"),
    )
)
_MAILS = frozenset({"mail", "msg", "cdf-ms", "smime", "smime.enc", "pgp.enc", "empty"})
_KINDS = {
    **dict.fromkeys(
        (
            *("zip", "zipx", "7z", "rar", "arj", "lha", "lzh", "cab", "ace", "jar", "iso", "udf"),
            *("tar", "tgz", "taz", "tbz", "tbz2", "txz", "tzst", "gz", "bz2", "xz", "zst", "lz4", "lzma", "z"),
        ),
        _ARCHIVES,
    ),
    "eml": _MAILS,
    "msg": _MAILS,
}
"""What a file with that ending may be."""
DETAIL = "its name is an archive's or a mail's, its content none that is known here"


def is_misnamed(names: Iterable[str], kinds: tuple[str, ...]) -> bool:
    """Return whether a name ends like an archive's or a mail's, and no kind of the content is one of those."""
    promised = (_KINDS[ending] for name in names for ending in endings(name) if ending in _KINDS)
    return bool(kinds) and any(may_be.isdisjoint(kinds) for may_be in promised)
