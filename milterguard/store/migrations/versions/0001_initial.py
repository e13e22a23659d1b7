# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of amavis, and ours for evidence.

Written down once and never changed: later steps change the tables, not this.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_LONG_TEXT = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")
_BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _exact(length: int) -> "sa.types.TypeEngine[str]":
    return sa.String(length).with_variant(mysql.VARCHAR(length, collation="utf8mb4_bin"), "mysql", "mariadb")


def upgrade() -> None:
    op.create_table(
        "evidence",
        sa.Column("partition_tag", sa.Integer(), server_default="0", autoincrement=False, nullable=False),
        sa.Column("mail_id", _exact(16), nullable=False),
        sa.Column("time_num", sa.BigInteger(), nullable=False),
        sa.Column("document", _LONG_TEXT, nullable=False),
        sa.PrimaryKeyConstraint("partition_tag", "mail_id"),
    )
    op.create_index("evidence_idx_time_num", "evidence", ["time_num"], unique=False)

    op.create_table(
        "maddr",
        sa.Column("partition_tag", sa.Integer(), server_default="0", nullable=False),
        sa.Column("id", _BIG_ID, nullable=False),
        sa.Column("email", _exact(255), nullable=False),
        sa.Column("domain", sa.String(length=255), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("partition_tag", "email", name="part_email"),
    )
    op.create_table(
        "mailaddr",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("priority", sa.Integer(), server_default="7", nullable=False),
        sa.Column("email", _exact(255), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("email"),
    )
    op.create_table(
        "policy",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("policy_name", sa.String(length=32), nullable=True),
        sa.Column("virus_lover", sa.String(length=1), nullable=True),
        sa.Column("spam_lover", sa.String(length=1), nullable=True),
        sa.Column("unchecked_lover", sa.String(length=1), nullable=True),
        sa.Column("banned_files_lover", sa.String(length=1), nullable=True),
        sa.Column("bad_header_lover", sa.String(length=1), nullable=True),
        sa.Column("bypass_virus_checks", sa.String(length=1), nullable=True),
        sa.Column("bypass_spam_checks", sa.String(length=1), nullable=True),
        sa.Column("bypass_banned_checks", sa.String(length=1), nullable=True),
        sa.Column("bypass_header_checks", sa.String(length=1), nullable=True),
        sa.Column("warnvirusrecip", sa.String(length=1), nullable=True),
        sa.Column("warnbannedrecip", sa.String(length=1), nullable=True),
        sa.Column("warnbadhrecip", sa.String(length=1), nullable=True),
        sa.Column("spam_tag_level", sa.Float(), nullable=True),
        sa.Column("spam_tag2_level", sa.Float(), nullable=True),
        sa.Column("spam_tag3_level", sa.Float(), nullable=True),
        sa.Column("spam_kill_level", sa.Float(), nullable=True),
        sa.Column("spam_dsn_cutoff_level", sa.Float(), nullable=True),
        sa.Column("spam_quarantine_cutoff_level", sa.Float(), nullable=True),
        sa.Column("virus_quarantine_to", sa.String(length=64), nullable=True),
        sa.Column("spam_quarantine_to", sa.String(length=64), nullable=True),
        sa.Column("banned_quarantine_to", sa.String(length=64), nullable=True),
        sa.Column("unchecked_quarantine_to", sa.String(length=64), nullable=True),
        sa.Column("bad_header_quarantine_to", sa.String(length=64), nullable=True),
        sa.Column("clean_quarantine_to", sa.String(length=64), nullable=True),
        sa.Column("archive_quarantine_to", sa.String(length=64), nullable=True),
        sa.Column("addr_extension_virus", sa.String(length=64), nullable=True),
        sa.Column("addr_extension_spam", sa.String(length=64), nullable=True),
        sa.Column("addr_extension_banned", sa.String(length=64), nullable=True),
        sa.Column("addr_extension_bad_header", sa.String(length=64), nullable=True),
        sa.Column("newvirus_admin", sa.String(length=64), nullable=True),
        sa.Column("virus_admin", sa.String(length=64), nullable=True),
        sa.Column("banned_admin", sa.String(length=64), nullable=True),
        sa.Column("bad_header_admin", sa.String(length=64), nullable=True),
        sa.Column("spam_admin", sa.String(length=64), nullable=True),
        sa.Column("spam_subject_tag", sa.String(length=64), nullable=True),
        sa.Column("spam_subject_tag2", sa.String(length=64), nullable=True),
        sa.Column("spam_subject_tag3", sa.String(length=64), nullable=True),
        sa.Column("banned_rulenames", sa.String(length=64), nullable=True),
        sa.Column("disclaimer_options", sa.String(length=64), nullable=True),
        sa.Column("forward_method", sa.String(length=64), nullable=True),
        sa.Column("sa_userconf", sa.String(length=64), nullable=True),
        sa.Column("sa_username", sa.String(length=64), nullable=True),
        sa.Column("message_size_limit", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "quarantine",
        sa.Column("partition_tag", sa.Integer(), server_default="0", autoincrement=False, nullable=False),
        sa.Column("mail_id", _exact(16), nullable=False),
        sa.Column("chunk_ind", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("mail_text", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("partition_tag", "mail_id", "chunk_ind"),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("priority", sa.Integer(), server_default="7", nullable=False),
        sa.Column("policy_id", sa.Integer(), server_default="1", nullable=False),
        sa.Column("email", _exact(255), nullable=False),
        sa.Column("fullname", sa.String(length=255), nullable=True),
        sa.Column("local", sa.String(length=1), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("email"),
    )
    op.create_table(
        "wblist",
        sa.Column("rid", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sid", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("wb", sa.String(length=10), nullable=False),
        sa.PrimaryKeyConstraint("rid", "sid"),
    )
    op.create_table(
        "msgs",
        sa.Column("partition_tag", sa.Integer(), server_default="0", autoincrement=False, nullable=False),
        sa.Column("mail_id", _exact(16), nullable=False),
        sa.Column("secret_id", _exact(16), server_default="", nullable=True),
        sa.Column("am_id", sa.String(length=20), nullable=False),
        sa.Column("time_num", sa.BigInteger(), nullable=False),
        sa.Column("time_iso", sa.String(length=16), nullable=False),
        sa.Column("sid", _BIG_ID, nullable=False),
        sa.Column("policy", sa.String(length=255), server_default="", nullable=True),
        sa.Column("client_addr", sa.String(length=255), server_default="", nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("originating", sa.String(length=1), server_default=" ", nullable=False),
        sa.Column("content", sa.String(length=1), nullable=True),
        sa.Column("quar_type", sa.String(length=1), nullable=True),
        sa.Column("quar_loc", _exact(255), server_default="", nullable=True),
        sa.Column("dsn_sent", sa.String(length=1), nullable=True),
        sa.Column("spam_level", sa.Float(), nullable=True),
        sa.Column("message_id", sa.String(length=255), server_default="", nullable=True),
        sa.Column("from_addr", sa.String(length=255), server_default="", nullable=True),
        sa.Column("subject", sa.String(length=255), server_default="", nullable=True),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.ForeignKeyConstraint(["sid"], ["maddr.id"], name="msgs_sid"),
        sa.PrimaryKeyConstraint("partition_tag", "mail_id"),
    )
    op.create_index("msgs_idx_mess_id", "msgs", ["message_id"], unique=False)
    op.create_index("msgs_idx_sid", "msgs", ["sid"], unique=False)
    op.create_index("msgs_idx_time_num", "msgs", ["time_num"], unique=False)

    op.create_table(
        "msgrcpt",
        sa.Column("partition_tag", sa.Integer(), server_default="0", autoincrement=False, nullable=False),
        sa.Column("mail_id", _exact(16), nullable=False),
        sa.Column("rseqnum", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("rid", _BIG_ID, nullable=False),
        sa.Column("is_local", sa.String(length=1), server_default=" ", nullable=False),
        sa.Column("content", sa.String(length=1), server_default=" ", nullable=False),
        sa.Column("ds", sa.String(length=1), nullable=False),
        sa.Column("rs", sa.String(length=1), nullable=False),
        sa.Column("bl", sa.String(length=1), server_default=" ", nullable=False),
        sa.Column("wl", sa.String(length=1), server_default=" ", nullable=False),
        sa.Column("bspam_level", sa.Float(), nullable=True),
        sa.Column("smtp_resp", sa.String(length=255), server_default="", nullable=True),
        sa.ForeignKeyConstraint(
            ["partition_tag", "mail_id"],
            ["msgs.partition_tag", "msgs.mail_id"],
            name="msgrcpt_mail",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["rid"], ["maddr.id"], name="msgrcpt_rid"),
        sa.PrimaryKeyConstraint("partition_tag", "mail_id", "rseqnum"),
    )
    op.create_index("msgrcpt_idx_mail_id", "msgrcpt", ["mail_id"], unique=False)
    op.create_index("msgrcpt_idx_rid", "msgrcpt", ["rid"], unique=False)


def downgrade() -> None:
    for table in ("msgrcpt", "msgs", "wblist", "users", "quarantine", "policy", "mailaddr", "maddr", "evidence"):
        op.drop_table(table)
