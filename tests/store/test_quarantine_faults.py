# SPDX-License-Identifier: GPL-3.0-or-later
"""Full, read-only and obstructed disks: an error, and nothing half to be seen."""

import os
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from milterguard.core.message import Reader
from milterguard.errors import ContentError, StoreError
from milterguard.store.quarantine import FileQuarantine
from tests.core.build import Octets, message
from tests.store.build import SPAM, VIRUS, drafts, visible


class Vanishing(Octets):
    """A content that is gone when it is read for the second time."""

    opened = 0

    def open(self, *, deadline: float | None = None) -> "Reader":  # type: ignore[override]
        self.opened += 1
        if self.opened > 1:
            raise ContentError("gone")
        return super().open()


class Growing(Octets):
    """A content that is longer each time."""

    opened = 0

    def open(self, *, deadline: float | None = None) -> "Reader":  # type: ignore[override]
        self.opened += 1
        return Octets(b"x" * self.opened).open()


def test_a_full_disk_is_a_store_error_and_leaves_nothing(small_disk: Path) -> None:
    """No half copy can be seen, and there is room for the next one."""
    quarantine = FileQuarantine(small_disk)
    with pytest.raises(StoreError, match="No space left"):
        quarantine.store(message(body=os.urandom(1_500_000)), VIRUS)
    assert (visible(small_disk), drafts(small_disk)) == ([], [])
    assert quarantine.store(message(), VIRUS).is_new


def test_a_full_disk_is_a_store_error_for_packed_copies_too(small_disk: Path) -> None:
    """Closing a compressor that could not write does not hide the reason."""
    with pytest.raises(StoreError, match="No space left"):
        FileQuarantine(small_disk).store(message(body=os.urandom(1_500_000)), SPAM)
    assert (visible(small_disk), drafts(small_disk)) == ([], [])


def test_a_read_only_disk_is_a_store_error(small_disk: Path) -> None:
    """Whatever the disk refuses is said in our words."""
    quarantine = FileQuarantine(small_disk)
    quarantine.store(message(), VIRUS)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(StoreError, match="the quarantine could not take a copy: Read-only"):
        quarantine.store(replace(message(body=b"Other.\r\n"), mail_id="Zyxwvutsrq98"), VIRUS)
    assert [entry.mail_id for entry in quarantine.entries()] == ["Abcdefghij12"]
    with pytest.raises(StoreError):
        quarantine.delete("Abcdefghij12")


@pytest.mark.parametrize("place", ["", "A", ".incoming"])
def test_a_file_in_the_place_of_a_folder_is_a_store_error(tmp_path: Path, place: str) -> None:
    """Whichever folder cannot be used, the message is not accepted."""
    root = tmp_path / "quarantine"
    (root / place).parent.mkdir(exist_ok=True)
    (root / place).write_text("in the way")
    with pytest.raises(StoreError):
        FileQuarantine(root).store(message(), VIRUS)


def test_a_link_in_the_place_of_a_folder_is_not_followed(tmp_path: Path) -> None:
    """Nobody leads us out of the quarantine."""
    elsewhere, root = tmp_path / "elsewhere", tmp_path / "quarantine"
    elsewhere.mkdir()
    root.mkdir()
    (root / "A").symlink_to(elsewhere)
    quarantine = FileQuarantine(root)
    with pytest.raises(StoreError):
        quarantine.store(message(), VIRUS)
    assert list(elsewhere.iterdir()) == []
    assert list(quarantine.entries()) == []
    with pytest.raises(StoreError):
        quarantine.find("Abcdefghij12")


@pytest.mark.parametrize("content", [Vanishing(b"x"), Growing(b"x")])
def test_a_content_that_is_gone_or_changes_leaves_nothing(tmp_path: Path, content: Octets) -> None:
    """A message that cannot be read to its end is no copy."""
    with pytest.raises((ContentError, StoreError)):
        FileQuarantine(tmp_path).store(replace(message(), content=content), VIRUS)
    assert (visible(tmp_path), drafts(tmp_path)) == ([], [])


def test_old_drafts_are_removed_and_young_ones_left(tmp_path: Path) -> None:
    """What a crash left goes after a day; what is being written now stays."""
    incoming = tmp_path / ".incoming"
    incoming.mkdir()
    (incoming / "old").write_bytes(b"half")
    (incoming / "young").write_bytes(b"half")
    os.utime(incoming / "old", (time.time() - 90_000,) * 2)
    quarantine = FileQuarantine(tmp_path)
    assert list(quarantine.entries()) == []
    quarantine.store(message(), VIRUS)
    assert drafts(tmp_path) == ["young"]
    assert quarantine.remove_drafts(older_than_seconds=-1) == 1


def test_a_folder_removed_under_us_is_made_again(tmp_path: Path) -> None:
    """An operator may empty the quarantine while we run."""
    quarantine = FileQuarantine(tmp_path / "quarantine")
    quarantine.store(message(), VIRUS)
    subprocess.run(["rm", "-r", str(tmp_path / "quarantine")], check=True)
    assert quarantine.store(message(), VIRUS).is_new
