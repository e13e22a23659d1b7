# SPDX-License-Identifier: GPL-3.0-or-later
"""Mixes of recipients who want different things, and what becomes of one message for each of them.

A recipient is a name at example.com with a policy of his own (``RECIPIENTS``). What he gets is a word:

    pass      delivered to him
    marked    delivered, with a warning field or as spam
    removed   others get it; a copy is kept for him
    kept      accepted from the client, delivered to nobody, a copy is kept for him
    refused   the client is told 5xx behind the message
    deferred  the client is told 451 behind the message
    550 …     what he is told at RCPT already
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.daemons import toml

FRIEND, STRANGER = "friend@sender.example", "stranger@sender.example"
RECIPIENTS: Mapping[str, toml.Table] = {
    "plain": {},
    "other": {},
    "discard": {"virus_destiny": "discard", "banned_destiny": "discard", "spam_destiny": "discard"},
    "defer": {"virus_destiny": "tempfail", "banned_destiny": "tempfail", "spam_destiny": "tempfail"},
    "vlover": {"virus_lover": True},
    "blover": {"banned_lover": True},
    "slover": {"spam_lover": True},
    "nospam": {"bypass_spam_checks": True},
    "novirus": {"bypass_virus_checks": True},
    "nobanned": {"bypass_banned_checks": True},
    "strict": {"spam_tag2_level": 2.5, "spam_kill_level": 3.0},
    "patient": {"spam_tag2_level": 10.0, "spam_kill_level": 15.0},
    "allower": {"allow_senders": [FRIEND]},
    "denier": {"deny_senders": [FRIEND], "reject_denied_at_rcpt": False},
    "shutter": {"deny_senders": [FRIEND]},
    "pointer": {"score_senders": {FRIEND: 3.0}},
    "small": {"message_size_limit": 2000},
    "closed": {"refuse_mail": True},
    "broken": {"bad_header_destiny": "reject"},
    "folder": {"spam_destiny": "pass", "addr_extension": {"spam": "spam"}},
}
CLIENTS: Mapping[str, str] = {"remove": "198.51.100.7", "split": "198.51.100.8", "strictest": "198.51.100.9"}
"""Address of the client for each ``mixed_recipients``: a bank for each."""
SETTINGS: toml.Table = {
    "bank": {mode: {"when": {"network": address}, "mixed_recipients": mode} for mode, address in CLIENTS.items()},
    "recipient": [{"match": [f"{name}@example.com"], **said} for name, said in RECIPIENTS.items() if said],
}


@dataclass(frozen=True, slots=True)
class Mix:
    """One message."""

    mode: str
    body: str
    """clean, virus, banned, header, big, or the points of the private spamd's rules: 5-0, 6-5, 20-0."""
    expected: Mapping[str, str]
    """Name of the recipient and what he gets, in the order of RCPT."""
    sender: str = STRANGER
    delivered_as: Mapping[str, str] = field(default_factory=dict)
    """Names under which the next hop gets it, where they are others."""

    @property
    def name(self) -> str:
        whom = ",".join(f"{name}={word.replace(' ', '-')}" for name, word in self.expected.items())
        return f"{self.mode}-{self.body}-{whom}" + ("" if self.sender == STRANGER else "-friend")


