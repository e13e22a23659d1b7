# SPDX-License-Identifier: GPL-3.0-or-later
"""Release tokens are good for one pass, whoever asks first, and the key is one for all."""

import stat
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from milterguard.errors import StoreError
from milterguard.store.tokens import TokenMarks, release_gate, release_key

DIGEST = "ab" * 32
DAY = 86400.0


def test_a_token_is_used_once(tmp_path: Path) -> None:
    """The first use is granted, every later one refused, whatever end is named."""
    assert TokenMarks(tmp_path / "marks").use_once(DIGEST, 3e9)
    assert not TokenMarks(tmp_path / "marks").use_once(DIGEST, 3e9)
    assert not TokenMarks(tmp_path / "marks").use_once(DIGEST, 4e9)
    assert TokenMarks(tmp_path / "marks").use_once("cd" * 32, 3e9)


def test_of_many_at_once_one_is_the_first(tmp_path: Path) -> None:
    """Two sessions that bring the same token at the same time do not both pass."""
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: TokenMarks(tmp_path).use_once(DIGEST, 3e9), range(32)))
    assert sorted(answers) == [False] * 31 + [True]


def test_marks_go_a_day_after_their_token_ended(tmp_path: Path) -> None:
    """A mark is kept while its token could still be tried, and the folder does not grow for ever."""
    now = 1_800_000_000.0
    TokenMarks(tmp_path, clock=lambda: now).use_once("0" * 64, now + 300)
    for later, left in ((DAY, 2), (DAY + 200, 2), (DAY + 400, 1)):
        TokenMarks(tmp_path, clock=partial(sum, (now, later))).use_once("1" * 64, now + 2 * DAY)
        assert len(list(tmp_path.iterdir())) == left


def test_an_absurd_end_is_no_error(tmp_path: Path) -> None:
    """However late a token ends, it is marked."""
    assert TokenMarks(tmp_path).use_once(DIGEST, 1e300)
    assert not TokenMarks(tmp_path).use_once(DIGEST, 1e300)


@pytest.mark.parametrize("expires", [-1e300, -1.0, 1e9])
def test_a_token_whose_mark_may_be_gone_is_refused(tmp_path: Path, expires: float) -> None:
    """Nobody can say any more whether it was used."""
    assert not TokenMarks(tmp_path).use_once(DIGEST, expires)


@pytest.mark.parametrize("digest", ["", "../../etc/passwd", "AB" * 32, "ab" * 32 + "\n"])
def test_only_a_digest_names_a_mark(tmp_path: Path, digest: str) -> None:
    """Nothing else becomes a file name."""
    with pytest.raises(StoreError):
        TokenMarks(tmp_path).use_once(digest, 3e9)


def test_a_mark_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """Without a durable mark nothing passes."""
    (tmp_path / "marks").write_text("in the way")
    with pytest.raises(StoreError, match="could not be marked"):
        TokenMarks(tmp_path / "marks").use_once(DIGEST, 3e9)


def test_the_key_is_made_once_and_kept(tmp_path: Path) -> None:
    """All processes and all later starts have the same key, in a file of mode 0640."""
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: release_key(tmp_path / "state"), range(16)))
    assert len(keys) == 1
    assert len(keys.pop()) == 32
    assert stat.S_IMODE((tmp_path / "state/release.key").stat().st_mode) == 0o640
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["release.key"]
    assert release_key(tmp_path / "other") != release_key(tmp_path / "state")


@pytest.mark.parametrize("octets", [b"", b"short", b"x" * 33])
def test_a_damaged_key_is_an_error(tmp_path: Path, octets: bytes) -> None:
    """Half a key would be half a secret."""
    (tmp_path / "release.key").write_bytes(octets)
    with pytest.raises(StoreError, match="damaged"):
        release_key(tmp_path)


def test_a_key_that_cannot_be_read_or_made_is_an_error(tmp_path: Path) -> None:
    """A link or a file in the way is not followed or replaced."""
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError):
        release_key(tmp_path / "file")
    (tmp_path / "release.key").symlink_to("/dev/zero")
    with pytest.raises(StoreError):
        release_key(tmp_path)


def test_the_gate_has_key_and_marks(tmp_path: Path) -> None:
    """What the guard needs comes from one folder."""
    gate = release_gate(tmp_path)
    assert gate.key == release_key(tmp_path)
    assert gate.use_once(DIGEST, 3e9)
    assert not release_gate(tmp_path).use_once(DIGEST, 3e9)
