# SPDX-License-Identifier: GPL-3.0-or-later
"""What the failure of a check means, for each direction of mail. *Errors:* none."""

from dataclasses import dataclass

from milterguard.core.destiny import Destiny
from milterguard.core.envelope import Traffic


@dataclass(frozen=True, slots=True)
class OnFailure:
    """What a check's failure does, for each class of traffic: ``tempfail`` or ``pass``.

    Written as one word, or as a table such as ``{ inbound = "tempfail", originating = "pass" }``;
    what a table leaves out keeps the check's default, and so does ``local`` with the word ``tempfail``.
    """

    inbound: Destiny = Destiny.TEMPFAIL
    originating: Destiny = Destiny.TEMPFAIL
    local: Destiny = Destiny.TEMPFAIL

    def of(self, traffic: Traffic) -> Destiny:
        return {
            Traffic.INBOUND: self.inbound,
            Traffic.ORIGINATING: self.originating,
            Traffic.LOCAL: self.local,
        }[traffic]


ON_FAILURE_VIRUS = OnFailure(local=Destiny.PASS)
"""Mail that did not come by SMTP must not be deferred: pickup(8) would retry every second (D14)."""
ON_FAILURE_SPAM = OnFailure(Destiny.PASS, Destiny.PASS, Destiny.PASS)
