# SPDX-License-Identifier: GPL-3.0-or-later
"""What a client may put between the angle brackets of RCPT TO.

Postfix takes much that is no mailbox and cleans it up: source routes, groups, comments, brackets
too many, ``site!user``. The cleaned address is what it delivers to, but we are shown what the
client wrote. A recipient whose address we read differently would have another one's policy, and
could not be removed from the envelope: Postfix ignores a removal that does not match. So one form
only is taken, the one that both sides read alike.

*Source:* RFC 5321 sections 4.1.2 and 4.1.1.3 (source routes are accepted and ignored); postconf(5)
``swap_bangpath``, ``allow_percent_hack``, ``resolve_dequoted_address``.
"""

import re

_ATOM = r'[^\x00-\x20\x7f"(),:;<>@\[\]\\]'
_LOCAL = rf'(?:"(?:[^\x00-\x1f\x7f"\\]|\\[^\x00-\x1f\x7f])*"|{_ATOM}+)'
_DOMAIN = rf"(?:\[[^\x00-\x20\x7f\[\]<>\\]+\]|{_ATOM}+(?<!\.))"
_MAILBOX = re.compile(rf"{_LOCAL}@{_DOMAIN}\Z")
_UNQUALIFIED = re.compile(rf'(?:"(?:[^\x00-\x1f\x7f"\\]|\\[^\x00-\x1f\x7f])*"|(?:(?![!%]){_ATOM})+)\Z')
"""Without a domain Postfix reads ``!`` and ``%`` as routes."""
_PLAIN_LOCAL = re.compile(r"[^\x00-\x20\x7f\"(),:;<>@\[\]\\!%]+\Z")
"""Without quotes and without what an MTA may read as a route."""
_CODED = re.compile(r"(?:srs[01]|prvs)[=+-]", re.IGNORECASE)
"""Local parts that carry a signature of themselves: Sender Rewriting Scheme, BATV."""
_ADDRESS_LIMIT = 320
_NEVER_SPLIT = frozenset({"postmaster", "mailer-daemon", "double-bounce"})
_LIST_SERVICE = re.compile(r"\Aowner-.|.-request\Z", re.IGNORECASE | re.DOTALL)
_ROUTE = re.compile(r'\A@[^\x00-\x20\x7f:()<>"\\]*:(?=[^@])')


def unbracketed(octets: bytes) -> bytes:
    """Return a path without its angle brackets; ``sendmail(1)`` under Postfix gives none."""
    path = octets.strip()
    return path[1:-1] if path.startswith(b"<") and path.endswith(b">") else path


def without_route(path: str) -> str:
    """Return a path without a simple source route: ``@a,@b:user@example.com`` is ``user@example.com``."""
    return _ROUTE.sub("", path, count=1) if path.startswith("@") else path


def is_mailbox(text: str) -> bool:
    """Whether the MTA and we read this address alike. Linear, never raises."""
    return bool(_MAILBOX.match(text) or _UNQUALIFIED.match(text))


def is_address(text: str) -> bool:
    """Whether an operator may name this as a recipient: ASCII, with a domain."""
    return "@" in text and text.isascii() and len(text) <= _ADDRESS_LIMIT and is_mailbox(text)


def is_plain_local(local: str, delimiter: str) -> bool:
    """Whether a local part is a name that an extension may stand behind."""
    is_name = bool(_PLAIN_LOCAL.match(local)) and local[0] not in delimiter
    return is_name and not _CODED.match(local)


def is_never_split(local: str, delimiter: str) -> bool:
    """Whether an MTA takes a local part as a whole: ``postmaster``; with ``-`` ``owner-list``, ``list-request`` too."""
    return local.lower() in _NEVER_SPLIT or ("-" in delimiter and bool(_LIST_SERVICE.search(local)))


def split_extension(local: str, delimiter: str) -> tuple[str, str]:
    """Return user and extension (with its delimiter) of an unquoted local part. Never raises.

    *Source:* amavis and Postfix alike: the first delimiter that is not the first character.
    """
    if is_never_split(local, delimiter):
        return local, ""
    places = [place for character in delimiter if (place := local.find(character, 1)) > 0]
    return (local[: min(places)], local[min(places) :]) if places else (local, "")
