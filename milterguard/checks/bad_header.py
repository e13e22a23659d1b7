# SPDX-License-Identifier: GPL-3.0-or-later
"""Broken header sections: which of amavis' tests, and ours of From, a message fails.

The tests are ``core/header_tests.py``; broken MIME is what taking the message apart complained of.

*Source:* amavis ``%allowed_header_tests``. amavis spares the null sender and bulk mail a D_BOUNCE
for bad headers; there are no bounces here, so a destiny holds for all senders alike.
"""

from collections.abc import Iterable, Sequence

from milterguard.config.settings import BadHeader
from milterguard.core import minor
from milterguard.core.finding import Category, Finding
from milterguard.core.header_tests import complaints
from milterguard.core.message import Message
from milterguard.core.part import Flag, Problem
from milterguard.core.verdict import Judged
from milterguard.unpack.opened import Opened

_EXAMPLES = 3
"""Complaints of one minor that its finding tells."""


class BadHeaderCheck:
    """Looks at the fields of a message as they came. Safe to use from several threads."""

    name = "bad_header"

    def __init__(self, settings: BadHeader) -> None:
        self._utf8 = settings.utf8
        self._wanted = frozenset(_wanted(settings))

    def judge(
        self,
        message: Message,
        judged: Sequence[Judged],  # noqa: ARG002 - the contract's; these tests are the same for everybody
        opened: Opened,
    ) -> tuple[Finding, ...]:
        """Return one finding for each minor, the highest of amavis' codes first."""
        found: dict[str, list[str]] = {}
        if minor.MIME in self._wanted:
            found[minor.MIME] = list(_untidy(opened.problems))
        for each in complaints(message.fields, self._wanted, utf8=self._utf8):
            found.setdefault(each.minor, []).append(each.detail)
        return tuple(
            Finding(self.name, Category.BAD_HEADER, kind, _joined(found[kind]))
            for kind in reversed(minor.HEADER_MINORS)
            if found.get(kind)
        )


def _wanted(settings: BadHeader) -> Iterable[str]:
    """Return the minors whose tests are switched on."""
    switches = {
        minor.MIME: settings.mime,
        minor.NON_ASCII: settings.non_ascii,
        minor.CONTROL: settings.control,
        minor.BLANK_FOLD: settings.blank_fold,
        minor.LONG: settings.long,
        minor.SYNTAX: settings.syntax,
        minor.MISSING: settings.missing,
        minor.DUPLICATE: settings.duplicate,
        minor.MANY_FROM: settings.many_from,
    }
    return (kind for kind, is_on in switches.items() if is_on)


def _untidy(problems: Iterable[Problem]) -> Iterable[str]:
    """Return what is wrong with the structure, each once; a limit of ours is no fault of the message."""
    return dict.fromkeys(each.detail for each in problems if each.flag in (None, Flag.AMBIGUOUS))


def _joined(details: Sequence[str]) -> str:
    more = ["and more"] if len(details) > _EXAMPLES else []
    return "; ".join([*details[:_EXAMPLES], *more])
