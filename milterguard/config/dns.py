# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of ``[dns]``. *Errors:* none."""

import ipaddress
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
        20000,
        "Answers that one worker remembers, for as long as each may be; negative ones too. A thousand take 1 MB.",
        minimum=1,
    )


def server_of(text: str) -> tuple[str, int]:
    """Return address and port of ``ADDRESS``, ``ADDRESS:PORT`` or ``[ADDRESS]:PORT``; port 0 for what is none."""
    host, port = text, "53"
    if text.startswith("["):
        host, end, rest = text[1:].partition("]")
        port = rest.removeprefix(":") or "53" if end else ""
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    try:
        address, number = str(ipaddress.ip_address(host)), int(port)
    except ValueError:
        return text, 0
    return address, number if 0 < number < 65536 else 0


def is_name_server(text: str) -> bool:
    return server_of(text)[1] > 0
