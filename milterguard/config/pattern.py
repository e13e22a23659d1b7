# SPDX-License-Identifier: GPL-3.0-or-later
"""How domains, recipients and expressions may be written in the settings, so that a slip is told and not just never
matched.

*Source:* amavis' lookup keys, with the ``@`` that its SQL tables put before domains.

*Errors:* Mismatch, which the loader makes a ConfigError.
"""

import ipaddress
import re
import socket
from collections.abc import Callable
from typing import TypeVar

from milterguard.config.expression import Expression, Searching
from milterguard.config.value import Mismatch, described
from milterguard.core.bank import NULL_SENDER

_E = TypeVar("_E", Expression, Searching)
_LABELS = re.compile(r"(?:[\w-]{1,63}\.)*[\w-]{1,63}\Z")
_LITERAL = re.compile(r"\[[0-9A-Za-z:.]{2,64}\]\Z")
_LONGEST = 320
_EXPRESSION = re.compile(r"/(.+)/\Z", re.DOTALL)
_IGNORING_CASE = "(?i)"
"""What follows may say ``(?-i)``."""

FILE = "file:"
DOMAIN = "example.com, .example.com (with subdomains) or . (all)"
NETWORK = "a network such as 192.0.2.0/24 or 2001:db8::/32, or an address"
RECIPIENT = "user@example.com, @example.com, @.example.com (with subdomains), user@ or @. (all)"


def check_domain(text: str) -> None:
    """Raise Mismatch unless ``text`` is an entry for ``[local] domains``."""
    if text == "." or _is_domain(text.removeprefix(".")):
        return
    without = text.replace("*.", ".").rpartition("@")[2].rstrip(".")
    hint = f'; did you mean "{without}"?' if without != text and _is_domain(without.removeprefix(".")) else ""
    raise Mismatch(DOMAIN, described(text) + hint)


def check_recipient(text: str) -> None:
    """Raise Mismatch unless ``text`` is an entry for ``match`` of ``[[recipient]]``."""
    user, at, domain = text.rpartition("@")
    if not at or len(text) > _LONGEST or text != text.strip():
        hint = f'; did you mean "@{text}"?' if text == "." or _is_domain(text.removeprefix(".")) else ""
        raise Mismatch(RECIPIENT, described(text) + hint)
    if user and (not domain or _is_domain(domain)):
        return
    if not user and (domain == "." or _is_domain(domain.removeprefix("."))):
        return
    raise Mismatch(RECIPIENT, described(text))


def check_sender(text: str) -> None:
    """Raise Mismatch unless ``text`` is an entry for a list of senders."""
    if text != NULL_SENDER:
        check_recipient(text)


def network(text: str) -> tuple[int, int, int]:
    """Return version, length of the prefix and number of a network or an address; raises Mismatch."""
    address, slash, length = text.partition("/")
    try:
        number = int.from_bytes(socket.inet_pton(socket.AF_INET, address))
        bits = int(length) if slash else 32
    except (OSError, ValueError):
        return _any_network(text)
    # The usual network in a tenth of the time: there are lists of hundreds of thousands.
    is_plain = (not slash or length.isdigit()) and bits <= 32 and not number & ((1 << (32 - bits)) - 1)
    return (4, bits, number) if is_plain else _any_network(text)


def _any_network(text: str) -> tuple[int, int, int]:
    try:
        found = ipaddress.ip_network(text)
    except ValueError:
        raise Mismatch(NETWORK, described(text) + _without_host_bits(text)) from None
    return found.version, found.prefixlen, int(found.network_address)


def split_exception(text: str) -> tuple[str, bool]:
    """Return an entry without ``!``, and whether it is an exception: an odd number of them makes it one.

    *Source:* amavis, lists with ``!``.
    """
    plain = text.lstrip("!")
    return plain, (len(text) - len(plain)) % 2 == 1


def file_named(entry: str) -> str | None:
    """Return the path in ``file:/PATH``; None for another entry."""
    return entry.removeprefix(FILE) if entry.startswith(FILE) else None


def address_expression(entry: str) -> Expression | None:
    """Return what ``/…/`` searches for, None for another entry; raises Mismatch.

    In either case, unless it says ``(?-i)``.
    """
    found = _EXPRESSION.match(entry)
    return _compiled(Expression, _IGNORING_CASE + found[1], shown=entry) if found else None


def searching(text: str) -> Searching:
    """Return an expression that tells its groups, in either case unless it says ``(?-i)``; raises Mismatch."""
    return _compiled(Searching, _IGNORING_CASE + text, shown=text)


def expression(text: str) -> Expression:
    """Return an expression compiled; raises Mismatch with what is wrong, or what RE2 lacks."""
    return _compiled(Expression, text, shown=text)


def _compiled(kind: Callable[[str], _E], text: str, *, shown: str) -> _E:
    try:
        return kind(text)
    except ValueError as error:
        raise Mismatch("a regular expression of RE2", f"{described(shown)}: {error}") from None


def _without_host_bits(text: str) -> str:
    try:
        return f'; did you mean "{ipaddress.ip_network(text, strict=False)}"?'
    except ValueError:
        return ""


def _is_domain(text: str) -> bool:
    return len(text) <= 253 and bool(_LABELS.match(text) or _LITERAL.match(text))
