# SPDX-License-Identifier: GPL-3.0-or-later
"""What nobody meant to hide anything in is not called ambiguous."""

from milterguard.mime.structure import walk
from tests.data import mails
from tests.mime.message import ambiguities, cut


def test_real_mail_is_hardly_ever_ambiguous() -> None:
    """Of two thousand real mails at most one in a thousand is ambiguous."""
    found = {name: ambiguities(walk(*cut(octets))) for name, octets in mails("ham")}
    alarms = {name: words for name, words in found.items() if words}
    assert len(found) > 2000
    assert len(alarms) <= len(found) // 1000, alarms


def test_no_real_mail_is_over_the_limits() -> None:
    """The limits are far from what people send, spam included."""
    for kind in ("ham", "spam"):
        for name, octets in mails(kind):
            assert "over limits" not in [problem.flag for problem in walk(*cut(octets)).problems], name