MIXES = (
    # clean mail
    Mix("remove", "clean", {"plain": "pass", "other": "pass"}),
    Mix("remove", "clean", {"plain": "pass", "closed": "550"}),
    Mix("split", "clean", {"plain": "pass", "other": "pass", "vlover": "452"}),
    Mix("strictest", "clean", {"plain": "pass", "discard": "pass", "defer": "pass"}),
    # viruses
    Mix("remove", "virus", {"plain": "refused", "other": "refused"}),
    Mix("remove", "virus", {"plain": "removed", "vlover": "marked"}),
    Mix("remove", "virus", {"vlover": "marked", "plain": "removed", "other": "removed"}),
    Mix("remove", "virus", {"plain": "refused", "discard": "refused"}),
    Mix("remove", "virus", {"discard": "kept"}),
    Mix("remove", "virus", {"discard": "removed", "vlover": "marked"}),
    Mix("remove", "virus", {"defer": "deferred", "vlover": "deferred"}),
    Mix("remove", "virus", {"defer": "deferred", "plain": "deferred", "discard": "deferred"}),
    Mix("remove", "virus", {"novirus": "pass", "plain": "removed"}),
    Mix("remove", "virus", {"novirus": "marked", "vlover": "marked", "plain": "removed", "discard": "removed"}),
    Mix("split", "virus", {"plain": "refused", "vlover": "452"}),
    Mix("split", "virus", {"vlover": "marked", "plain": "452", "discard": "452"}),
    Mix("split", "virus", {"discard": "kept", "plain": "452"}),
    Mix("strictest", "virus", {"plain": "refused", "vlover": "refused"}),
    Mix("strictest", "virus", {"vlover": "kept", "discard": "kept"}),
    Mix("strictest", "virus", {"vlover": "marked", "novirus": "marked"}),
    Mix("strictest", "virus", {"defer": "deferred", "vlover": "deferred"}),
    # banned names
    Mix("remove", "banned", {"plain": "refused", "slover": "refused"}),
    Mix("remove", "banned", {"plain": "removed", "blover": "marked"}),
    Mix("remove", "banned", {"nobanned": "pass", "plain": "removed", "discard": "removed"}),
    Mix("remove", "banned", {"discard": "kept"}),
    Mix("remove", "banned", {"defer": "deferred", "blover": "deferred"}),
    Mix("split", "banned", {"plain": "refused", "nobanned": "452"}),
    Mix("strictest", "banned", {"plain": "refused", "blover": "refused", "nobanned": "refused"}),
    # spam
    Mix("remove", "20-0", {"plain": "refused", "strict": "refused", "patient": "refused"}),
    Mix("remove", "20-0", {"slover": "marked", "plain": "removed"}),
    Mix("remove", "20-0", {"nospam": "pass", "plain": "removed", "other": "removed"}),
    Mix("remove", "20-0", {"discard": "removed", "nospam": "marked", "slover": "marked"}),
    Mix("remove", "20-0", {"folder": "marked", "plain": "removed"}, delivered_as={"folder": "folder+spam"}),
    Mix("remove", "20-0", {"defer": "deferred", "slover": "deferred", "plain": "deferred"}),
    Mix("remove", "6-5", {"plain": "marked", "strict": "removed", "patient": "marked"}),
    Mix("remove", "5-0", {"plain": "pass", "patient": "pass", "strict": "removed"}),
    Mix("split", "5-0", {"plain": "pass", "patient": "452", "strict": "452"}),
    Mix("strictest", "5-0", {"plain": "refused", "strict": "refused"}),
    Mix("strictest", "20-0", {"nospam": "kept", "discard": "kept"}),
    # lists of senders
    Mix("remove", "20-0", {"allower": "pass", "plain": "removed"}, FRIEND),
    Mix("remove", "20-0", {"allower": "refused", "plain": "refused"}),
    Mix("remove", "clean", {"denier": "removed", "plain": "pass"}, FRIEND),
    Mix("remove", "clean", {"shutter": "550", "plain": "pass", "allower": "pass"}, FRIEND),
    Mix("remove", "clean", {"shutter": "pass", "denier": "pass"}),
    Mix("remove", "5-0", {"pointer": "removed", "plain": "pass"}, FRIEND),
    Mix("remove", "virus", {"allower": "refused", "denier": "refused"}, FRIEND),
    Mix("split", "clean", {"plain": "pass", "denier": "452"}, FRIEND),
    Mix("strictest", "clean", {"plain": "refused", "denier": "refused"}, FRIEND),
    # sizes and header sections
    Mix("remove", "big", {"small": "552", "plain": "pass"}),
    Mix("remove", "header", {"broken": "removed", "plain": "marked"}),
    Mix("strictest", "header", {"broken": "refused", "plain": "refused"}),
    # five at once
    Mix(
        "remove",
        "virus",
        {"plain": "removed", "vlover": "marked", "novirus": "marked", "discard": "removed", "closed": "550"},
    ),
    Mix(
        "remove",
        "20-0",
        {"plain": "removed", "slover": "marked", "nospam": "marked", "strict": "removed", "discard": "removed"},
    ),
)
