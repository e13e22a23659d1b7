# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a copy lies under the quarantine's root: ``V/virus-VkX0aB3dE5fG``, ``s/spam-sPx….gz``.

Only what matches these patterns is ever opened, so an id leads nowhere else.

*Source:* amavis ``*_quarantine_method`` (``local:virus-%m``) and ``$quarantine_subdir_levels`` 1.
"""

import re

from milterguard.core.finding import Category
from milterguard.errors import NotFoundError

_NAMES = {
    Category.VIRUS: "virus",
    Category.BANNED: "banned",
    Category.UNCHECKED: "unchecked",
    Category.FORGED: "forged",
    Category.SPAM: "spam",
    Category.SPAMMY: "spammy",
    Category.BAD_HEADER: "badh",
    Category.OVERSIZED: "oversized",
    Category.FAILED: "failed",
    Category.CLEAN: "clean",
}
_PACKED = frozenset({Category.SPAM, Category.SPAMMY})
_ID = r"[A-Za-z0-9][A-Za-z0-9_-]{2,14}[A-Za-z0-9]"
_MAIL_ID = re.compile(rf"{_ID}\Z")
_LOCATION = re.compile(rf"([A-Za-z0-9])/(?:{'|'.join(_NAMES.values())})-({_ID})(?:\.gz)?\Z")


def checked(mail_id: str) -> str:
    """Return the id if it can be one. Raises NotFoundError."""
    if not _MAIL_ID.match(mail_id):
        raise NotFoundError("that is no mail id")
    return mail_id


def location_of(category: Category, mail_id: str) -> str:
    """Return where a message of that category lies."""
    packed = ".gz" if category in _PACKED else ""
    return f"{mail_id[0]}/{_NAMES[category]}-{mail_id}{packed}"


def locations_of(mail_id: str) -> list[str]:
    """Return everywhere that a message with that id can lie."""
    return [location_of(category, mail_id) for category in _NAMES]


def mail_id_at(location: str) -> str:
    """Return the id that a location is named after; empty when it is no location of ours."""
    match = _LOCATION.match(location)
    return match[2] if match is not None and match[2].startswith(match[1]) else ""
