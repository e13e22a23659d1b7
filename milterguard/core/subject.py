# SPDX-License-Identifier: GPL-3.0-or-later
"""The tag before the Subject: which one, and how the whole is written.

*Source:* amavis ``$sa_spam_subject_tag`` and its placeholders; RFC 5322 section 2.2.3 (folding), RFC 2047.
"""

from collections.abc import Sequence

from milterguard.core.finding import Category
from milterguard.core.message import Field
from milterguard.core.placeholder import expanded, placeholders
from milterguard.core.text import decoded, field_text, folded
from milterguard.core.verdict import ChangeField, Edit, InsertField, Outcome

_WHOLE = 1 << 20
"""No Subject is cut: the header section has a limit of its own."""
_NAME_WIDTH = len("Subject: ")
_SPAM_WEIGHT = Category.SPAMMY * 10
"""The levels' own tags stand where spammy mail does, above a tag of ``subject_tag`` for it."""


def subject_edits(
    fields: Sequence[Field], accepted: Sequence[Outcome], *, mail_id: str, hostname: str, other: str = ""
) -> tuple[Edit, ...]:
    """Return the change that puts the tag of the heaviest category before the Subject.

    Earlier copies of the tag are taken out, so tags never pile up. Placeholders in it are replaced.
    ``other`` is the name of a field that has the tag instead, where the Subject must stay as it is.
    """
    local = [outcome for outcome in accepted if outcome.recipient.is_local]
    tag = expanded(_subject_tag(local), placeholders(local, mail_id=mail_id, hostname=hostname))
    if not tag:
        return ()
    if other:
        return (InsertField(other, field_text(tag).strip()),)
    subjects = [field for field in fields if field.is_named(b"Subject")]
    if not subjects:
        return (InsertField("Subject", field_text(tag).rstrip()),)
    old = decoded(b" ".join(subjects[0].value.split()))
    value = old.replace(tag, "").replace(tag.strip(), "").strip()
    return (ChangeField("Subject", 1, _tagged(tag, value)),)


def _tagged(tag: str, subject: str) -> str:
    """Return tag and subject, folded; what is ASCII already stays as it is, encoded words among it."""
    if not subject.isascii():
        return field_text(f"{tag}{subject}", _WHOLE).rstrip()
    whole = f"{field_text(tag)}{field_text(subject, _WHOLE)}".rstrip()
    return whole if "\n" in whole else folded(whole.split(" "), first=_NAME_WIDTH, separator=" ").replace(" \n", "\n")


def _subject_tag(local: Sequence[Outcome]) -> str:
    """Return the first tag found from the heaviest category down, independent of the recipients' order."""
    candidates: list[tuple[int, str]] = []
    for outcome in local:
        policy = outcome.policy
        candidates += [(category * 10, tag) for category, tag in policy.subject_tag if category in outcome.categories]
        if outcome.is_blatant:
            candidates.append((_SPAM_WEIGHT + 2, policy.spam_subject_tag3 or policy.spam_subject_tag))
        if outcome.is_spammy:
            candidates.append((_SPAM_WEIGHT + 1, policy.spam_subject_tag))
        if outcome.is_tagged:
            candidates.append((Category.CLEAN * 10 + 1, policy.spam_subject_tag1))
    return max(((weight, tag) for weight, tag in candidates if tag.strip()), default=(0, ""))[1]
