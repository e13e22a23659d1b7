# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of ``[dns]``. *Errors:* none."""

from dataclasses import dataclass

from milterguard.core.setting import setting


@dataclass(frozen=True, slots=True)
class Dns:
    """Name servers. Section ``[dns]``."""

    servers: tuple[str, ...] = setting(
        (), "Name servers as ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT; empty: those of /etc/resolv.conf."
    )
    timeout_seconds: float = setting(
        3.0, "A server that has not answered by then is asked again, or the next one.", minimum=0.1, maximum=60
    )
    dns_budget_seconds: float = setting(
        8.0,
        "Time that all questions of one message may take together; those that are left then are temporary errors.",
        minimum=0.1,
        maximum=300,
    )
    cache_entries: int = setting(
        50000, "Answers that one worker remembers, for as long as each may be; negative ones too.", minimum=1
    )
