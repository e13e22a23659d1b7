# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking twice delivers once, and a death in between is noticed."""

import fcntl
import subprocess
from pathlib import Path

import pytest

from milterguard.errors import NotFoundError, StoreError
from milterguard.store.quarantine import FileQuarantine
from tests.core.build import message
from tests.store.build import VIRUS

MAIL_ID = "Abcdefghij12"


@pytest.fixture
def quarantine(tmp_path: Path) -> FileQuarantine:
    """A quarantine with one message."""
    quarantine = FileQuarantine(tmp_path)
    quarantine.store(message(), VIRUS)
    return quarantine


def test_a_first_release_has_no_past(quarantine: FileQuarantine) -> None:
    """Nothing is known before, and beginning alone changes nothing."""
    with quarantine.begin_release(MAIL_ID) as release:
        assert (release.previous, release.is_uncertain) == (None, False)
    assert quarantine.find(MAIL_ID).status == "held"


def test_a_second_release_sees_the_receipt(quarantine: FileQuarantine) -> None:
    """What the MTA said the first time is there for the second."""
    with quarantine.begin_release(MAIL_ID) as release:
        release.write_intent("token")
        release.write_receipt(["250 2.0.0 Ok: queued as 4X"])
    with quarantine.begin_release(MAIL_ID) as release:
        assert not release.is_uncertain
        assert release.previous is not None
        assert release.previous.is_released
        assert release.previous.lines == ("250 2.0.0 Ok: queued as 4X",)
        assert release.previous.token_digest == "token"
    assert quarantine.find(MAIL_ID).status == "released"


def test_an_intent_without_receipt_is_uncertain(quarantine: FileQuarantine) -> None:
    """Who died after the MTA's answer and before the receipt leaves a trace."""
    with quarantine.begin_release(MAIL_ID) as release:
        release.write_intent("token")
    with quarantine.begin_release(MAIL_ID) as release:
        assert release.is_uncertain
        assert release.previous is not None
        assert release.previous.token_digest == "token"
    assert quarantine.find(MAIL_ID).status == "held"


def test_an_intent_can_be_taken_back(quarantine: FileQuarantine) -> None:
    """After a plain refusal the message is held as before."""
    with quarantine.begin_release(MAIL_ID) as release:
        release.write_intent("token")
        release.withdraw_intent()
    with quarantine.begin_release(MAIL_ID) as release:
        assert release.previous is None


def test_two_do_not_release_at_the_same_time(quarantine: FileQuarantine, tmp_path: Path) -> None:
    """The second waits, and is told when its patience ends."""
    with (
        quarantine.begin_release(MAIL_ID),
        pytest.raises(StoreError, match="somebody else"),
        FileQuarantine(tmp_path).begin_release(MAIL_ID, wait_seconds=0.05),
    ):
        pass
    with FileQuarantine(tmp_path).begin_release(MAIL_ID, wait_seconds=0.0):
        pass


def test_a_message_deleted_while_its_lock_is_waited_for_is_gone(
    quarantine: FileQuarantine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock of a file without a name says nothing: nobody may send what was deleted."""
    take = fcntl.flock

    def deleted_meanwhile(descriptor: int, flags: int) -> None:
        (tmp_path / f"A/virus-{MAIL_ID}").unlink()
        take(descriptor, flags)

    monkeypatch.setattr(fcntl, "flock", deleted_meanwhile)
    with pytest.raises(NotFoundError, match="just been deleted"), quarantine.begin_release(MAIL_ID):
        pass


def test_what_is_not_there_cannot_be_released(quarantine: FileQuarantine) -> None:
    """A wrong id is an error, never a success."""
    with pytest.raises(NotFoundError), quarantine.begin_release("Zyxwvutsrq98"):
        pass


@pytest.mark.parametrize("octets", ["", "nonsense", "[]", '{"state": "released"}', "[" * 100_000, '{"lines": 1}'])
def test_a_damaged_receipt_is_an_error(quarantine: FileQuarantine, tmp_path: Path, octets: str) -> None:
    """Not to know whether it was delivered must not look like never delivered."""
    (tmp_path / f"A/virus-{MAIL_ID}.receipt").write_text(octets)
    with pytest.raises(StoreError, match="damaged"), quarantine.begin_release(MAIL_ID):
        pass


def test_a_link_in_the_place_of_a_receipt_is_an_error(quarantine: FileQuarantine, tmp_path: Path) -> None:
    """Receipts are read from regular files only."""
    (tmp_path / f"A/virus-{MAIL_ID}.receipt").symlink_to("/dev/null")
    with pytest.raises(StoreError), quarantine.begin_release(MAIL_ID):
        pass


def test_an_intent_that_cannot_be_written_is_an_error(small_disk: Path) -> None:
    """Without a durable intent nothing may be sent."""
    quarantine = FileQuarantine(small_disk)
    quarantine.store(message(), VIRUS)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with quarantine.begin_release(MAIL_ID) as release, pytest.raises(StoreError, match="Read-only"):
        release.write_intent("token")


def test_receipts_of_other_things_are_no_mail(quarantine: FileQuarantine) -> None:
    """A receipt beside its message is not listed."""
    with quarantine.begin_release(MAIL_ID) as release:
        release.write_intent("token")
    assert [entry.mail_id for entry in quarantine.entries()] == [MAIL_ID]
