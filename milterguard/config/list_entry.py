# SPDX-License-Identifier: GPL-3.0-or-later
"""How an entry of a list may be written, in the settings and in a file.

*Errors:* Mismatch, which the loader makes a ConfigError.
"""

from collections.abc import Callable, Mapping, Sequence

from milterguard.config.list_file import ListKind
from milterguard.config.pattern import (
    address_expression,
    check_domain,
    check_recipient,
    check_sender,
    file_named,
    network,
    split_exception,
)
from milterguard.config.value import Mismatch, described


def check_entry(kind: ListKind, text: str) -> None:
    """Raise Mismatch unless ``text`` is an entry of such a list in the settings."""
    plain, _ = split_exception(text)
    path = file_named(plain)
    if path is None:
        check_plain(kind, plain)
    elif not path.startswith("/") or not path.isprintable():
        raise Mismatch("file: with an absolute path", described(text))


def check_plain(kind: ListKind, plain: str) -> None:
    """Raise Mismatch unless an entry without ``!`` names no file and is one of its kind."""
    if file_named(plain) is not None:
        raise Mismatch("no file in a file", described(plain))
    if kind is ListKind.NETWORKS or address_expression(plain) is None:
        _CHECKS[kind](plain)


def check_meaning(entries: Sequence[str]) -> None:
    """Raise Mismatch when all entries are exceptions: of nothing, which nobody means."""
    if entries and all(split_exception(each)[1] for each in entries):
        raise Mismatch("an entry without !, from which it may be an exception", described(entries[0]))


def _check_network(plain: str) -> None:
    network(plain)


_CHECKS: Mapping[ListKind, Callable[[str], None]] = {
    ListKind.RECIPIENTS: check_recipient,
    ListKind.SENDERS: check_sender,
    ListKind.SCORES: check_sender,
    ListKind.DOMAINS: check_domain,
    ListKind.NETWORKS: _check_network,
    ListKind.ORDERED: check_recipient,
    ListKind.VALUES: check_recipient,
}
