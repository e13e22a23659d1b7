# SPDX-License-Identifier: GPL-3.0-or-later
"""From the harness' measurements to ``docs/performance.md``: medians, and ratios within one run."""

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

_DISTURBED = 0.15
"""Share of the machine's CPU that others may have used in a run that counts."""


@dataclass(frozen=True, slots=True)
class Target:
    """One ratio and what it should reach."""

    name: str
    ours: str
    theirs: str
    concurrency: int
    measure: str
    floor: float
    is_upper: bool = False
    """True: the ratio must stay below."""


TARGETS = (
    Target("T1 plumbing: messages/s against a no-op milter", "milterguard-none", "noop-prefork", 16, "rate", 0.65),
    Target("T3 virus scan: messages/s against clamav-milter", "milterguard-av", "clamav-milter", 16, "rate", 1.05),
    Target("T4 virus scan: messages/s against clamd alone", "milterguard-av", "direct-clamd", 16, "rate", 0.72),
    Target("Taken apart: messages/s against not taken apart", "milterguard-av", "milterguard-closed", 16, "rate", 0.90),
    Target("Senders found out: messages/s against not", "milterguard-proofs", "milterguard-av", 16, "rate", 0.80),
    Target("T6 both: messages/s against two milters", "milterguard-av-spam", "clam+spamass", 16, "rate", 1.03),
    Target("T7 both: messages/s against amavisd-milter", "milterguard-av-spam", "amavisd-milter", 16, "rate", 1.08),
    Target("T8 both: messages/s against the scanners alone", "milterguard-av-spam", "direct-both", 16, "rate", 0.95),
    Target("T10 both: median alone against two milters", "milterguard-av-spam", "clam+spamass", 1, "p50", 0.95, True),
)  # fmt: skip

OWN = {
    "clam+spamass": ("clamav-milter", "spamass-milter"),
    "amavisd-milter": ("amavisd-milter", "amavisd"),
}
"""The processes of a contender that are not named as it is."""

HEAD = """\
# Performance

Written by `make bench` from one run of the load harness; only ratios within it are worth quoting.
The load is closed: so many clients, one message a connection, the corpus of the harness (`mix`: plain text, HTML,
attachments, EICAR, GTUBE). Latency is from the last octet of the message to the reply. CPU is of the filter's own
processes, per message. Medians of {rounds} round(s); {cores} cores.
"""


TAIL = """\
## Where it falls short, and what would help

- T3, T4: with clamd alone nearly all CPU is clamd's and Postfix'. Who gives clamd the whole message, as all of these
  do, can differ only in its own share, and a milter in C has a smaller one.
- T1: a message costs a no-op milter in Python a quarter of what it costs milterguard, whose profile is flat: spool,
  policy, decision, log and journal have a share each, and none of them stands out.
- Taken apart: `milterguard-closed` does not look into messages. The difference is what it takes to find the parts,
  judge their names and types, and have archives opened by a process that can do nothing else; no peer in that table
  but amavisd does it.
- Senders found out: the corpus has 781 author domains in 805 messages, so that hardly an answer of the DNS is in the
  cache, and the name server's own CPU is counted in. Of real mail most domains are known. The ratio scatters: another
  run of two rounds of 8 s gave 0.81.
- With spamd, 85 % and more of the CPU is SpamAssassin's. What helps is on its side: as many children as cores, and
  `sa-compile`.
- The harness makes a new connection for each message. A mail server that keeps its sessions open pays less.
- amavisd does more than was asked of the others: it looks for banned files.
"""


def written(results: Path) -> str:
    """Return the document for a file of measurements."""
    rows = [json.loads(line) for line in results.read_text().splitlines()]
    concurrencies = sorted({row["conc"] for row in rows})
    rounds = max(len(_of(rows, row["contender"], row["conc"])) for row in rows)
    parts = [HEAD.format(rounds=rounds, cores=os.cpu_count())]
    parts += [_measured(rows, concurrency) for concurrency in concurrencies]
    return "\n".join([*parts, _targets(rows), TAIL, _replies(rows)])


def _measured(rows: Sequence[dict[str, Any]], concurrency: int) -> str:
    lines = [
        f"## {concurrency} client{'s' if concurrency > 1 else ''} at a time\n",
        "| | messages/s | p50 ms | p95 ms | p99 ms | filter's CPU ms/message | all CPU ms/message |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in dict.fromkeys(row["contender"] for row in rows):
        mine = _of(rows, name, concurrency)
        if mine:
            processes = OWN.get(name, (name,))
            own = _middle(sum(row["cpu_ms"].get(process, 0.0) for process in processes) for row in mine)
            whole = _middle(sum(v for k, v in row["cpu_ms"].items() if k != "loadgen") for row in mine)
            latency = [f"{_middle(row[key] or 0 for row in mine) * 1000:.1f}" for key in ("p50", "p95", "p99")]
            rate = f"{_middle(row['rate'] for row in mine):.1f}"
            lines.append(f"| {name} | {rate} | {' | '.join(latency)} | {own:.2f} | {whole:.1f} |")
    return "\n".join([*lines, ""])


def _targets(rows: Sequence[dict[str, Any]]) -> str:
    lines = ["## Ratios and what they should be\n", "| | wanted | measured | |", "|---|---|---|---|"]
    for target in TARGETS:
        ours, theirs = (_of(rows, name, target.concurrency) for name in (target.ours, target.theirs))
        if not ours or not theirs:
            continue
        ratio = _middle(row[target.measure] for row in ours) / _middle(row[target.measure] for row in theirs)
        is_met = ratio <= target.floor if target.is_upper else ratio >= target.floor
        sign = "≤" if target.is_upper else "≥"
        lines.append(f"| {target.name} | {sign} {target.floor} | {ratio:.2f} | {'met' if is_met else 'missed'} |")
    return "\n".join([*lines, ""])


def _replies(rows: Sequence[dict[str, Any]]) -> str:
    lines = ["## Replies by class of message\n"]
    for name in dict.fromkeys(row["contender"] for row in rows):
        counts: dict[str, dict[str, int]] = {}
        for row in rows:
            for kind, codes in row["codes"].items() if row["contender"] == name else ():
                for code, count in codes.items():
                    counts.setdefault(kind, {}).setdefault(code, 0)
                    counts[kind][code] += count
        words = (
            f"{kind} " + "/".join(f"{c}×{n}" for c, n in sorted(of.items())) for kind, of in sorted(counts.items())
        )
        lines.append(f"- {name}: " + "; ".join(words))
    return "\n".join([*lines, ""])


def _of(rows: Sequence[dict[str, Any]], name: str, concurrency: int) -> list[dict[str, Any]]:
    """Return a contender's undisturbed runs, or all when every one was disturbed."""
    mine = [row for row in rows if row["contender"] == name and row["conc"] == concurrency]
    return [row for row in mine if row["foreign"] < _DISTURBED] or mine


def _middle(values: Iterable[float]) -> float:
    return median(list(values))
