# SPDX-License-Identifier: GPL-3.0-or-later
"""Words that stand for what is known of a message, in subject tags and fields of the operator's own.

*Source:* amavis' ``_SCORE_ _REQD_ _YESNO_ _YESNOCAPS_ _HOSTNAME_ _MAILID_``; ``_CATEGORY_`` is ours. *Errors:* none.
"""

import re
from collections.abc import Mapping, Sequence

from milterguard.core.finding import Category
from milterguard.core.score import score_text
from milterguard.core.verdict import Outcome

_PLACEHOLDER = re.compile(r"_[A-Z]+_")


def placeholders(outcomes: Sequence[Outcome], *, mail_id: str, hostname: str) -> Mapping[str, str]:
    """Return what each word stands for, by the severest of these recipients; ``x`` for points that nobody gave."""
    scores = [outcome.score for outcome in outcomes if outcome.score is not None]
    required = [each.policy.spam_tag2_level for each in outcomes if each.policy.spam_tag2_level is not None]
    is_spammy = any(outcome.is_spammy for outcome in outcomes)
    return {
        "_SCORE_": score_text(max(scores)) if scores else "x",
        "_REQD_": score_text(min(required)) if required else "x",
        "_YESNOCAPS_": "YES" if is_spammy else "NO",
        "_YESNO_": "Yes" if is_spammy else "No",
        "_HOSTNAME_": hostname,
        "_MAILID_": mail_id,
        "_CATEGORY_": max((outcome.category for outcome in outcomes), default=Category.CLEAN).word,
    }


def expanded(text: str, values: Mapping[str, str]) -> str:
    """Return a text with the words replaced; what is no placeholder stays."""
    return _PLACEHOLDER.sub(lambda found: values.get(found[0], found[0]), text)
