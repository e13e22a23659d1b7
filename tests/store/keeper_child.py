# SPDX-License-Identifier: GPL-3.0-or-later
"""A process that keeps message after message and says each location once it is durable: made to be killed."""

import sys
from dataclasses import replace
from pathlib import Path

from milterguard.core.finding import Category
from milterguard.core.verdict import Keep
from milterguard.store.quarantine import FileQuarantine
from tests.core.build import Octets, message


def main(root: Path, name: str) -> None:
    quarantine = FileQuarantine(root)
    for number in range(1_000_000):
        category = (Category.VIRUS, Category.SPAM)[number % 2]
        mail = replace(message(), mail_id=f"{name}{number:06}", content=Octets(body_of(name, number)))
        stored = quarantine.store(mail, Keep(category, ("user@example.com",)))
        sys.stdout.write(f"{stored.location}\n")
        sys.stdout.flush()


def body_of(name: str, number: int) -> bytes:
    """Return a body that differs for each message and spans several blocks."""
    return f"{name}{number}\r\n".encode() * 8000


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
