# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked in amavis' own tables, in one statement for a recipient: rows, and his list about a sender.

``users.*`` and ``policy.*`` are asked for, not names: older tables lack some columns, and sites add some.

*Source:* amavis' README.sql and ``$sql_select_policy``, ``$sql_select_white_black_list``. *Errors:* none.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from milterguard.config.select import SENDER_PLACES, parsed
from milterguard.core.text import printable
from milterguard.lookup.address import canonical_match
from milterguard.lookup.layer import SenderEntry
from milterguard.lookup.sql_engine import Answer
from milterguard.lookup.sql_row import Row, described, named, number_of, text_of

MARK = "mg_mark"
"""The column between those of ``users`` and those of ``policy``."""
ALL_COLUMNS = "users.*, 1 AS mg_mark, policy.*"
RECIPIENT = parsed(
    """\
SELECT users.*, 1 AS mg_mark, policy.*, users.id AS mg_id, users.email AS mg_email, users.priority AS mg_priority,
 policy.id AS mg_policy_id,
 CASE WHEN EXISTS (SELECT 1 FROM wblist WHERE wblist.rid = users.id) THEN 1 ELSE 0 END AS mg_has_list,
 mailaddr.email AS mg_sender, mailaddr.priority AS mg_sender_priority, wblist.wb AS mg_wb
FROM users LEFT JOIN policy ON policy.id = users.policy_id
LEFT JOIN mailaddr ON mailaddr.email IN (%r)
LEFT JOIN wblist ON wblist.rid = users.id AND wblist.sid = mailaddr.id
WHERE users.email IN (%k)""",
    places=SENDER_PLACES,
    needed="k",
)
"""``%k`` are the recipient's keys, ``%r`` the sender's. All four tables are read by their keys, never as a whole."""
OUR_COLUMNS = (
    *("mg_id", "mg_email", "mg_priority", "mg_policy_id", "mg_has_list"),
    *("mg_sender", "mg_sender_priority", "mg_wb"),
)
"""Those that ``RECIPIENT`` has behind the columns of ``policy``."""
SENDERS = parsed(
    "SELECT wblist.rid AS rid, mailaddr.email AS email, mailaddr.priority AS priority, wblist.wb AS wb"
    " FROM wblist JOIN mailaddr ON mailaddr.id = wblist.sid WHERE wblist.rid IN (%r) AND mailaddr.email IN (%k)",
    places=SENDER_PLACES,
    needed="k",
)


def rows_of(answer: Answer) -> tuple[tuple[Row, ...], tuple[SenderEntry, ...]]:
    """Return what ``RECIPIENT`` found: each row of ``users`` once, and what their lists say about the sender."""
    found: dict[int, Row] = {}
    entries: list[SenderEntry] = []
    mark = answer.columns.index(MARK)
    for row in answer.rows:
        own = dict(zip(answer.columns, row, strict=True))
        rid = number_of(own["mg_id"])
        if rid is None:
            continue
        if rid not in found:
            found[rid] = _row(answer.columns, row, mark=mark, rid=rid)
        if own["mg_wb"] is not None:
            entries.append(entry_of(rid, own["mg_sender"], own["mg_sender_priority"], own["mg_wb"]))
    return tuple(found.values()), tuple(entries)


def custom_rows_of(answer: Answer) -> Iterator[Row]:
    """Yield what a SELECT of the operator found, in its order unless there is a column ``priority``."""
    for row in answer.rows:
        values = named(answer.columns, row)
        rid = number_of(values["id"]) if "id" in values else None
        email = text_of(values.get("email", ""))
        name = f" id {printable(text_of(values['id']), 40)}" if "id" in values else ""
        shown = f" ({described(email)})" if "email" in values else ""
        where = f"recipient_select{name}{shown}"
        yield Row(where, values, email=email, priority=_number(values.get("priority")), rid=rid)


def custom_entries_of(answer: Answer) -> Iterator[SenderEntry]:
    """Yield what ``SENDERS``, or a SELECT of the operator in its place, found."""
    for row in answer.rows:
        values = named(answer.columns, row)
        rid = number_of(values.get("rid", ""))
        if rid is not None and "email" in values and "wb" in values:
            yield entry_of(rid, values["email"], values.get("priority"), values["wb"])


def entry_of(rid: int, email: Any, priority: Any, wb: Any) -> SenderEntry:
    """Return a row of ``wblist``, its address in the form in which addresses are compared here."""
    text = text_of(email)
    key = canonical_match(text) if text else ""
    return SenderEntry(rid, key, int(_number(priority)), text_of(wb))


def _row(columns: Sequence[str], row: Sequence[Any], *, mark: int, rid: int) -> Row:
    user, policy = named(columns[:mark], row[:mark]), named(columns[mark + 1 :], row[mark + 1 :])
    email, number = text_of(policy.get("mg_email", "")), policy.get("mg_policy_id")
    where = f"users.id {rid} ({described(email)})"
    its_policy = f"policy.id {number}"
    name = f' "{printable(text_of(policy["policy_name"]), 40)}"' if "policy_name" in policy else ""
    return Row(
        where if number is None else f"{where}, {its_policy}{name}",
        {**user, **policy},
        places={**dict.fromkeys(user, f"users.id {rid}"), **dict.fromkeys(policy, its_policy)},
        email=email,
        priority=_number(policy.get("mg_priority")),
        rid=rid if policy.get("mg_has_list") else None,
    )


def _number(value: Any) -> float:
    try:
        return float(text_of(value)) if value is not None else 0.0
    except ValueError:
        return 0.0
