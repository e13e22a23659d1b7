# SPDX-License-Identifier: GPL-3.0-or-later
"""What must survive a power cut is synced before it is shown, and its folder before anybody is told."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from milterguard.core.verdict import Keep
from milterguard.store.quarantine import FileQuarantine
from milterguard.store.tokens import TokenMarks, release_key
from tests.core.build import message
from tests.store.build import SPAM, VIRUS

MAIL_ID = "Abcdefghij12"


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the kernel is asked for, in order: ``sync NAME``, ``link NAME``, ``rename NAME``; a draft's name is cut."""
    asked: list[str] = []

    def noting(word: str, call: Callable[..., None], name_of: Callable[..., str]) -> Callable[..., None]:
        def noted(*arguments: object, **options: object) -> None:
            asked.append(f"{word} {name_of(*arguments)}")
            call(*arguments, **options)

        return noted

    def name_of_open(descriptor: int) -> str:
        return _without_suffix(Path(f"/proc/self/fd/{descriptor}").readlink().name)

    monkeypatch.setattr(os, "fsync", noting("sync", os.fsync, name_of_open))
    for word in ("link", "rename"):
        monkeypatch.setattr(os, word, noting(word, getattr(os, word), lambda _draft, name: str(name)))
    return asked


def _without_suffix(name: str) -> str:
    """Return a draft's name without its sixteen random digits."""
    stem, dot, digits = name.rpartition(".")
    return stem if dot and len(digits) == 16 else name


@pytest.mark.parametrize(("keep", "name"), [(VIRUS, f"virus-{MAIL_ID}"), (SPAM, f"spam-{MAIL_ID}.gz")])
def test_a_copy_is_synced_then_shown_then_its_folder_is_synced(
    tmp_path: Path, steps: list[str], keep: Keep, name: str
) -> None:
    """Octets, name, folder: when the client is answered a power cut takes nothing any more."""
    quarantine = FileQuarantine(tmp_path)
    quarantine.store(message(), keep)
    order = [steps.index(f"sync {name}"), steps.index(f"link {name}"), len(steps) - 1]
    assert order == sorted(order)
    assert steps[-1] == f"sync {MAIL_ID[0]}"


def test_a_copy_that_lies_there_already_has_its_folder_synced(tmp_path: Path, steps: list[str]) -> None:
    """Whoever wrote it may have died before that."""
    quarantine = FileQuarantine(tmp_path)
    quarantine.store(message(), VIRUS)
    steps.clear()
    assert not quarantine.store(replace(message(), mail_id="Zyxwvutsrq98"), VIRUS).is_new
    assert steps == [f"sync {MAIL_ID[0]}"]


def test_a_folder_is_durable_before_a_copy_lies_in_it(tmp_path: Path, steps: list[str]) -> None:
    """A folder's name stands in the folder above it."""
    root = tmp_path / "new"
    FileQuarantine(root).store(message(), VIRUS)
    above = [steps.index("sync new"), steps.index(f"link virus-{MAIL_ID}")]
    assert above == sorted(above)
    assert f"sync {tmp_path.name}" in steps[: above[0]]


def test_an_intent_and_a_receipt_are_synced(tmp_path: Path, steps: list[str]) -> None:
    """Each replaces the one before in one step, and is durable when the next thing happens."""
    quarantine = FileQuarantine(tmp_path)
    quarantine.store(message(), VIRUS)
    receipt = f"virus-{MAIL_ID}.receipt"
    with quarantine.begin_release(MAIL_ID) as release:
        steps.clear()
        release.write_intent("token")
        assert steps == [f"sync .{receipt}", f"rename {receipt}", f"sync {MAIL_ID[0]}"]
        release.write_receipt(["250 2.0.0 Ok"])
        assert steps == [f"sync .{receipt}", f"rename {receipt}", f"sync {MAIL_ID[0]}"] * 2
        steps.clear()
        release.withdraw_intent()
        assert steps == [f"sync {MAIL_ID[0]}"]


def test_a_deleted_message_stays_deleted(tmp_path: Path, steps: list[str]) -> None:
    """Its folder is synced after it has gone."""
    quarantine = FileQuarantine(tmp_path)
    quarantine.store(message(), VIRUS)
    steps.clear()
    quarantine.delete(MAIL_ID)
    assert steps == [f"sync {MAIL_ID[0]}"]


def test_the_use_of_a_token_is_synced(tmp_path: Path, steps: list[str]) -> None:
    """After a power cut a used token is still used."""
    marks = TokenMarks(tmp_path)
    steps.clear()
    assert marks.use_once("ab" * 32, 3e9)
    assert steps[-2:] == [f"sync {'ab' * 32}", f"sync {tmp_path.name}"]


def test_a_new_key_is_synced_before_it_is_shown(tmp_path: Path, steps: list[str]) -> None:
    """Tokens written with a key that a power cut took would be worth nothing."""
    release_key(tmp_path)
    assert steps[-3:] == ["sync .release.key", "link release.key", f"sync {tmp_path.name}"]
