# SPDX-License-Identifier: GPL-3.0-or-later
"""A spool gives every reader what its writer wrote, or says that it cannot."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from milterguard.errors import ContentError
from milterguard.server.spool import Spool, SpoolReader, Trouble
from tests.server.tree import REPOSITORY

MEGABYTE = 1024 * 1024


def make(folder: Path, *, memory: int = 1000, longest: int = MEGABYTE) -> Spool:
    return Spool(max_memory_bytes=memory, max_bytes=longest, directory=str(folder))


def whole(reader: SpoolReader, size: int = 300) -> bytes:
    octets = b""
    while block := reader.read(size):
        octets += block
    reader.close()
    return octets


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("size", [0, 1, 999, 1000, 1001, 5000])
def test_what_was_written_is_read_as_often_as_wanted(tmp_path: Path, size: int) -> None:
    """In memory, at the limit, and in a file."""
    spool = make(tmp_path)
    octets = os.urandom(size)
    for start in range(0, size, 400):
        spool.write(octets[start : start + 400])
    spool.finish()
    assert spool.size == size
    assert whole(spool.open()) == whole(spool.open()) == octets
    spool.release()


@pytest.mark.parametrize(
    ("end", "found"),
    [
        (lambda spool: spool.finish(), b"hello"),
        (lambda spool: spool.fail(Trouble.NOT_STORED), None),
        (lambda spool: spool.release(), None),
    ],
    ids=["finish", "fail", "release"],
)
def test_who_waits_for_the_whole_is_woken_at_the_end(
    tmp_path: Path, end: Callable[[Spool], object], found: bytes | None
) -> None:
    """However it ends, and not before."""
    spool = make(tmp_path)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(spool.whole, deadline=time.monotonic() + 60)
        spool.write(b"hello")
        with pytest.raises(TimeoutError):
            waiting.result(timeout=0.05)
        end(spool)
        if found is None:
            with pytest.raises(ContentError):
                waiting.result(timeout=10)
        else:
            assert waiting.result(timeout=10) == found


def test_readers_keep_up_with_a_writer_in_another_thread(tmp_path: Path) -> None:
    """Three readers that started before the first octet get all of them, across the move to the file."""
    spool = make(tmp_path)
    octets = os.urandom(100_000)
    results: list[bytes] = []
    threads = [threading.Thread(target=lambda: results.append(whole(spool.open(), 1777))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for start in range(0, len(octets), 333):
        spool.write(octets[start : start + 333])
    spool.finish()
    for thread in threads:
        thread.join()
    assert results == [octets] * 3
    spool.release()


def test_the_file_has_no_name_and_is_closed_with_the_last_user(tmp_path: Path) -> None:
    """Nothing to see in the folder; the descriptor lives as long as the session or a reader."""
    before = descriptors()
    spool = make(tmp_path)
    spool.write(b"x" * 5000)
    assert list(tmp_path.iterdir()) == []
    assert descriptors() == before + 1
    spool.finish()
    reader = spool.open()
    spool.release()
    assert len(whole(reader)) == 5000
    assert descriptors() == before
    with pytest.raises(ContentError):
        spool.open()


def test_a_folder_without_unnamed_files_gets_a_named_one_for_a_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fallback of file systems without O_TMPFILE: mode 0600, removed at once."""
    monkeypatch.setattr(os, "O_TMPFILE", os.O_DIRECTORY)  # as an old kernel understands it: EISDIR
    spool = make(tmp_path)
    spool.write(b"x" * 5000)
    spool.finish()
    assert list(tmp_path.iterdir()) == []
    assert len(whole(spool.open())) == 5000
    spool.release()


def test_a_reader_waits_to_its_deadline_only(tmp_path: Path) -> None:
    """ContentError when the content does not arrive in time."""
    spool = make(tmp_path)
    spool.write(b"first")
    reader = spool.open(deadline=time.monotonic() + 0.05)
    assert reader.read(100) == b"first"
    with pytest.raises(ContentError, match="in time"):
        reader.read(100)


def test_a_waiting_reader_learns_of_the_abort(tmp_path: Path) -> None:
    """Release without finish wakes it with ContentError."""
    spool = make(tmp_path)
    reader = spool.open()
    threading.Timer(0.05, spool.release).start()
    with pytest.raises(ContentError, match="ended"):
        reader.read(100)
    reader.close()


def test_a_closed_reader_does_not_read(tmp_path: Path) -> None:
    """Closing twice is allowed, reading afterwards is not."""
    reader = make(tmp_path).open()
    reader.close()
    reader.close()
    with pytest.raises(ContentError):
        reader.read(1)


def test_over_the_limit_octets_are_counted_but_not_kept(tmp_path: Path) -> None:
    """The trouble is TOO_LONG, readers are told, the size goes on."""
    spool = make(tmp_path, longest=10)
    spool.write(b"123456")
    reader = spool.open()
    spool.write(b"123456")
    spool.write(b"123456")
    spool.finish()
    assert (spool.size, spool.trouble) == (18, Trouble.TOO_LONG)
    with pytest.raises(ContentError):
        reader.read(1)


def test_a_folder_that_is_missing_is_a_trouble_not_an_exception(tmp_path: Path) -> None:
    """What cannot be stored is known to the session by ``trouble`` and to the log by ``detail``."""
    spool = make(tmp_path / "missing")
    spool.write(b"x" * 5000)
    assert spool.trouble is Trouble.NOT_STORED
    assert "missing" in spool.detail


def test_a_full_disk_is_a_trouble_and_the_next_message_is_well(small_disk: Path) -> None:
    """1 MB of tmpfs: two megabytes do not fit, half of one fits afterwards."""
    spool = make(small_disk, longest=10 * MEGABYTE)
    reader = spool.open()
    for _ in range(32):
        spool.write(b"x" * 65536)
    spool.finish()
    assert spool.trouble is Trouble.NOT_STORED
    with pytest.raises(ContentError):
        reader.read(1)
    reader.close()
    spool.release()
    other = make(small_disk)
    other.write(b"x" * (MEGABYTE // 2))
    other.finish()
    assert len(whole(other.open(), 65536)) == MEGABYTE // 2
    other.release()


MEASURE = """
import resource, sys
from milterguard.server.spool import Spool
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before = peak()
spool = Spool(max_memory_bytes=262144, max_bytes=1 << 30, directory=sys.argv[1])
for _ in range(int(sys.argv[2]) * 16):
    spool.write(bytes(65536))
spool.finish()
reader = spool.open()
size = 0
while block := reader.read(65536):
    size += len(block)
assert size == int(sys.argv[2]) << 20
print(peak() - before)
"""


@pytest.mark.parametrize("megabytes", [25, 100])
def test_a_large_message_costs_little_memory(tmp_path: Path, megabytes: int) -> None:
    """25 and 100 MB: less than 20 MB of resident memory more, written and read."""
    command = [sys.executable, "-c", MEASURE, str(tmp_path), str(megabytes)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=True)
    assert int(done.stdout) < 20 * 1024
