# SPDX-License-Identifier: GPL-3.0-or-later
"""The index makes copies fewer; when it fails they are made all the same."""

import fcntl
import os
from pathlib import Path

import pytest

from milterguard.store.duplicates import Duplicates

KEY = "ab" * 32


def index(folder: Path) -> Duplicates:
    """Return an index in which every location that was shown is alive."""
    return Duplicates(folder / "index", is_alive=lambda location, _: (folder / location).exists(), lock_seconds=0.05)


def shown(folder: Path, name: str) -> str:
    """Publish a copy that becomes visible as a file, and return the location that counts."""
    return index(folder).publish(KEY, name, lambda: (folder / name).touch())


def test_the_first_copy_counts_for_all(tmp_path: Path) -> None:
    """A later one is not even shown."""
    assert shown(tmp_path, "first") == "first"
    assert shown(tmp_path, "second") == "first"
    assert not (tmp_path / "second").exists()
    assert index(tmp_path).find(KEY) == "first"


def test_a_forgotten_copy_counts_no_more(tmp_path: Path) -> None:
    """But only if it is the one that is named."""
    shown(tmp_path, "first")
    index(tmp_path).forget(KEY, "other")
    assert index(tmp_path).find(KEY) == "first"
    index(tmp_path).forget(KEY, "first")
    assert index(tmp_path).find(KEY) == ""
    index(tmp_path).forget(KEY, "first")


def test_what_cannot_be_shown_is_not_noted(tmp_path: Path) -> None:
    """The reason goes to the caller."""
    with pytest.raises(FileNotFoundError):
        index(tmp_path).publish(KEY, "first", lambda: (tmp_path / "no/folder").touch())
    assert list((tmp_path / "index/ab").iterdir()) == []


class Killed(BaseException):
    """Nothing that the code under test catches."""


@pytest.mark.parametrize("comes_first", ["the copy", "the kill"])
def test_a_kill_while_it_is_shown_makes_no_second_copy(tmp_path: Path, comes_first: str) -> None:
    """A copy that was just shown is found by the retry; an entry without a copy is not heeded."""

    def show() -> None:
        if comes_first == "the copy":
            (tmp_path / "first").touch()
        raise Killed

    with pytest.raises(Killed):
        index(tmp_path).publish(KEY, "first", show)
    assert shown(tmp_path, "second") == ("first" if comes_first == "the copy" else "second")


def test_a_locked_index_is_not_waited_for_long(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A stopped process that holds the lock delays nobody's mail."""
    shown(tmp_path, "first")
    holder = os.open(tmp_path / "index/lock", os.O_RDWR)
    fcntl.flock(holder, fcntl.LOCK_EX)
    (tmp_path / "first").unlink()
    assert shown(tmp_path, "second") == "second"
    index(tmp_path).forget(KEY, "first")
    os.close(holder)
    assert "locked by another process" in caplog.text


@pytest.mark.parametrize("obstacle", ["index", "index/ab", "index/lock"])
def test_an_obstructed_index_is_only_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture, obstacle: str) -> None:
    """Links in it are not followed either."""
    (tmp_path / obstacle).parent.mkdir(exist_ok=True)
    (tmp_path / obstacle).symlink_to(tmp_path / "elsewhere" if obstacle == "index" else tmp_path)
    (tmp_path / "elsewhere").write_text("in the way")
    assert shown(tmp_path, "first") == "first"
    assert (tmp_path / "first").exists()
    assert "index cannot be used" in caplog.text


def test_an_entry_that_cannot_be_written_is_only_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The copy itself is there."""
    (tmp_path / "index/ab" / KEY / "in the way").mkdir(parents=True)
    assert shown(tmp_path, "first") == "first"
    assert "index cannot be written" in caplog.text
    assert [path.name for path in (tmp_path / "index/ab").iterdir()] == [KEY]
