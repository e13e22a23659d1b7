# SPDX-License-Identifier: GPL-3.0-or-later
"""How domains, recipients and expressions may be written in the settings, so that a slip is told and not just never
matched.

*Source:* amavis' lookup keys, with the ``@`` that its SQL tables put before domains.

*Errors:* Mismatch, which the loader makes a ConfigError.
"""

import re
import warnings

from milterguard.config.value import Mismatch, described

_LABELS = re.compile(r"(?:[\w-]{1,63}\.)*[\w-]{1,63}\Z")
_LITERAL = re.compile(r"\[[0-9A-Za-z:.]{2,64}\]\Z")
_LONGEST = 320
_TOKEN = re.compile(
    r"""\\(?P<escape>.) | \[\^?\]?(?:\\.|[^\]\\])*\] | (?P<open>\() | (?P<close>\))
    | [*+?]\+ | (?P<endless>[*+] | \{[0-9]*,(?:[0-9]{2,})?\}) | .""",
    re.VERBOSE | re.DOTALL,
)
"""What an expression consists of, as far as it matters to who counts repetitions.

``a*+`` does not try again, and ten times is as bad as without end.
"""

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


def expression(text: str) -> re.Pattern[str]:
    """Return an expression compiled; raises Mismatch with the position of what is wrong.

    A repetition of what is itself repeated, as in ``(a+)+``, is refused: a stranger's file name of
    thirty letters would keep the program busy for hours. One whose turns end with a line is safe.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # [[:alpha:]] and the like mean something else in Perl
            compiled = re.compile(text)
    except re.error as error:
        where = "" if error.pos is None else f" at character {error.pos + 1}"
        raise Mismatch("a regular expression of Python", f"{described(text)}: {error.msg}{where}") from None
    except (Warning, OverflowError, RecursionError) as error:
        raise Mismatch("a regular expression of Python", f"{described(text)}: {error}") from None
    if (place := _nested_repetition(text)) is not None:
        got = f"{described(text)}: repeats at character {place + 1} what repeats itself"
        raise Mismatch("a regular expression without a repetition in a repetition", got)
    return compiled


def _nested_repetition(text: str) -> int | None:
    """Return where a group that holds an endless repetition, and no line end, is itself repeated without end."""
    groups: list[tuple[bool, bool]] = [(False, False)]
    closed: tuple[bool, bool] | None = None
    for token in _TOKEN.finditer(text):
        is_endless, has_line_end = groups[-1]
        if token["endless"]:
            if closed == (True, False):
                return token.start()
            groups[-1] = True, has_line_end
        closed = None
        if token["escape"] == "n":
            groups[-1] = is_endless, True
        elif token["open"]:
            groups.append((False, False))
        elif token["close"] and len(groups) > 1:
            closed = groups.pop()
            groups[-1] = groups[-1][0] or closed[0], groups[-1][1] or closed[1]
    return None


def _is_domain(text: str) -> bool:
    return len(text) <= 253 and bool(_LABELS.match(text) or _LITERAL.match(text))
