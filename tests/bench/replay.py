# SPDX-License-Identifier: GPL-3.0-or-later
"""How long 100,000 stored messages take to be decided again.

    python -m tests.bench.replay [NUMBER]

makes a journal of so many messages in a temporary folder, has ``milterguard replay`` decide them under
settings with a lower kill level, and prints messages, seconds, and messages in a second.
"""

import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import insert

from milterguard.checks.banned import BannedCheck
from milterguard.config.settings import Local, Settings
from milterguard.core.decide import decide
from milterguard.core.destiny import Mixed
from milterguard.core.envelope import Client, Envelope, Traffic
from milterguard.core.finding import Category, Finding
from milterguard.core.part import Part
from milterguard.core.report import Record
from milterguard.core.verdict import Verdict
from milterguard.lookup.policies import Policies
from milterguard.store.engine import make_engine
from milterguard.store.migrate import upgrade
from milterguard.store.rows import evidence_row
from milterguard.store.schema import evidence as table
from milterguard.unpack.opened import Opened
from tests.core.build import message

SETTINGS = Settings(local=Local(domains=("example.com",)))
TREE = (
    Part("1", types=("multipart/mixed",), size=None),
    Part("1/1", parent=0, types=("text/plain",), kinds=("txt", "asc"), size=900, digest="0" * 64),
    Part("1/2", parent=0, types=("application/pdf",), names=("invoice.pdf",), kinds=("pdf",), size=90000),
)


def fill(url: str, number: int, *, now: float, first: int = 0) -> None:
    """Put so many messages of the last hour into a journal, the same for the same numbers."""
    engine = make_engine(url)
    try:
        with engine.begin() as connection:
            rows = list(_rows(number, now=now, first=first))
            for start in range(0, len(rows), 1000):
                connection.execute(insert(table), rows[start : start + 1000])
    finally:
        engine.dispose()


def _rows(number: int, *, now: float, first: int) -> Iterator[dict[str, object]]:
    chance = random.Random(first)
    policies, banned = Policies(SETTINGS), BannedCheck(SETTINGS)
    for each in range(first, first + number):
        yield dict(evidence_row(_record(each, chance, policies, banned, now=now)))


def _record(number: int, chance: random.Random, policies: Policies, banned: BannedCheck, *, now: float) -> Record:
    sender = f"s{chance.randrange(500)}@sender{chance.randrange(50)}.example"
    to = {f"u{chance.randrange(200)}@example.com" for _ in range(chance.choice((1, 1, 1, 2, 3)))}
    judged = [policies.judged(each, (), Traffic.INBOUND, (), sender) for each in sorted(to)]
    score = round(chance.gauss(1.5, 4), 1)
    findings = (
        Finding("clamd", Category.CLEAN, server="unix:/run/clamav/clamd.ctl", seconds=0.01),
        Finding("spamd", Category.CLEAN, score=score, tests=(("BAYES_50", 0.8), ("OTHER", score - 0.8)), seconds=0.3),
        *banned.judge(message(), judged, Opened(TREE)),
    )
    decision = decide(findings, judged, mixed=Mixed.REMOVE)
    client = Client(f"192.0.2.{number % 256}", port=25, name="mx.sender.example", helo="mx.sender.example")
    envelope = Envelope(sender, tuple(each.recipient for each in judged), client)
    return Record(
        mail_id=f"B{number:010d}x",
        log_id="1-1",
        received_at=now - number % 3600,
        envelope=envelope,
        size=92000,
        message_id=f"<{number}@sender.example>",
        subject="Your invoice",
        from_address=sender,
        verdict=Verdict(decision, findings, tree=TREE),
        answer=decision.answer,
        reply="",
        milliseconds=312.0,
        authors=(sender,),
    )


def main(number: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url = f"sqlite:///{folder / 'milterguard.db'}"
        upgrade(url)
        fill(url, number, now=time.time())
        head = '[local]\ndomains = ["example.com"]\n'
        (folder / "old.toml").write_text(f'{head}[store]\nurl = "{url}"\n')
        (folder / "new.toml").write_text(f"{head}[policy]\nspam_kill_level = 5.0\n")
        words = ["replay", "--config", str(folder / "old.toml"), "--settings", str(folder / "new.toml"), "--json"]
        begin = time.monotonic()
        done = subprocess.run([sys.executable, "-m", "milterguard", *words], capture_output=True, check=False)
        seconds = time.monotonic() - begin
        totals = json.loads(done.stdout)["totals"]
        print(f"{totals['messages']} messages, {totals['changed']} would change, {seconds:.1f} s, "
              f"{totals['messages'] / seconds:.0f} messages/s")  # fmt: skip


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
