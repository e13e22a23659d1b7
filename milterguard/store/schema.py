# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables, with amavis' names and columns, so that its lookups, reports and web pages work on them.

``evidence`` is ours. Types are SQLAlchemy's portable ones; flags are CHAR(1) as amavis has them.
``msgs.secret_id`` is filled with random characters that mean nothing: whoever can read the database
must not be able to release mail with what he reads there.

*Source:* amavis' README.sql (lookup and storage side).
"""

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeEngine

metadata = MetaData()

_BigId = BigInteger().with_variant(Integer(), "sqlite")
"""SQLite numbers rows by itself only in a column of type INTEGER."""


_LongText = Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")
"""MariaDB's TEXT ends at 64 KiB."""


def _exact(length: int) -> "TypeEngine[str]":
    """Text that MariaDB compares octet for octet too (amavis: VARBINARY): ids differ in the case of a letter."""
    return String(length).with_variant(mysql.VARCHAR(length, collation="utf8mb4_bin"), "mysql", "mariadb")


def _flag(name: str) -> "Column[str]":
    return Column(name, String(1))


def _blank_flag(name: str) -> "Column[str]":
    return Column(name, String(1), nullable=False, server_default=" ")


# --- lookup side: read only by us --------------------------------------------------------------------

users = Table(
    "users",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("priority", Integer, nullable=False, server_default="7"),
    Column("policy_id", Integer, nullable=False, server_default="1"),
    Column("email", _exact(255), nullable=False, unique=True),
    Column("fullname", String(255)),
    _flag("local"),
)

mailaddr = Table(
    "mailaddr",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("priority", Integer, nullable=False, server_default="7"),
    Column("email", _exact(255), nullable=False, unique=True),
)

wblist = Table(
    "wblist",
    metadata,
    Column("rid", Integer, primary_key=True, autoincrement=False),
    Column("sid", Integer, primary_key=True, autoincrement=False),
    Column("wb", String(10), nullable=False),
)

_POLICY_FLAGS = (
    *(f"{kind}_lover" for kind in ("virus", "spam", "unchecked", "banned_files", "bad_header")),
    *(f"bypass_{kind}_checks" for kind in ("virus", "spam", "banned", "header")),
)
_POLICY_WARNINGS = ("warnvirusrecip", "warnbannedrecip", "warnbadhrecip")
_POLICY_LEVELS = (
    *(f"spam_{level}_level" for level in ("tag", "tag2", "tag3", "kill", "dsn_cutoff", "quarantine_cutoff")),
)
_POLICY_WORDS = (
    *(f"{kind}_quarantine_to" for kind in ("virus", "spam", "banned", "unchecked", "bad_header", "clean", "archive")),
    *(f"addr_extension_{kind}" for kind in ("virus", "spam", "banned", "bad_header")),
    *(f"{kind}_admin" for kind in ("newvirus", "virus", "banned", "bad_header", "spam")),
    "spam_subject_tag",
    "spam_subject_tag2",
    "spam_subject_tag3",
    "banned_rulenames",
    "disclaimer_options",
    "forward_method",
    "sa_userconf",
    "sa_username",
)

policy = Table(
    "policy",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("policy_name", String(32)),
    *(_flag(name) for name in (*_POLICY_FLAGS, *_POLICY_WARNINGS)),
    *(Column(name, Float) for name in _POLICY_LEVELS),
    *(Column(name, String(64)) for name in _POLICY_WORDS),
    Column("message_size_limit", Integer),
)

# --- storage side: written by the journal ------------------------------------------------------------

maddr = Table(
    "maddr",
    metadata,
    Column("partition_tag", Integer, nullable=False, server_default="0"),
    Column("id", _BigId, primary_key=True),
    Column("email", _exact(255), nullable=False),
    Column("domain", String(255), nullable=False),
    UniqueConstraint("partition_tag", "email", name="part_email"),
)

msgs = Table(
    "msgs",
    metadata,
    Column("partition_tag", Integer, primary_key=True, autoincrement=False, server_default="0"),
    Column("mail_id", _exact(16), primary_key=True),
    Column("secret_id", _exact(16), server_default=""),
    Column("am_id", String(20), nullable=False),
    Column("time_num", BigInteger, nullable=False),
    Column("time_iso", String(16), nullable=False),
    Column("sid", _BigId, nullable=False),
    Column("policy", String(255), server_default=""),
    Column("client_addr", String(255), server_default=""),
    Column("size", BigInteger, nullable=False),
    _blank_flag("originating"),
    _flag("content"),
    _flag("quar_type"),
    Column("quar_loc", _exact(255), server_default=""),
    _flag("dsn_sent"),
    Column("spam_level", Float),
    Column("message_id", String(255), server_default=""),
    Column("from_addr", String(255), server_default=""),
    Column("subject", String(255), server_default=""),
    Column("host", String(255), nullable=False),
    ForeignKeyConstraint(["sid"], ["maddr.id"], name="msgs_sid"),
    Index("msgs_idx_sid", "sid"),
    Index("msgs_idx_mess_id", "message_id"),
    Index("msgs_idx_time_num", "time_num"),
)

msgrcpt = Table(
    "msgrcpt",
    metadata,
    Column("partition_tag", Integer, primary_key=True, autoincrement=False, server_default="0"),
    Column("mail_id", _exact(16), primary_key=True),
    Column("rseqnum", Integer, primary_key=True, autoincrement=False),
    Column("rid", _BigId, nullable=False),
    _blank_flag("is_local"),
    _blank_flag("content"),
    Column("ds", String(1), nullable=False),
    Column("rs", String(1), nullable=False),
    _blank_flag("bl"),
    _blank_flag("wl"),
    Column("bspam_level", Float),
    Column("smtp_resp", String(255), server_default=""),
    ForeignKeyConstraint(["rid"], ["maddr.id"], name="msgrcpt_rid"),
    ForeignKeyConstraint(
        ["partition_tag", "mail_id"],
        ["msgs.partition_tag", "msgs.mail_id"],
        name="msgrcpt_mail",
        ondelete="CASCADE",
    ),
    Index("msgrcpt_idx_mail_id", "mail_id"),
    Index("msgrcpt_idx_rid", "rid"),
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("partition_tag", Integer, primary_key=True, autoincrement=False, server_default="0"),
    Column("mail_id", _exact(16), primary_key=True),
    Column("chunk_ind", Integer, primary_key=True, autoincrement=False),
    Column("mail_text", LargeBinary, nullable=False),
)

evidence = Table(
    "evidence",
    metadata,
    Column("partition_tag", Integer, primary_key=True, autoincrement=False, server_default="0"),
    Column("mail_id", _exact(16), primary_key=True),
    Column("time_num", BigInteger, nullable=False),
    Column("document", _LongText, nullable=False),
    Index("evidence_idx_time_num", "time_num"),
)
