# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of the databases that know recipients, and what no single type can tell about them.

*Errors:* NoSelectError and Mismatch, which ``config/contradiction.py`` makes a ConfigError.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec

from milterguard.config.ldap import Ldap
from milterguard.config.select import RECIPIENT_PLACES, SENDER_PLACES, NoSelectError, parsed
from milterguard.core.setting import setting

_URL = re.compile(r"(?P<dialect>[A-Za-z0-9_+]+)://(?P<rest>.*)\Z", re.DOTALL)
_DIALECTS = ("sqlite", "postgresql+psycopg", "mysql+pymysql")
_DRIVERS = {"postgresql": "psycopg", "mysql": "pymysql", "mariadb": "pymysql"}
_OTHER_SPELLINGS = ("sqlite+pysqlite", "postgresql", "mariadb+pymysql")


@dataclass(frozen=True, slots=True)
class Sql:
    """Recipients and their senders' lists in a database. Section ``[lookup.sql]``."""

    urls: tuple[str, ...] = setting(
        (),
        "SQLAlchemy URLs, such as postgresql+psycopg://USER:PASSWORD@HOST/NAME; the first that is well is asked. "
        "Empty: no database is asked.",
        amavis="@lookup_sql_dsn",
        secret=True,
    )
    recipient_select: str = setting(
        "",
        "What is asked about a recipient; %k are the keys of his address, %a the address, %l its local part, %u that "
        "without extension, %e the extension, %d the domain. Empty: amavis' tables users, policy, wblist and mailaddr.",
        amavis="$sql_select_policy",
    )
    sender_select: str = setting(
        "",
        "With recipient_select, what is asked about senders: columns rid, email, wb and priority; %k are the keys of "
        "their addresses, %r the ids of the recipient. Empty: nothing.",
        amavis="$sql_select_white_black_list",
    )
    local_select: str = setting(
        "", "A recipient for whom it has a row is ours, as if local.domains said so. Empty: not asked."
    )
    timeout_seconds: float = setting(
        2.0,
        "Without an answer after that long what was said last holds; else the answer is 451.",
        minimum=0.1,
        maximum=8,
    )
    fresh_seconds: float = setting(
        30.0, "An answer holds that long before it is asked again.", minimum=0, maximum=86400
    )
    retry_seconds: float = setting(
        5.0, "A database that failed is not asked again for that long.", minimum=0, maximum=86400
    )


@dataclass(frozen=True, slots=True)
class Lookup:
    """What knows recipients beside the files. Sections ``[lookup.NAME]``."""

    sql: Sql = field(default_factory=Sql)
    ldap: Ldap = field(default_factory=Ldap)


def sql_slips(sql: Sql) -> Iterator[tuple[str, str, str]]:
    """Yield what is wrong: key, what was expected, what was found. Passwords are not shown."""
    for url in sql.urls:
        yield from (("urls", *slip) for slip in _url_slips(url))
    if len(set(sql.urls)) < len(sql.urls):
        yield "urls", "each database once", "one twice"
    for key in ("recipient_select", "local_select"):
        yield from _select_slips(key, getattr(sql, key), places=RECIPIENT_PLACES, needed=RECIPIENT_PLACES)
    yield from _select_slips("sender_select", sql.sender_select, places=SENDER_PLACES, needed="k")
    if sql.sender_select and not sql.recipient_select:
        yield "sender_select", "recipient_select beside it", "none: amavis' tables are asked together"


def _url_slips(url: str) -> Iterator[tuple[str, str]]:
    found = _URL.match(url)
    if found is None:
        yield "DIALECT://…", "something else (not shown)"
    elif found["dialect"] not in (*_DIALECTS, *_OTHER_SPELLINGS):
        yield f"{', '.join(_DIALECTS[:-1])} or {_DIALECTS[-1]} before ://", f'"{found["dialect"]}"'
    elif (driver := _DRIVERS.get(found["dialect"].partition("+")[0])) and find_spec(driver) is None:
        yield f"the Python module {driver} to be installed", "none"
    elif found["dialect"].startswith("sqlite"):
        file = found["rest"].partition("?")[0]
        if not file.startswith("//") or len(file) < 3:
            yield "an absolute path: sqlite:////PATH, four slashes", "another one"


def _select_slips(key: str, text: str, *, places: str, needed: str) -> Iterator[tuple[str, str, str]]:
    try:
        if text:
            parsed(text, places=places, needed=needed)
    except NoSelectError as error:
        yield key, error.expected, error.got
