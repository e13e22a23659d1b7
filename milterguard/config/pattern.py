# SPDX-License-Identifier: GPL-3.0-or-later
"""How domains, recipients and expressions may be written in the settings, so that a slip is told and not just never
matched.

*Source:* amavis' lookup keys, with the ``@`` that its SQL tables put before domains.

*Errors:* Mismatch, which the loader makes a ConfigError.
"""

import re

from milterguard.config.expression import Expression
from milterguard.config.value import Mismatch, described

_LABELS = re.compile(r"(?:[\w-]{1,63}\.)*[\w-]{1,63}\Z")
_LITERAL = re.compile(r"\[[0-9A-Za-z:.]{2,64}\]\Z")
_LONGEST = 320

DOMAIN = "example.com, .example.com (with subdomains) or . (all)"
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


def expression(text: str) -> Expression:
    """Return an expression compiled; raises Mismatch with what is wrong, or what RE2 lacks."""
    try:
        return Expression(text)
    except ValueError as error:
        raise Mismatch("a regular expression of RE2", f"{described(text)}: {error}") from None


def _is_domain(text: str) -> bool:
    return len(text) <= 253 and bool(_LABELS.match(text) or _LITERAL.match(text))
