# SPDX-License-Identifier: GPL-3.0-or-later
"""A quarantine's values, and looks into its folders."""

from pathlib import Path

from milterguard.core.finding import Category
from milterguard.core.message import Message
from milterguard.core.verdict import Keep
from milterguard.store.quarantine import Entry, FileQuarantine
from tests.core.build import Octets

VIRUS = Keep(Category.VIRUS, ("user@example.com",))
SPAM = Keep(Category.SPAM, ("user@example.com",))


def original(quarantine: FileQuarantine, entry: Entry) -> bytes:
    """Return the message's own octets."""
    with quarantine.open(entry) as reader:
        return b"".join(iter(lambda: reader.read(777), b""))


def octets_of(mail: Message) -> bytes:
    assert isinstance(mail.content, Octets)
    return mail.header + mail.content.open().read(1 << 30)


def visible(root: Path) -> list[str]:
    """Return what lies in the folders of mail."""
    return sorted(str(path.relative_to(root)) for path in root.glob("?/*"))


def drafts(root: Path) -> list[str]:
    return sorted(path.name for path in (root / ".incoming").glob("*"))
