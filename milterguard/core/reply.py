# SPDX-License-Identifier: GPL-3.0-or-later
"""What the SMTP client is told: short, fixed, with our id, never a path or the name of a module.

*Source:* RFC 3463; amavis ``%smtp_reason_by_ccat``, whose codes are kept.
"""

from collections.abc import Iterable, Sequence

from milterguard.core.decide import concerned, grounds
from milterguard.core.destiny import Destiny
from milterguard.core.finding import Category, Finding
from milterguard.core.minor import HEADER_MINORS, NON_ASCII, header_code, main_minor
from milterguard.core.part import Flag
from milterguard.core.text import REPLY_LIMIT, ascii_printable
from milterguard.core.verdict import Decision, Reply

_STATUS = {Category.BAD_HEADER: (554, "5.6.0"), Category.OVERSIZED: (552, "5.3.4"), Category.FORGED: (550, "5.7.1")}
_STATUS_OF_MINOR = {
    (Category.BAD_HEADER, NON_ASCII): (554, "5.6.3"),
    # Whoever wrote it can cure it: the content is broken, no policy forbids it.
    (Category.UNCHECKED, Flag.AMBIGUOUS): (554, "5.6.0"),
}
"""Where the minor that counts has a code of its own."""
_WORDS = {
    Category.VIRUS: "INFECTED",
    Category.BANNED: "BANNED",
    Category.UNCHECKED: "UNCHECKED",
    Category.FORGED: "FORGED",
    Category.SPAM: "SPAM",
    Category.SPAMMY: "SPAMMY",
    Category.BAD_HEADER: "BAD-HEADER",
    Category.OVERSIZED: "OVERSIZED",
    Category.FAILED: "FAILED",
    Category.CLEAN: "CLEAN",
}
_DETAIL_LIMIT = 80

BUSY = Reply(451, "4.3.2", "Too many messages in work, try again later")
NO_SPACE = Reply(451, "4.3.1", "Message could not be stored, try again later")
FAILED = Reply(451, "4.3.0", "Internal error, try again later")
NOT_UTF8 = Reply(553, "5.6.7", "Address is not UTF-8")
NOT_A_MAILBOX = Reply(553, "5.1.3", "Bad recipient address syntax")
TOO_BIG = Reply(552, "5.3.4", "Message is over the size limit of this recipient")
DENIED_SENDER = Reply(550, "5.7.1", "This recipient takes no mail from this sender")
DENIED_RECIPIENT = Reply(550, "5.7.1", "This recipient takes no mail")
NO_POLICY = Reply(451, "4.3.0", "Recipient could not be looked up, try again later")
SPLIT = Reply(452, "4.5.3", "Please send to this recipient in a transaction of its own")


def reply_for(decision: Decision, findings: Sequence[Finding], *, mail_id: str, contact: str = "") -> Reply | None:
    """Return the reply for a refused message; None when the MTA answers 250 itself.

    It names what blocked somebody, and nothing else that was found.
    """
    if decision.answer is Destiny.TEMPFAIL:
        return unavailable(mail_id)
    if decision.answer is not Destiny.REJECT:
        return None
    blocking = grounds(findings, concerned(decision.outcomes, decision.answer))
    code, status = _status(decision.category, blocking)
    text = f"Rejected, id={mail_id} - {_reason(decision.category, blocking)}"
    return Reply(code, status, ascii_printable(f"{text}; {contact}" if contact else text, REPLY_LIMIT))


def _status(category: Category, findings: Sequence[Finding]) -> tuple[int, str]:
    of_category = _STATUS.get(category, (554, "5.7.0"))
    return _STATUS_OF_MINOR.get((category, main_minor(category, findings)), of_category)


def _reason(category: Category, findings: Sequence[Finding]) -> str:
    """Return the words of a refusal; a number alone would tell its writer nothing of what to mend."""
    words = category_words(category, findings, limit=_DETAIL_LIMIT)
    if category is not Category.BAD_HEADER:
        return words
    present = {finding.minor for finding in findings if finding.category is category}
    minors = ", ".join(minor for minor in reversed(HEADER_MINORS) if minor in present)
    return f"{words}: {minors}" if minors else words


def unavailable(mail_id: str) -> Reply:
    """Return the answer for everything that went wrong on our side."""
    return with_id(Reply(451, "4.7.1", "Message could not be checked, try again later"), mail_id)


def too_long(mail_id: str) -> Reply:
    """Return the answer to a message over a limit of ours."""
    return with_id(Reply(552, "5.3.4", "Message too big"), mail_id)


def with_id(reply: Reply, mail_id: str) -> Reply:
    """Return a reply that names the message, so that its record is found."""
    return Reply(reply.code, reply.status, f"{reply.text}, id={mail_id}")


def not_stored(mail_id: str) -> Reply:
    """Return the answer when the quarantine could not take the copy that has to be kept."""
    return with_id(Reply(451, "4.3.0", "Message could not be stored, try again later"), mail_id)


def category_words(category: Category, findings: Iterable[Finding], *, limit: int = 200) -> str:
    """Return amavis' words for a category: ``INFECTED: Eicar``, ``UNCHECKED-ENCRYPTED``, ``BAD-HEADER-7``, ``SPAM``.

    Of several minors the most alarming one is named.
    """
    mine = [finding for finding in findings if finding.category is category]
    word = _WORDS[category]
    minor = main_minor(category, mine)
    if category is Category.UNCHECKED and minor:
        return f"{word}-{minor.upper().replace(' ', '-')}"
    if category is Category.BAD_HEADER and header_code(minor):
        return f"{word}-{header_code(minor)}"
    details = ", ".join(dict.fromkeys(finding.detail for finding in mine if finding.detail))
    if category in {Category.VIRUS, Category.BANNED, Category.FORGED} and details:
        return f"{word}: {ascii_printable(details, limit)}"
    return word
