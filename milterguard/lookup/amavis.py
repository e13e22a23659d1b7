# SPDX-License-Identifier: GPL-3.0-or-later
"""amavis' names for what holds for a recipient: the columns of its SQL tables, the attributes of its LDAP schema.

Both say the same in other spelling: column ``spam_tag2_level`` is attribute ``amavisSpamTag2Level``.
NULL, and in texts of levels and flags nothing at all, means that nothing is said here.

*Source:* amavis' README.sql (table ``policy``) and LDAP.schema (``amavisAccount``). *Errors:* Unreadable,
with the column, for a value that is none of its kind; whoever asks tells it in the log and goes on
without that value.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from milterguard.core.finding import Category
from milterguard.core.folder import ROOT, is_folder
from milterguard.core.recipients import is_extension

_BLANKS = re.compile(r"[\s,]+")
_LONGEST_TEXT = 1024
_ALIAS = re.compile(r"(?:virus|banned|unchecked|spam|bad-header|clean)-quarantine\Z")
"""What ``$*_quarantine_to`` are by default: they stand for ``$QUARANTINEDIR``."""


class Unreadable(ValueError):  # noqa: N818  (caught by the sources alone)
    """A value of a column that does not fit."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column, as a setting of ours."""

    setting: str
    read: Callable[[Any], object]
    """From the database's value; raises Unreadable."""


def settings_of(row: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """Yield policy keys and values for what a row says, column by column; a key may come several times.

    Tables by category come as one pair for each column. What is NULL is not said. Raises Unreadable.
    """
    for name, value in row.items():
        column = COLUMNS.get(name)
        if column is None or value is None:
            continue
        try:
            read = column.read(_plain(value))
        except Unreadable as error:
            raise Unreadable(f"{name}: {error}") from None
        if read is not None:
            yield column.setting, read


def is_yes(value: Any) -> bool | None:
    """Return what a flag says (``Y``, ``1``, ``TRUE``); None for a blank one. Raises Unreadable."""
    word = str(_plain(value)).strip().upper()
    if word in ("Y", "YES", "1", "TRUE", "T"):
        return True
    if word in ("N", "NO", "0", "FALSE", "F"):
        return False
    if not word:
        return None
    raise Unreadable(f"expected Y or N, found {word[:40]!r}")


def attribute_of(column: str) -> str:
    """Return the LDAP attribute that says what a column does: ``virus_lover`` → ``amavisVirusLover``."""
    return _ODD_ATTRIBUTES.get(column) or "amavis" + "".join(word.capitalize() for word in column.split("_"))


def _plain(value: Any) -> Any:
    """Return text for octets; amavis lets MariaDB keep addresses as VARBINARY."""
    return bytes(value).decode("utf-8", "replace") if isinstance(value, bytes | bytearray | memoryview) else value


def _text(value: Any) -> str:
    text = str(value)
    if len(text) > _LONGEST_TEXT or not text.isprintable():
        raise Unreadable("expected one line of printable text")
    return text


def _level(value: Any) -> float | None:
    if isinstance(value, str) and not value.strip():
        return None
    try:
        level = float(value)
    except (TypeError, ValueError):
        raise Unreadable(f"expected a number, found {str(value)[:40]!r}") from None
    if not math.isfinite(level):
        raise Unreadable("expected a finite number")
    return level


def _size(value: Any) -> int | None:
    size = _level(value)
    return None if size is None else max(0, int(size))


def _names(value: Any) -> tuple[str, ...]:
    return tuple(word for word in _BLANKS.split(_text(value)) if word)


def _extension_for(category: Category) -> Callable[[Any], object]:
    def read(value: Any) -> object:
        text = _text(value).strip()
        if text and not is_extension(text):
            raise Unreadable("expected an address extension")
        return ((category, text),)

    return read


def _folder_for(category: Category) -> Callable[[Any], object]:
    return lambda value: ((category, _folder(_text(value).strip())),)


def _folder(text: str) -> str:
    """Return where a copy is kept. Nobody is written to: for a mail address it is kept in the quarantine itself.

    So it is for amavis' own names of that, such as ``virus-quarantine``.
    """
    if "@" in text or _ALIAS.match(text):
        return ROOT
    if text and not is_folder(text):
        raise Unreadable("expected a folder below the quarantine")
    return text


def _tag_for(category: Category) -> Callable[[Any], object]:
    return lambda value: ((category, _text(value)),)


_KINDS = {
    "virus": Category.VIRUS,
    "banned": Category.BANNED,
    "unchecked": Category.UNCHECKED,
    "spam": Category.SPAM,
    "bad_header": Category.BAD_HEADER,
    "clean": Category.CLEAN,
}

COLUMNS: Mapping[str, Column] = {
    **{
        f"{kind}_lover": Column(f"{kind}_lover", is_yes)
        for kind in ("virus", "spam", "banned", "unchecked", "bad_header")
    },
    "banned_files_lover": Column("banned_lover", is_yes),
    **{
        f"bypass_{kind}_checks": Column(f"bypass_{kind}_checks", is_yes)
        for kind in ("virus", "spam", "banned", "header")
    },
    **{f"spam_{level}_level": Column(f"spam_{level}_level", _level) for level in ("tag", "tag2", "tag3", "kill")},
    "spam_quarantine_cutoff_level": Column("spam_quarantine_cutoff_level", _level),
    "spam_subject_tag": Column("spam_subject_tag1", _text),
    "spam_subject_tag2": Column("spam_subject_tag", _text),
    "spam_subject_tag3": Column("spam_subject_tag3", _text),
    "message_size_limit": Column("message_size_limit", _size),
    "banned_rulenames": Column("banned_rules", _names),
    **{
        f"addr_extension_{kind}": Column("addr_extension", _extension_for(category))
        for kind, category in _KINDS.items()
    },
    **{f"{kind}_quarantine_to": Column("quarantine_to", _folder_for(category)) for kind, category in _KINDS.items()},
}
"""Columns that mean something to us."""

IGNORED: Mapping[str, str] = {
    "spam_dsn_cutoff_level": "no bounce is ever written",
    "archive_quarantine_to": "policy.store_on_pass keeps copies of delivered mail",
    **dict.fromkeys(("warnvirusrecip", "warnbannedrecip", "warnbadhrecip"), "nobody is written to"),
    **{f"{kind}_admin": "nobody is written to" for kind in ("newvirus", "virus", "banned", "bad_header", "spam")},
    "disclaimer_options": "no disclaimers are added",
    "forward_method": "the MTA forwards",
    "sa_userconf": "spamd has its own, for checks.spamd.user",
    "sa_username": "spamd is asked once for all recipients, as checks.spamd.user",
}
"""Columns of amavis that have no meaning here, and why."""

_ODD_ATTRIBUTES = {
    "warnvirusrecip": "amavisWarnVirusRecip",
    "warnbannedrecip": "amavisWarnBannedRecip",
    "warnbadhrecip": "amavisWarnBadHeaderRecip",
    "newvirus_admin": "amavisNewVirusAdmin",
    "banned_rulenames": "amavisBannedRuleNames",
    "sa_username": "amavisSaUserName",
    "sa_userconf": "amavisSaUserConf",
}
