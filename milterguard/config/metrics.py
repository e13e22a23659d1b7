# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of the counters. *Errors:* none."""

from dataclasses import dataclass

from milterguard.core.setting import setting


@dataclass(frozen=True, slots=True)
class Metrics:
    """Counters for Prometheus. Section ``[metrics]``."""

    file: str = setting(
        "",
        "Counters are written to this file, such as /var/lib/prometheus/node-exporter/milterguard.prom for the "
        "textfile collector of node_exporter; empty: not at all.",
    )
    seconds: float = setting(15.0, "The file is written anew this often.", minimum=1, maximum=3600)
