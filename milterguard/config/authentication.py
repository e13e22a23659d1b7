# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of ``[checks.authentication]``. *Errors:* none."""

from dataclasses import dataclass

from milterguard.config.on_failure import OnFailure
from milterguard.core.destiny import Destiny
from milterguard.core.setting import setting


@dataclass(frozen=True, slots=True)
class Authentication:
    """Who really sent a message. Section ``[checks.authentication]``."""

    enabled: bool = setting(
        True,
        "Find out who sent a message, and write it into Authentication-Results.",
        amavis="$enable_dkim_verification",
    )
    iprev: bool = setting(True, "Ask whether the client's address has a name that has this address.")
    spf: bool = setting(True, "SPF of HELO and MAIL FROM, for mail from outside.")
    dkim: bool = setting(True, "DKIM signatures.")
    arc: bool = setting(True, "ARC chains.")
    dmarc: bool = setting(True, "DMARC of the From domain, for mail from outside; needs spf and dkim.")
    max_signatures: int = setting(
        8, "DKIM signatures of a message that are looked at, from the top.", minimum=1, maximum=100
    )
    min_key_bits: int = setting(
        1024, "A shorter RSA key proves nothing.", amavis="$dkim_minimum_key_bits", minimum=512, maximum=8192
    )
    trusted_sealers: tuple[str, ...] = setting(
        (),
        "Domains (d= of ARC-Seal) whose word counts: where they found the author proven, DMARC asks for nothing. "
        "Every sealer after them has to be trusted as well.",
    )
    trusted_lists: tuple[str, ...] = setting(
        (),
        "Domains of mailing lists, and what is below them: where SPF or DKIM proves that a message comes from there, "
        "DMARC asks for nothing.",
    )
    on_failure: OnFailure = setting(
        OnFailure(Destiny.TEMPFAIL, Destiny.PASS, Destiny.PASS),
        "tempfail or pass when nothing could be found out by our fault; that the DNS fails is no failure.",
    )
