# SPDX-License-Identifier: GPL-3.0-or-later
"""The id of a message, as people have it at hand: alone, in an SMTP reply or bounce, or in the name of a kept file."""

import re

_IN_REPLY = re.compile(r"\bid=([A-Za-z0-9_-]{4,16})")


def named_id(text: str) -> str:
    """Return the id that a text names; a text without one is taken for an id, right or wrong."""
    from milterguard.store.location import mail_id_at

    found = _IN_REPLY.search(text)
    return found[1] if found else mail_id_at(text) or text
