# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a copy lies under the quarantine's root: ``V/virus-VkX0aB3dE5fG``, ``s/spam-sPx….gz``, ``customer/V/virus-…``.

Only what matches these patterns is ever opened, so an id leads nowhere else.

*Source:* amavis ``*_quarantine_method`` (``local:virus-%m``) and ``$quarantine_subdir_levels`` 1.
"""

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from milterguard.core.finding import Category
from milterguard.core.folder import PATTERN, is_folder
from milterguard.errors import NotFoundError, StoreError

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
_LOCATION = re.compile(rf"(?:{PATTERN}/)?([A-Za-z0-9])/(?:{'|'.join(_NAMES.values())})-({_ID})(?:\.gz)?\Z")


def checked(mail_id: str) -> str:
    """Return the id if it can be one. Raises NotFoundError."""
    if not _MAIL_ID.match(mail_id):
        raise NotFoundError("that is no mail id")
    return mail_id


def location_of(category: Category, mail_id: str, folder: str = "") -> str:
    """Return where a message of that category lies. Raises StoreError for what is no folder of ours."""
    if folder and not is_folder(folder):
        raise StoreError("that is no folder of the quarantine")
    packed = ".gz" if category in _PACKED else ""
    return f"{_below(folder)}{mail_id[0]}/{_NAMES[category]}-{mail_id}{packed}"


def locations_of(mail_id: str, folders: Iterable[str] = ("",)) -> Iterator[str]:
    """Yield everywhere that a message with that id can lie in these folders."""
    return (location_of(category, mail_id, folder) for folder in folders for category in _NAMES)


def folders_in(root: Path) -> Iterator[str]:
    """Yield the root, as the empty string, and the folders that ``quarantine_to`` has made. Raises OSError.

    Symbolic links are not followed.
    """
    waiting = [""]
    while waiting:
        folder = waiting.pop(0)
        yield folder
        names = (f"{_below(folder)}{name}" for name in _subfolders(root / folder))
        waiting += sorted(name for name in names if is_folder(name))


def letters_in(root: Path, folder: str) -> list[str]:
    """Return the folders in one of ``folders_in`` that hold mail, relative to the root. Raises OSError."""
    return sorted(f"{_below(folder)}{name}" for name in _subfolders(root / folder) if len(name) == 1)


def checked_path(root: Path, location: str) -> Path:
    """Return a location's path. Raises StoreError when a symbolic link would lead it elsewhere."""
    path = root / location
    if any(folder.is_symlink() for folder in path.parents[: location.count("/")]):
        raise StoreError("a folder of the quarantine is a symbolic link")
    return path


def _below(folder: str) -> str:
    return f"{folder}/" if folder else ""


def _subfolders(path: Path) -> list[str]:
    try:
        with os.scandir(path) as entries:
            return [each.name for each in entries if each.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return []  # nothing was ever kept


def mail_id_at(location: str) -> str:
    """Return the id that a location is named after; empty when it is no location of ours."""
    match = _LOCATION.match(location)
    return match[2] if match is not None and match[2].startswith(match[1]) else ""
